"""The journal of REST responses for one feed. Its file is created with the first response."""

from collections.abc import Callable

from collector.domain.errors import RetryError
from collector.domain.records import BACKFILLED_LINE
from collector.domain.repair_protocol import RepairAnswer, encode_answer
from collector.storage.journal.writer import JournalWriter


class RepairJournal:
    """Appended responses survive a kill at once, and a power cut after the next `sync`."""

    def __init__(self, open_journal: Callable[[], JournalWriter], shortage: Callable[[], str | None]) -> None:
        """`shortage` names the limit that forbids to append now, or returns None."""
        self._open_journal = open_journal
        self._shortage = shortage
        self._journal: JournalWriter | None = None
        self._is_synced = True

    @property
    def position(self) -> tuple[int, int]:
        """The number of the file being written and the bytes in it; (0, 0) while there is none."""
        return (self._journal.number, self._journal.position) if self._journal else (0, 0)

    def require_room(self) -> None:
        """Raise RetryError while the disk is too short to append."""
        short = self._shortage()
        if short is not None:
            raise RetryError(f"the disk is short: {short}")

    def append(self, received_ns: int, answer: RepairAnswer, body: bytes = b"") -> None:
        """Append a response. Raises RetryError if the disk does not take it; then nothing of it was written."""
        try:
            if self._journal is None:
                self._journal = self._open_journal()
            self._is_synced = False
            self._journal.append_frames(received_ns, BACKFILLED_LINE, [encode_answer(answer, body)])
        except OSError as error:
            raise RetryError(f"the response cannot be written: {error}") from error

    def sync(self) -> None:
        """Make all responses durable.

        Raises OSError. What is durable is unknown then: a second fsync would not report the error again.
        """
        if self._journal is not None and not self._is_synced:
            self._journal.sync()
            self._is_synced = True

    def close(self) -> None:
        """Write the `close` record, and make everything durable. Raises OSError."""
        if self._journal is not None:
            self._journal.close()
