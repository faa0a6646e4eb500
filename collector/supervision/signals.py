"""The signals to the supervisor: their handlers do nothing but note them."""

import signal
from collections import deque

from collector.channel.bell import Bell
from collector.processes.child_main import STOP_SIGNALS


class Signals:
    """Notes the signals that ask for the stop; the handler does nothing else."""

    def __init__(self) -> None:
        self._noted: deque[int] = deque()
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
        self._noted.append(number)

    def fileno(self) -> int:
        """The descriptor that is readable once any signal was handled, until `clear`."""
        return self._bell.fileno()

    def clear(self) -> None:
        """Let the descriptor be readable at the next signal only."""
        self._bell.clear()

    def take(self) -> str | None:
        """The name of the oldest signal that was not taken yet."""
        return signal.Signals(self._noted.popleft()).name if self._noted else None
