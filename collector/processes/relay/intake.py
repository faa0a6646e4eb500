"""Appends the slices that come next to the feed's journal, and says of all others why not."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from msgspec.structs import replace

from collector.bus.bodies import expanded
from collector.bus.places import EdgePlace
from collector.bus.slices import SliceHead
from collector.domain.errors import DamagedError, NewerDataError
from collector.processes.relay.judging import Verdict, in_epoch, is_late, is_of_another_host, judge
from collector.processes.relay.knowledge import DAY_US, SLOT_KEPT_US, others_of, place_of, with_edge, with_slice
from collector.storage.journal.format import decode_header, parse_records
from collector.storage.journal.relayed import IN_HEAD, IN_SLICE, SLOTS, RelayedHead, Source
from collector.storage.journal.writer import JournalWriter

TWICE_TOLD_NS: Final = 300 * 1_000_000_000
"""How long after the last sign of it the report says that two hosts have one name."""


class Slice(NamedTuple):
    """A slice as it came; `body` is compressed, and `head.newest_ns` is by the clock of NATS."""

    head: SliceHead
    body: bytes
    ahead_ns: int = 0
    """How far its edge's clock is ahead of that one."""


@dataclass
class Counts:
    """What became of the slices of an edge since the process began."""

    slices: int = 0
    bytes: int = 0
    copies: int = 0
    holes: int = 0
    late: int = 0
    lost: int = 0


@dataclass
class Intake:
    """Judges and appends; `sources` is at any time what the journal holds of each edge."""

    now_ns: Callable[[], int]
    late_ns: int
    """A slice that is older than what another edge brought by more than this is marked as late."""
    sources: dict[str, Source] = field(default_factory=dict)
    counts: dict[str, Counts] = field(default_factory=lambda: defaultdict(Counts))
    """By edge."""
    holes: dict[str, str] = field(default_factory=dict)
    """Why something has to be sent again, by edge."""
    refused: dict[str, str] = field(default_factory=dict)
    """Why nothing is taken of an edge."""
    twice_ns: dict[str, int] = field(default_factory=dict)
    """When two hosts were last seen to publish as one edge."""
    _heads: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Where the heads of edges' files stand, which the journal holds as parts of slices: number of its file, and offset."""

    def knows(self, edge: str) -> bool:
        """Whether slices of the edge can be taken; a new one gets a slot, if one is free."""
        if edge not in self.sources:
            more = with_edge(self.sources, edge, self.now_ns() // 1_000)
            if more is None:
                self.refused[edge] = (
                    f"{edge}: {SLOTS} edges bring this feed already; it is taken once one of them was silent for "
                    f"{SLOT_KEPT_US // DAY_US} days"
                )
                return False
            self.holes = {edge: why for edge, why in self.holes.items() if edge in more}
            self.sources = more
            self.refused.pop(edge, None)
        return True

    def forget_refused(self, there: Collection[str]) -> None:
        """Edges without a slot that are not there any more are not refused any more."""
        self.refused = {edge: why for edge, why in self.refused.items() if edge in self.sources or edge in there}

    def troubles(self) -> Iterator[str]:
        """Why slices are not taken now, a line for each edge."""
        yield from self.refused.values()
        for edge, at_ns in self.twice_ns.items():
            if self.now_ns() - at_ns < TWICE_TOLD_NS:
                yield f"{edge}: two hosts have this host_name, and only one of them is taken"

    def take(self, journal: JournalWriter, edge: str, found: Slice) -> None:
        """Append a slice, or drop it. Raises OSError, with nothing changed, if the journal does not take it."""
        head = found.head
        source = self.sources[edge]
        judged = judge(source, head)
        if judged.verdict is Verdict.COPY:
            self.counts[edge].copies += 1
            if is_of_another_host(source, head):
                self.twice_ns[edge] = self.now_ns()
        elif judged.verdict is Verdict.HOLE:
            self._begin_epoch(source, head)
            self.miss(edge, f"what is before byte {head.start} of file {head.number} is missing")
        else:
            self._take_next(journal, source, found, judged.start, is_lost=judged.is_lost)

    def miss(self, edge: str, why: str) -> None:
        """Note that something has to be sent again."""
        if edge not in self.holes:
            self.counts[edge].holes += 1
        self.holes[edge] = why

    def place(self, edge: str) -> EdgePlace:
        """What the edge is to be told, once the journal is durable."""
        return place_of(self.sources[edge], has_hole=edge in self.holes)

    def _begin_epoch(self, source: Source, head: SliceHead) -> None:
        if head.epoch != source.epoch:
            self.sources = {**self.sources, source.edge: in_epoch(source, head.epoch)}

    def _take_next(self, journal: JournalWriter, source: Source, found: Slice, start: int, *, is_lost: bool) -> None:
        head, edge = found.head, source.edge
        try:
            body = _from(start, head, expanded(head, found.body))
            file_head = _file_head(body) if start == 0 and body else b""
        except DamagedError as error:
            self.miss(edge, str(error))
            return
        except NewerDataError as error:
            self.refused[edge] = f"{edge}: {error}"
            return
        late = is_late(head, others_of(self.sources, edge), self.late_ns)
        relayed = RelayedHead(
            edge, source.slot, head.epoch, head.file_id, head.number, start, head.end, IN_SLICE,
            newest_ns=head.newest_ns, ended=head.ended, is_last=head.is_last, damage=head.damage, lost=is_lost, late=late,
            ahead_ns=found.ahead_ns,
        )  # fmt: skip
        at_ns = self.now_ns()
        self._append(journal, at_ns, relayed, body)
        self.sources = {**self.sources, edge: with_slice(source, relayed, file_head, at_ns)}
        self._note(relayed, body)

    def _append(self, journal: JournalWriter, at_ns: int, relayed: RelayedHead, body: bytes) -> None:
        def head_in(number: int) -> RelayedHead:
            if relayed.start == 0:
                return relayed
            in_file, at = self._heads.get(relayed.file_id, (0, 0))
            return replace(relayed, head_at=at if in_file == number else IN_HEAD)

        body_at = journal.append_relayed(at_ns, relayed.slot, head_in, body)
        if relayed.start == 0:
            self._heads[relayed.file_id] = journal.number, body_at

    def _note(self, relayed: RelayedHead, body: bytes) -> None:
        known = {file.file_id for source in self.sources.values() for file in source.all_files()}
        if len(self._heads) > len(known):
            self._heads = {file_id: place for file_id, place in self._heads.items() if file_id in known}
        self.holes.pop(relayed.edge, None)
        self.refused.pop(relayed.edge, None)
        counts = self.counts[relayed.edge]
        counts.slices += 1
        counts.bytes += len(body)
        counts.late += relayed.late
        counts.lost += relayed.lost


def _from(start: int, head: SliceHead, body: bytes) -> bytes:
    """The bytes of a slice from an offset of its file on, which is where a record begins. Raises DamagedError."""
    if start == head.start or not body:
        return body
    skipped_bytes = start - head.start
    first = _file_head_bytes(body) if head.start == 0 else 0
    records = parse_records(body[first:], head.start + first).records
    if start not in {head.start + first, *(record.end for record in records)}:
        raise DamagedError(f"no record begins at byte {start} of file {head.number}")
    return body[skipped_bytes:]


def _file_head(body: bytes) -> bytes:
    return body[: _file_head_bytes(body)]


def _file_head_bytes(body: bytes) -> int:
    """The length of the head at the beginning of a file. Raises DamagedError, or NewerDataError."""
    header = decode_header(body)
    if header is None:
        raise DamagedError("the first slice of a file has no whole head")
    return header.header_bytes
