"""What the writer's next commit stores, and what it has counted."""

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from collector.domain.counts import KIND_AND_STATUS, GapLabels, RunCounts
from collector.domain.records import UNDECODED, Gap, StoredMessage, StreamKey
from collector.domain.repair_protocol import Request
from collector.processes.writer.batching import MAX_BATCH_BYTES
from collector.processes.writer.streams import StreamState
from collector.storage.journal.position import Position

NEWEST_GAPS: Final = 4_096
"""Rows of the ledger between two reports of which the newest are told: an outage gives a row to each stream."""


@dataclass
class Counts:
    """Of this run, whichever of its writers counted."""

    messages: int = 0
    stored: int = 0
    """Messages and undecoded frames whose commit is durable."""
    duplicates: int = 0
    late: int = 0
    undecodable: int = 0
    control: int = 0
    """Only of this incarnation."""
    refused: int = 0
    gaps: int = 0
    """Rows of the ledger whose commit is durable; so with `ledger`."""
    ledger: Counter[GapLabels] = field(default_factory=Counter)
    strays: Counter[GapLabels] = field(default_factory=Counter)
    """Rows of the ledger that are of no stream that ever spoke; the others are counted with their streams."""
    newest_gaps: deque[tuple[str, str, Gap]] = field(default_factory=lambda: deque(maxlen=NEWEST_GAPS))
    """Rows of the gap ledger since the last report, each with its exchange and symbol."""

    def resume(self, streams: Iterable[StreamState], beside: RunCounts) -> None:
        """Go on from what this run has committed, of its streams and beside them."""
        self.refused, self.strays = beside.refused, Counter(dict(beside.gaps))
        self.ledger.update(self.strays)
        for stream in streams:
            if stream.key.data_type == UNDECODED:
                self.undecodable += stream.messages
            else:
                self.messages += stream.messages
            self.stored += stream.messages
            self.duplicates += stream.duplicates
            self.late += stream.late
            self.ledger.update({(*stream.key, *KIND_AND_STATUS[code]): n for code, n in stream.gaps.items()})
        self.gaps = self.ledger.total()

    def beside(self, run_id: str) -> RunCounts:
        """What commits with the rows, but with no stream."""
        return RunCounts(run_id, self.refused, list(self.strays.items()))

    def note_stored(self, batch: "CommitBatch") -> None:
        """All of it is durable now."""
        self.stored += len(batch.messages)
        self.gaps += len(batch.gaps)
        self.ledger.update(gap_labels(*gap) for gap in batch.gaps)


def gap_labels(exchange: str, symbol: str, gap: Gap) -> GapLabels:
    """What a row of the ledger is counted under."""
    return exchange, symbol, gap.stream_type, gap.kind, gap.status


@dataclass
class CommitBatch:
    """Rows, gaps, touched state and the positions behind them."""

    messages: list[StoredMessage] = field(default_factory=list)
    reasons: list[tuple[int, str]] = field(default_factory=list)
    gaps: list[tuple[str, str, Gap]] = field(default_factory=list)
    positions: dict[str, Position] = field(default_factory=dict)
    touched: dict[int, StreamState] = field(default_factory=dict)
    feeds: set[str] = field(default_factory=set)
    size_bytes: int = 0
    requests: dict[str, list[Request]] = field(default_factory=dict)
    """What is asked of repair, by feed."""
    withdrawn: dict[str, set[str]] = field(default_factory=dict)
    """Names of requests that need no answer any more, by feed."""
    sources: list[tuple[str, int]] = field(default_factory=list)
    """Feeds, each with the place in `messages` where some of its own begin."""

    def __bool__(self) -> bool:
        """Whether anything would be stored, or asked."""
        return bool(self.positions or self.gaps or self.requests)

    def is_full(self, limit: int) -> bool:
        """Whether it is to be committed: `limit` messages, or as many bytes as the writer's memory allows."""
        return len(self.messages) >= limit or self.size_bytes >= MAX_BATCH_BYTES

    def begin(self, feed: str) -> None:
        """The messages that come now are of that feed."""
        if not self.sources or self.sources[-1][0] != feed:
            self.sources.append((feed, len(self.messages)))

    def by_feed(self) -> Iterator[tuple[str, list[StoredMessage]]]:
        """The messages in stretches of one feed."""
        for (feed, start), (_, end) in pairwise([*self.sources, ("", len(self.messages))]):
            if end > start:
                yield feed, self.messages[start:end]

    def add_request(self, feed: str, request: Request) -> None:
        """Ask repair for something, once all of this is kept; also for what was withdrawn before."""
        self.requests.setdefault(feed, []).append(request)
        self.withdrawn.get(feed, set()).discard(request.name)

    def withdraw_request(self, feed: str, name: str) -> None:
        """Ask repair no more for what has that name."""
        self.withdrawn.setdefault(feed, set()).add(name)

    def add_gap(self, place: StreamKey, gap: Gap) -> None:
        """Add a row of the ledger."""
        self.gaps.append((place.exchange, place.symbol, gap))
