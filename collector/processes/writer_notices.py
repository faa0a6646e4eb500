"""When the writer is told of appended bytes: at once after a quiet time, then as often as it is of use."""

import math
from collections.abc import Callable
from typing import Final

from collector.channel.channel import SPACING_SECS, Notice, Sender
from collector.storage.journal.writer import JournalWriter

MUCH_BYTES: Final = 256 << 10
"""More than this is told sooner: the writer must not have to read it all just when a commit is due."""

BUSY_SPACING_SECS: Final = 0.05
"""Shortest time between two notices."""

_NEVER: Final = math.inf


class WriterNotices:
    """One thread calls `step` when woken or when the time it returned is over; any thread calls `note_appended`."""

    def __init__(
        self, journal: JournalWriter, role: str, sender: Sender, wake: Callable[[], None], commit_secs: float
    ) -> None:
        """`wake` lets the thread call `step` soon; `commit_secs` as in `note_commit_secs`."""
        self._journal = journal
        self._role = role
        self._sender = sender
        self._wake = wake
        self.note_commit_secs(commit_secs)
        self._told_bytes = 0
        self._told_at = -math.inf
        self._wake_at_bytes = _NEVER

    def note_commit_secs(self, secs: float) -> None:
        """The writer commits every so many seconds."""
        self._spacing_secs = min(SPACING_SECS, secs)

    def note_appended(self) -> None:
        """Bytes were appended."""
        if self._journal.appended_bytes >= self._wake_at_bytes:
            self._wake_at_bytes = _NEVER
            self._wake()

    def step(self, now: float) -> float:
        """Tell the writer if it is time; returns seconds until the next call is due, infinite if only `wake` makes it so."""
        while True:
            untold_bytes = self._journal.appended_bytes - self._told_bytes
            wait_secs = self._wait_secs(untold_bytes, now)
            if wait_secs <= 0:
                self.tell(now)
                continue
            if untold_bytes >= MUCH_BYTES:
                return wait_secs
            self._wake_at_bytes = self._told_bytes + (1 if wait_secs == math.inf else MUCH_BYTES)
            # What was appended before the line above woke nobody.
            if self._journal.appended_bytes < self._wake_at_bytes:
                return wait_secs

    def tell(self, now: float) -> None:
        """Tell the writer of all bytes it was not told of, if there are any."""
        appended_bytes = self._journal.appended_bytes
        if appended_bytes != self._told_bytes:
            self._told_bytes, self._told_at = appended_bytes, now
            self._sender.offer(Notice(self._role, "appended", self._journal.number, self._journal.position))

    def _wait_secs(self, untold_bytes: int, now: float) -> float:
        spacing_secs = BUSY_SPACING_SECS if untold_bytes >= MUCH_BYTES else self._spacing_secs
        wait_secs = self._told_at + spacing_secs - now
        return math.inf if wait_secs <= 0 and not untold_bytes else wait_secs
