"""What a child tells the supervisor of itself where its reports do not."""

from typing import Protocol

from collector.channel.channel import ALIVE, Notice


class RetryingSender(Protocol):
    """A sender that keeps what it could not send."""

    def offer(self, notice: Notice) -> None:
        """Send now, or keep the notice."""
        ...

    def retry(self) -> None:
        """Send what is kept, if there is room for it now."""
        ...


class Heartbeat:
    """Tells the supervisor that this child's main loop runs although it does not report, or that it waits for the disk.

    It goes over the Queue, which no disk can delay, from a thread that waits for no disk: most waits are over before they
    are worth a notice.
    """

    def __init__(self, sender: RetryingSender, role: str) -> None:
        self._sender = sender
        self._role = role
        self._waits = 0
        self._is_waiting = False
        self._has_reported = False
        self._seen_waits = 0
        self._told_waiting = False

    def note_wait(self, is_waiting: bool) -> None:
        """The main thread is about to wait for the disk (True), or has waited (False)."""
        self._waits += 1
        self._is_waiting = is_waiting

    def note_report(self) -> None:
        """The main thread has reported."""
        self._has_reported = True

    def beat(self) -> None:
        """To be called about once a second, by another thread: tell what the reports do not show."""
        is_waiting, waits = self._is_waiting, self._waits
        goes_on = waits != self._seen_waits and not self._has_reported
        if is_waiting != self._told_waiting or goes_on:
            self._sender.offer(Notice(self._role, ALIVE, int(is_waiting), 0))
        else:
            self._sender.retry()
        self._told_waiting, self._seen_waits, self._has_reported = is_waiting, waits, False
