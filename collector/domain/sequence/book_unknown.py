"""A stretch in which updates of a book were kept, but there was no book to apply them to; it ends with a whole book."""

from typing import Final

import msgspec

from collector.domain.names import gap_id
from collector.domain.records import Gap, StreamKey

KIND: Final = "book_unknown"


class BookUnknown(msgspec.Struct, array_like=True):
    """Such a stretch while it lasts; committed with the rows."""

    since_us: int
    """When the first update without a book was received; 0 while none has come since the connection was lost."""
    cause: str
    series: int
    """The series in which it began."""
    from_id: int
    """The first update after the newest break: a book that ends the stretch reaches it. A time where ids prove nothing."""
    broken_us: int
    """When that update was received."""
    broken_series: int
    """The series of that update."""
    expected_id: int | None = None
    """The first update without a book, where ids prove continuity."""
    detected_us: int = 0
    """`detected_at` of its row; 0 while it has none. The next row's is later, though a writer that is behind ends the stretch
    in its past."""

    @property
    def has_row(self) -> bool:
        """Whether the ledger has a row of it, which the next one closes."""
        return self.detected_us > 0

    def lasting(self, key: StreamKey, now_us: int) -> Gap:
        """The row while it lasts."""
        self.detected_us = max(now_us, self.since_us)
        return self._row(key, None, None, "open", self.detected_us)

    def ended(self, key: StreamKey, at_us: int, book_id: int | None) -> Gap:
        """The row once a book was received at `at_us`, which goes up to that id."""
        ended_us = max(at_us, self.since_us)
        return self._row(key, ended_us, book_id, "unrepairable", max(ended_us, self.detected_us) + self.has_row)

    def _row(self, key: StreamKey, ended_us: int | None, book_id: int | None, status: str, detected_us: int) -> Gap:
        expected_id = None if self.expected_id is None else str(self.expected_id)
        actual_id = None if book_id is None or expected_id is None else str(book_id)
        name = gap_id(key, self.series, KIND, expected_id, self.since_us)
        return Gap(
            name, key.data_type, KIND, self.cause, expected_id, actual_id, None, self.since_us, ended_us, None, status,
            None, detected_us,
        )  # fmt: skip
