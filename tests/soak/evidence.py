"""What a soak's judgement looks at, as values; times are microseconds since the epoch, UTC."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from collector.domain.records import Gap

PROVABLE: Final = frozenset({"trade", "agg_trade", "book_delta"})
"""Data types whose ids prove that nothing is missing: each message begins where the one before ended, plus one."""


class Stream(NamedTuple):
    """A stream of the one exchange."""

    symbol: str
    data_type: str

    def __str__(self) -> str:
        """As people name it."""
        return f"{self.symbol} {self.data_type}"

    @property
    def provable(self) -> bool:
        """Whether its ids prove continuity."""
        return self.data_type in PROVABLE


class Ids(NamedTuple):
    """The ids that a message spans, both ends included."""

    first: int
    last: int


class Sent(NamedTuple):
    """A frame that the kernel took from the exchange; `digest` stands for its bytes."""

    digest: bytes
    ids: Ids | None
    """None where the stream is not provable."""
    at_us: int
    size_bytes: int


class Handed(NamedTuple):
    """A frame's place on a connection."""

    stream: Stream
    sent: Sent


@dataclass
class Connection:
    """One connection as the exchange saw it, with what was sent on it in that order."""

    number: int
    feed: str
    opened_us: int
    closed_us: int
    frames: list[Handed]


class Killed(NamedTuple):
    """An ingest that was killed; it ran until `ran_until_us`, which is earlier where it was stopped first."""

    feed: str
    at_us: int
    ran_until_us: int


@dataclass(frozen=True)
class Evidence:
    """Everything that was sent, kept, noted and done. `sent` holds each frame once, however often it was sent."""

    feeds: Mapping[str, Sequence[Stream]]
    sent: Mapping[Stream, Sequence[Sent]]
    connections: Sequence[Connection]
    archived: Mapping[Stream, Sequence[bytes]]
    """Digests in the archive's order."""
    gaps: Mapping[Stream, Sequence[Gap]]
    """The latest row of each gap."""
    killed: Sequence[Killed]
    cuts: Sequence["Span"]
    """Outages of the network: what was on its way then may be lost."""
    breaks: Mapping[Stream, Sequence[Ids]]
    """Ids that the exchange itself never sent, between the first and the last it did."""

    @property
    def streams(self) -> list[Stream]:
        """Every stream that was recorded."""
        return [stream for streams in self.feeds.values() for stream in streams]


class Problem(NamedTuple):
    """Something that must not be; `kind` groups them."""

    kind: str
    text: str


class Span(NamedTuple):
    """A stretch of time."""

    start_us: int
    end_us: int

    def __str__(self) -> str:
        """As people read it."""
        return f"{self.start_us / 1e6:.3f}..{self.end_us / 1e6:.3f}"


def outages(connections: Sequence[Connection]) -> list[Span]:
    """When none of them was open, from the first one's opening to the last one's close."""
    found: list[Span] = []
    until_us: int | None = None
    for connection in sorted(connections, key=lambda connection: connection.opened_us):
        if until_us is not None and connection.opened_us > until_us:
            found.append(Span(until_us, connection.opened_us))
        until_us = max(until_us or 0, connection.closed_us)
    return found


def latest(rows: Sequence[Gap]) -> list[Gap]:
    """Of the rows of each gap the one that counts."""
    newest: dict[str, Gap] = {}
    for row in rows:
        known = newest.get(row.gap_id)
        if known is None or row.detected_at >= known.detected_at:
            newest[row.gap_id] = row
    return list(newest.values())
