"""What the writer's next commit stores, and what it has counted."""

from dataclasses import dataclass, field

from collector.domain.records import Gap, StoredMessage, StreamKey
from collector.processes.streams import Stream
from collector.storage.journal_reader import Position


@dataclass
class Counts:
    """Of this incarnation of the writer."""

    messages: int = 0
    duplicates: int = 0
    late: int = 0
    undecodable: int = 0
    control: int = 0
    refused: int = 0
    gaps: int = 0


@dataclass
class Batch:
    """Rows, gaps, touched state and the positions behind them."""

    messages: list[StoredMessage] = field(default_factory=list)
    reasons: list[tuple[int, str]] = field(default_factory=list)
    gaps: list[tuple[str, str, Gap]] = field(default_factory=list)
    positions: dict[str, Position] = field(default_factory=dict)
    touched: dict[int, Stream] = field(default_factory=dict)
    feeds: set[str] = field(default_factory=set)
    size_bytes: int = 0

    def __bool__(self) -> bool:
        """Whether anything would be stored."""
        return bool(self.positions or self.gaps)

    def add_gap(self, place: StreamKey, gap: Gap) -> None:
        """Add a row of the ledger."""
        self.gaps.append((place.exchange, place.symbol, gap))
