"""What the writer's next commit stores, and the writer's counts."""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from collector.domain.counts import KIND_AND_STATUS, GapLabels, RunCounts
from collector.domain.records import UNDECODED, Gap, StreamKey
from collector.domain.repair_protocol import Request
from collector.processes.writer.batching import MAX_BATCH_BYTES
from collector.processes.writer.streams import StreamState
from collector.storage.journal.position import Position
from collector.storage.segment.blocks import Messages

NEWEST_GAPS: Final = 4_096
"""Maximum number of ledger rows kept for the next report; the newest are kept. An outage makes a row for each stream."""


@dataclass
class Counts:
    """Counts of this run, over all incarnations of its writer."""

    messages: int = 0
    stored: int = 0
    """Messages and undecoded frames whose commit is durable."""
    duplicates: int = 0
    late: int = 0
    undecodable: int = 0
    control: int = 0
    """Frames without market data; only of this incarnation of the writer."""
    unasked: int = 0
    """Frames of channels that nobody subscribed: they are read, and nothing of them is stored."""
    refused: int = 0
    frame_holes: int = 0
    """How often frames of a connection were lost, as the exchange's numbers of frames show."""
    gaps: int = 0
    """Ledger rows whose commit is durable; `ledger` counts them by labels."""
    ledger: Counter[GapLabels] = field(default_factory=Counter)
    strays: Counter[GapLabels] = field(default_factory=Counter)
    """Ledger rows that belong to no stream with a message; the others are counted with their streams."""
    newest_gaps: deque[tuple[str, str, Gap]] = field(default_factory=lambda: deque(maxlen=NEWEST_GAPS))
    """Rows of the gap ledger since the last report, each with its exchange and symbol."""

    def resume(self, streams: Iterable[StreamState], beside: RunCounts) -> None:
        """Continue from the counts this run has committed: those of its streams, and those `beside` them."""
        self.refused, self.unasked, self.frame_holes = beside.refused, beside.unasked, beside.frame_holes
        self.strays = Counter(dict(beside.gaps))
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
        """The counts that are committed with the rows but belong to no stream."""
        return RunCounts(run_id, self.refused, list(self.strays.items()), self.unasked, self.frame_holes)

    def note_stored(self, batch: "CommitBatch") -> None:
        """Count the rows of a batch that is durable now."""
        self.stored += batch.count
        self.gaps += len(batch.gaps)
        self.ledger.update(gap_labels(*gap) for gap in batch.gaps)


def gap_labels(exchange: str, symbol: str, gap: Gap) -> GapLabels:
    """The labels a ledger row is counted under."""
    return exchange, symbol, gap.stream_type, gap.kind, gap.status


class Origin(Enum):
    """How messages came."""

    LIVE = auto()
    FETCHED = auto()
    """Over REST."""
    LATE = auto()
    """Over a socket of a source that was read late."""


@dataclass
class CommitBatch:
    """Rows, gaps, changed state, and the journal positions after them."""

    messages: dict[tuple[int, int, Origin], Messages] = field(default_factory=dict)
    """By stream id, series, and how they came."""
    count: int = 0
    """Number of messages."""
    reasons: list[tuple[int, str]] = field(default_factory=list)
    gaps: list[tuple[str, str, Gap]] = field(default_factory=list)
    positions: dict[str, Position] = field(default_factory=dict)
    touched: dict[int, StreamState] = field(default_factory=dict)
    feeds: set[str] = field(default_factory=set)
    size_bytes: int = 0
    requests: dict[str, list[Request]] = field(default_factory=dict)
    """New requests to repair, by feed."""
    withdrawn: dict[str, set[str]] = field(default_factory=dict)
    """Names of the requests to withdraw, by feed."""

    def __bool__(self) -> bool:
        """Whether the batch holds anything to store or request."""
        return bool(self.positions or self.gaps or self.requests)

    def is_full(self, limit: int) -> bool:
        """Whether it has to be committed: it has `limit` messages or MAX_BATCH_BYTES."""
        return self.count >= limit or self.size_bytes >= MAX_BATCH_BYTES

    def room(self, limit: int) -> tuple[int, int]:
        """How many messages and bytes are left until it is full."""
        return limit - self.count, MAX_BATCH_BYTES - self.size_bytes

    def messages_of(self, stream: StreamState, origin: Origin = Origin.LIVE) -> Messages:
        """The messages so far of the stream's present series; more are to be appended, each counted in `count`."""
        key = stream.stream_id, stream.dedup.progress.series, origin
        found = self.messages.get(key)
        if found is None:
            found = self.messages[key] = Messages(key[0], key[1], is_late=origin is Origin.LATE)
            self.touched[key[0]] = stream
        return found

    def note_first(self) -> None:
        """Count the messages from sockets by the lines that brought them; to be called once, before the commit."""
        for (stream_id, _, origin), messages in self.messages.items():
            if origin is Origin.LIVE:
                self.touched[stream_id].note_first(messages.lines)

    def live(self) -> Iterator[tuple[str, Messages]]:
        """The messages that came over a socket, and not late, each stream's apart, with the feed that brought them."""
        for (stream_id, _, origin), messages in self.messages.items():
            if origin is Origin.LIVE:
                yield self.touched[stream_id].feed, messages

    def add_request(self, feed: str, request: Request) -> None:
        """Send a request to repair with this commit; cancels an earlier withdrawal of it."""
        self.requests.setdefault(feed, []).append(request)
        self.withdrawn.get(feed, set()).discard(request.name)

    def drop_requests(self, feed: str, is_done: Callable[[Request], bool]) -> None:
        """Do not send the requests of this commit that are done."""
        requests = [request for request in self.requests.pop(feed, ()) if not is_done(request)]
        if requests:
            self.requests[feed] = requests

    def withdraw_request(self, feed: str, name: str) -> None:
        """Withdraw the request of that name with this commit."""
        self.withdrawn.setdefault(feed, set()).add(name)

    def add_gap(self, place: StreamKey, gap: Gap) -> None:
        """Add a row of the ledger."""
        self.gaps.append((place.exchange, place.symbol, gap))
