"""The frame processor with one feed `f` on several edges, each of which numbers its own connections."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from collector.domain.records import Gap, StreamKey
from collector.domain.repair_protocol import Request
from collector.domain.silence import Bounds
from collector.exchanges.adapter import Adapter
from collector.exchanges.registry import adapter
from collector.processes.rest_adapters import RepairableFeeds
from collector.processes.writer.batch import Counts
from collector.processes.writer.edge_clock import TOLD_TIMES, by_storage_clock
from collector.processes.writer.frame_processor import FrameProcessor
from collector.processes.writer.stored_state import decode_feed
from collector.processes.writer.streams import StreamTable
from collector.storage.journal.format import (
    FeedIdentity,
    JournalHeader,
    PlanShare,
    Record,
    RecordKind,
    encode_event,
    encode_frames,
    event_of,
    parse_records,
)
from collector.storage.journal.journal_file import Chunk
from collector.storage.journal.position import Position
from collector.storage.journal.relayed import IN_SLICE, LINES_OF_SLOT, RelayedHead, source_name
from collector.storage.segment.blocks import Messages
from collector.storage.segment.state import SegmentState
from tests.storage.segment.segment_rows import rows_of

OVERLAP_SECS = 40.0

_encode = msgspec.msgpack.Encoder().encode


def shifted(records: Sequence[Record], slot: int) -> list[Record]:
    """The records of an edge, with the lines of its slot."""
    return [record._replace(line=record.line + LINES_OF_SLOT * slot) for record in records]


def as_source(chunk: Chunk, edge: str, slot: int = 0) -> Chunk:
    """What was read of a journal, as it comes over a relay."""
    identity = chunk.header.identity
    named = identity._replace(feed=source_name(identity.feed, edge))
    records = shifted(chunk.records, slot)
    return chunk._replace(header=chunk.header._replace(identity=named), records=records)


def _told(record: Record, ahead_ns: int) -> Record:
    if record.kind is RecordKind.FRAMES:
        return record
    about = {name: at + ahead_ns if name in TOLD_TIMES else at for name, at in event_of(record).items()}
    return record._replace(payload=msgspec.json.encode(about))


class SourceWorld:
    """Takes records of edges, and returns ledger rows and stored messages. `None` as edge: ingest on this host."""

    def __init__(
        self,
        exchange: str,
        symbols: tuple[str, ...],
        data_types: tuple[str, ...],
        *,
        adapter_of: Callable[[str], Adapter] = adapter,
    ) -> None:
        self._exchange, self._symbols, self._data_types = exchange, symbols, data_types
        self._adapter_of = adapter_of
        keys = [StreamKey(exchange, symbol, data_type) for symbol in symbols for data_type in data_types]
        self._repaired = RepairableFeeds(dict.fromkeys(keys, "f"), {}, {"f": adapter_of(exchange)})
        self.streams = StreamTable(OVERLAP_SECS, Bounds(300.0, 30.0))
        self.processor = FrameProcessor(self.streams, {}, adapter_of, self._repaired, 1, Counts())
        self.ahead_secs: dict[str | None, int] = {}
        """How far the clock of each edge is ahead; by storage's and NATS's clocks is what else is told here."""
        self.stored: list[Messages] = []
        self.gaps: list[tuple[str, str, Gap]] = []
        self.requests: dict[str, list[Request]] = {}
        self.payloads: list[bytes] = []
        self.rows: list[tuple[Any, ...]] = []
        self._headers: dict[str | None, JournalHeader] = {}
        self._slots: dict[str | None, int] = {None: 0}
        self._row = 1
        self._offset = 0

    def ingest(self, edge: str | None, writer_id: str, shares: tuple[PlanShare, ...] = (), at_us: int = 0) -> None:
        """An ingest begins on an edge, or goes on with other shares of the streams."""
        self._slots.setdefault(edge, len(self._slots) - 1)
        name = "f" if edge is None else source_name("f", edge)
        symbols = tuple(sorted({one for share in shares for one in share.symbols})) or self._symbols
        identity = FeedIdentity(name, self._exchange, symbols, self._data_types, shares)
        self._headers[edge] = JournalHeader(writer_id, writer_id, 1, at_us * 1_000, identity, 0, writer_id)

    def connect(self, edge: str | None, connection: int, at_us: int, *, plan: int = 0, line: int = 0) -> None:
        """A connection opens."""
        about = {"connection": connection, "plan": plan, "url": "ws://x", "streams": 1}
        self.take(edge, encode_event(RecordKind.CONNECT, at_us * 1_000, line, about))

    def disconnect(
        self,
        edge: str | None,
        connection: int,
        at_us: int,
        *,
        alive_us: int | None = None,
        plan: int = 0,
        line: int = 0,
    ) -> None:
        """A connection ends; it was alive until `alive_us`."""
        about: dict[str, Any] = {"connection": connection, "plan": plan, "cause": "disconnect", "reason": "lost"}
        if alive_us is not None:
            about["alive_ns"] = alive_us * 1_000
        self.take(edge, encode_event(RecordKind.DISCONNECT, at_us * 1_000, line, about))

    def refusing(self, edge: str | None, at_us: int) -> None:
        """Ingest begins to refuse frames."""
        about = {"started_ns": at_us * 1_000, "cause": "disk_budget"}
        self.take(edge, encode_event(RecordKind.REFUSING, at_us * 1_000, 0, about))

    def resumed(self, edge: str | None, since_us: int, at_us: int) -> None:
        """Ingest takes frames again."""
        about = {"started_ns": since_us * 1_000, "cause": "disk_budget", "frames": 7, "bytes": 70}
        self.take(edge, encode_event(RecordKind.RESUMED, at_us * 1_000, 0, about))

    def receive(
        self, edge: str | None, at_us: int, frames: Sequence[bytes], connection: int = 1, line: int = 0
    ) -> None:
        """A connection brings frames."""
        self.take(edge, encode_frames(at_us * 1_000, line, frames, (), connection))

    def quiet(self, edge: str | None, at_us: int) -> None:
        """A record without a frame, which only says how late it is."""
        self.receive(edge, at_us, [])

    def lost(self, edge: str, at_us: int, connection: int = 1) -> None:
        """The relay says that the edge lost what stood before its next record, which is of that connection."""
        pieces = encode_frames(at_us * 1_000, 0, [], (), connection)
        records = parse_records(b"".join(pieces), self._offset).records
        start, self._offset = self._offset, records[-1].end
        head = RelayedHead(edge, self._slots[edge], "epoch", "file", 1, start, self._offset, IN_SLICE, lost=True)
        moved = shifted(records, self._slots[edge])
        header, position = self._headers[edge], self._position()
        self.process(Chunk(header, moved, None, position, source=head, appended_ns=at_us * 1_000))

    def take(self, edge: str | None, pieces: list[bytes]) -> None:
        """Add a record of an edge."""
        records = parse_records(b"".join(pieces), self._offset).records
        self._offset = records[-1].end
        moved = shifted(records, self._slots[edge])
        chunk = Chunk(self._headers[edge], moved, None, self._position())
        self.process(self._as_told(edge, chunk) if edge in self.ahead_secs else chunk)

    def _as_told(self, edge: str | None, chunk: Chunk) -> Chunk:
        """A chunk as an edge with another clock writes it."""
        ahead_ns = self.ahead_secs[edge] * 1_000_000_000
        head = RelayedHead(str(edge), self._slots[edge], "epoch", "file", 1, 0, 0, IN_SLICE, ahead_ns=ahead_ns)
        appended_ns = chunk.records[-1].received_ns
        records = [record._replace(received_ns=record.received_ns + ahead_ns) for record in chunk.records]
        return chunk._replace(
            header=chunk.header._replace(created_ns=chunk.header.created_ns + ahead_ns),
            records=[_told(record, ahead_ns) for record in records],
            source=head,
            appended_ns=appended_ns,
        )

    def process(self, chunk: Chunk) -> None:
        """Add what was read of an edge."""
        rest: Chunk | None = by_storage_clock(chunk)
        while rest is not None:
            rest = self.processor.process(rest, 0, 2**62, lambda: None)

    def commit(self) -> None:
        """Take the batch that the writer would store."""
        batch = self.processor.batch
        self.gaps += batch.gaps
        for feed, requests in batch.requests.items():
            self.requests.setdefault(feed, []).extend(requests)
        self.stored += batch.messages.values()
        found = rows_of(batch.messages.values())
        self.rows += found
        self.payloads += [row[-1] for row in found]
        self._row += batch.count
        self.processor.begin(self._row)

    def restart(self) -> None:
        """Go on as a new writer does, from the last commit."""
        self.commit()
        feeds = {name: decode_feed(_encode(state)) for name, state in self.processor.ledger.feeds.items()}
        rows = [stream.row() for stream in self.streams]
        self.streams = StreamTable(OVERLAP_SECS, Bounds(300.0, 30.0))
        encoded = {name: _encode(state) for name, state in feeds.items()}
        self.streams.restore(
            SegmentState({}, rows, {}, encoded), lambda _is_enough: iter([[one] for one in self.stored])
        )
        counts = self.processor.counts
        self.processor = FrameProcessor(self.streams, feeds, self._adapter_of, self._repaired, self._row, counts)

    def latest(self, kind: str | None = None) -> list[Gap]:
        """The newest row of each gap, in order of their beginnings."""
        self.commit()
        found = {gap.gap_id: gap for _, _, gap in sorted(self.gaps, key=lambda row: row[2].detected_at)}
        return sorted((gap for gap in found.values() if kind in {None, gap.kind}), key=lambda gap: gap.started_at)

    def latest_of(self) -> list[tuple[str, Gap]]:
        """The newest row of each gap, each with its symbol."""
        self.commit()
        found = {gap.gap_id: (symbol, gap) for _, symbol, gap in sorted(self.gaps, key=lambda row: row[2].detected_at)}
        return list(found.values())

    def _position(self) -> Position:
        return Position("storage", "f", 1, self._offset, ended=False)
