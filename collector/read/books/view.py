"""What a book looked like at one moment; what is not known is None, never 0."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from collector.read.books.book import Level

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class BookView:
    """A book at one moment. But for `at`, all is None if the book is not known."""

    at: datetime
    """The moment that was asked for."""
    updated_at: datetime | None = None
    """When its last update was received, or one before it in the order of ids, if that came later."""
    last_id: int | None = None
    """The exchange's id of the last update in it; None also where the exchange numbers none."""
    bids: list[Level] | None = None
    """Price and size, best first."""
    asks: list[Level] | None = None
    verified: bool | None = None
    """Whether ids, a count of frames or checksums prove that no update is missing."""
    known_depth: tuple[int, int] | None = None
    """How many of the best bids and asks lie within the prices of the last whole book: beyond them levels may be missing."""

    @property
    def best(self) -> tuple[Level | None, Level | None] | None:
        """The best bid and ask; None for a side without levels."""
        if self.bids is None or self.asks is None:
            return None
        return next(iter(self.bids), None), next(iter(self.asks), None)

    @property
    def mid(self) -> float | None:
        """Halfway between the best prices; None without both."""
        bid, ask = self.best or (None, None)
        return None if bid is None or ask is None else (bid[0] + ask[0]) / 2


def moment(at_us: int) -> datetime:
    """The time of so many microseconds since the epoch."""
    return _EPOCH + timedelta(microseconds=at_us)
