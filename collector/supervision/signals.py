"""The signals to the supervisor: their handlers do nothing but note them."""

import signal
from collections import deque

from collector.channel.bell import Bell
from collector.processes.child_main import STOP_SIGNALS


class Signals:
    """Notes the signals that ask for the stop, or for newer settings."""

    def __init__(self, *, hangup_reloads: bool = False) -> None:
        """`hangup_reloads`: whether SIGHUP asks for newer settings, as where no terminal can hang up, or for the stop."""
        self._hangup_reloads = hangup_reloads
        self._noted: deque[int] = deque()
        self._reload = False
        self._woken = False
        self._bell = Bell()

    def install(self) -> None:
        """Handle SIGTERM, SIGINT and SIGHUP, and receive children's exit codes, whatever the launcher ignored or blocked."""
        signal.set_wakeup_fd(self._bell.ringing_end, warn_on_full_buffer=False)
        for number in STOP_SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup sets it
                signal.signal(number, self.note)
        # Where SIGCHLD is ignored the kernel reaps children by itself, and their exit codes are lost.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)

    def note(self, number: int, _frame: object = None) -> None:
        """Note the signal."""
        if number == signal.SIGHUP and self._hangup_reloads:
            self._reload = self._woken = True
        else:
            self._noted.append(number)

    def wake(self) -> None:
        """Let the supervisor look at once, as if a signal had come. For any thread."""
        self._woken = True
        self._bell.ring()

    def fileno(self) -> int:
        """The descriptor that is readable once any signal was handled, until `clear`."""
        return self._bell.fileno()

    def clear(self) -> None:
        """Let the descriptor be readable at the next signal only."""
        self._bell.clear()

    def take(self) -> str | None:
        """The name of the oldest signal that was not taken yet."""
        return signal.Signals(self._noted.popleft()).name if self._noted else None

    @property
    def is_noted(self) -> bool:
        """Whether there is a signal that was not taken yet."""
        return bool(self._noted)

    def take_wake(self) -> bool:
        """Whether there is something to look at since the last call."""
        woken, self._woken = self._woken, False
        return woken

    def take_reload(self) -> bool:
        """Whether newer settings were asked for since the last call."""
        asked, self._reload = self._reload, False
        return asked

    @property
    def ignores_hangup(self) -> bool:
        """Whether SIGHUP asks for no stop: children, which are signalled with the whole group, then ignore it."""
        return self._hangup_reloads or signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
