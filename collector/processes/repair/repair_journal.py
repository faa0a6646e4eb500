"""The journal of what repair fetched for one feed. It begins with the first answer."""

from collections.abc import Callable

from collector.domain.errors import RetryError
from collector.domain.records import BACKFILLED_LINE
from collector.domain.repair_protocol import RepairAnswer, encode_answer
from collector.storage.journal.writer import JournalWriter


class RepairJournal:
    """Takes answers; what it took is safe from a kill at once, and from a power cut after the next `sync`."""

    def __init__(self, begin: Callable[[], JournalWriter], shortage: Callable[[], str | None]) -> None:
        """`shortage` says why nothing may be appended now, if so."""
        self._begin = begin
        self._shortage = shortage
        self._journal: JournalWriter | None = None

    @property
    def position(self) -> tuple[int, int]:
        """The number of the file being written and the bytes in it; (0, 0) while there is none."""
        return (self._journal.number, self._journal.position) if self._journal else (0, 0)

    def require_room(self) -> None:
        """Raises RetryError while nothing may be appended."""
        short = self._shortage()
        if short is not None:
            raise RetryError(f"{short} forbids to append")

    def append(self, received_ns: int, answer: RepairAnswer, body: bytes = b"") -> None:
        """Raises RetryError where the disk does not take it: then nothing of it is there."""
        try:
            if self._journal is None:
                self._journal = self._begin()
            self._journal.append_frames(received_ns, BACKFILLED_LINE, [encode_answer(answer, body)])
        except OSError as error:
            raise RetryError(f"the answer cannot be kept: {error}") from error

    def sync(self) -> None:
        """Make everything durable.

        Raises OSError, after which nobody can tell what is durable: a second fsync would not say so again.
        """
        if self._journal is not None:
            self._journal.sync()

    def close(self) -> None:
        """Say that nothing more comes. Raises OSError."""
        if self._journal is not None:
            self._journal.close()
