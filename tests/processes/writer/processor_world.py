"""The frame processor without files or processes: takes records, returns ledger rows, requests and stored state."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from collector.domain.records import BACKFILLED_LINE, Gap, StreamKey
from collector.domain.repair_protocol import RepairAnswer, Request, encode_answer, rest_journal
from collector.domain.silence import Bounds
from collector.exchanges.adapter import Adapter
from collector.exchanges.registry import adapter
from collector.processes.rest_adapters import RepairableFeeds
from collector.processes.writer.batch import Counts
from collector.processes.writer.frame_processor import FrameProcessor
from collector.processes.writer.stored_state import decode_feed
from collector.processes.writer.streams import StreamTable
from collector.storage.journal.format import (
    FeedIdentity,
    JournalHeader,
    RecordKind,
    encode_event,
    encode_frames,
    parse_records,
)
from collector.storage.journal.journal_file import Chunk
from collector.storage.journal.position import Position
from collector.storage.segment.blocks import Messages
from collector.storage.segment.state import SegmentState
from tests.storage.segment.segment_rows import rows_of

_encode = msgspec.msgpack.Encoder().encode


class ProcessorWorld:
    """One feed `f` of an exchange, repaired or not."""

    def __init__(
        self,
        exchange: str,
        symbols: tuple[str, ...],
        data_types: tuple[str, ...],
        *,
        repaired: bool,
        adapter_of: Callable[[str], Adapter] = adapter,
        verify_checksums: bool = True,
    ) -> None:
        side = adapter_of(exchange).rest
        self.streams = StreamTable(40.0, Bounds(300.0, 30.0))
        feed_of = {StreamKey(exchange, symbol, data_type): "f" for symbol in symbols for data_type in data_types}
        sides = {"f": side} if repaired and side is not None else {}
        self._adapter_of = adapter_of
        self._repaired = RepairableFeeds(feed_of, sides, {"f": adapter_of(exchange)})
        self.processor = FrameProcessor(
            self.streams, {}, adapter_of, self._repaired, 1, Counts(), verify_checksums=verify_checksums
        )
        self._stored: list[Messages] = []
        self.gaps: list[tuple[str, str, Gap]] = []
        """Rows of the ledger: exchange, symbol, row; without those of missing books, which most tests do not send."""
        self.book_rows: list[Gap] = []
        self.requests: list[Request] = []
        self.messages: list[tuple[int, int]] = []
        """Stream and id of each stored message."""
        self.payloads: list[bytes] = []
        self.writer_id = "ingest"
        """The incarnation of ingest."""
        self._headers = {
            name: JournalHeader(name, name, 1, 0, FeedIdentity(name, exchange, symbols, data_types), 0)
            for name in ("f", rest_journal("f"))
        }
        self._row = 1

    def restart(self) -> None:
        """Go on as a new writer does: with what was committed, and without anything that was not."""
        feeds = {name: decode_feed(_encode(state)) for name, state in self.processor.ledger.feeds.items()}
        rows = [stream.row() for stream in self.streams]
        self.streams = StreamTable(40.0, Bounds(300.0, 30.0))
        self.streams.restore(SegmentState({}, rows, {}, {}), lambda _is_enough: iter([[one] for one in self._stored]))
        self.processor = FrameProcessor(
            self.streams, feeds, self._adapter_of, self._repaired, self._row, self.processor.counts
        )

    def receive(
        self, at_us: int, frames: Sequence[bytes], line: int = 0, connection: int = 0, binary: Sequence[int] = ()
    ) -> None:
        """Add frames that a connection of the line delivered."""
        self._take("f", encode_frames(at_us * 1_000, line, frames, binary, connection))

    def happened(self, kind: RecordKind, at_us: int, **info: Any) -> None:
        """Add an event of the feed's connection or journal."""
        self._take("f", encode_event(kind, at_us * 1_000, 0, info))

    def connect(self, connection: int, at_us: int, line: int = 0) -> None:
        """Add that a connection of the feed's first plan has opened."""
        about = {"connection": connection, "plan": 0, "url": "ws://x", "streams": 1}
        self._take("f", encode_event(RecordKind.CONNECT, at_us * 1_000, line, about))

    def disconnect(self, connection: int, at_us: int, line: int = 0) -> None:
        """Add that it has ended."""
        about = {"connection": connection, "plan": 0, "cause": "disconnect", "reason": "lost"}
        self._take("f", encode_event(RecordKind.DISCONNECT, at_us * 1_000, line, about))

    def answered(self, at_us: int, answer: RepairAnswer, body: bytes = b"") -> None:
        """Add an answer of repair."""
        self._take(rest_journal("f"), encode_frames(at_us * 1_000, BACKFILLED_LINE, [encode_answer(answer, body)], ()))

    def commit(self) -> int:
        """Take the batch that the writer would store; returns the number of bytes of state in it."""
        batch = self.processor.batch
        self.gaps += [row for row in batch.gaps if row[2].kind != "book_unknown"]
        self.book_rows += [gap for _, _, gap in batch.gaps if gap.kind == "book_unknown"]
        self.requests += [request for requests in batch.requests.values() for request in requests]
        rows = rows_of(batch.messages.values())
        self._stored += batch.messages.values()
        self.messages += [(stream_id, id_) for _, stream_id, _, id_, *_ in rows]
        self.payloads += [row[-1] for row in rows]
        states = [stream.row().state for stream in batch.touched.values()]
        states += [_encode(self.processor.ledger.feeds[name]) for name in batch.feeds]
        self._row += batch.count
        self.processor.begin(self._row)
        return sum(map(len, states))

    def forget_what_was_stored(self) -> None:
        """Forget everything that was committed, to save memory."""
        self.gaps.clear()
        self.book_rows.clear()
        self.requests.clear()
        self.messages.clear()
        self.payloads.clear()
        self._stored.clear()

    def latest(self) -> dict[str, Gap]:
        """The newest row of each gap."""
        return {gap.gap_id: gap for _, _, gap in sorted(self.gaps, key=lambda row: row[2].detected_at)}

    def _take(self, name: str, pieces: list[bytes]) -> None:
        records = parse_records(b"".join(pieces), 0).records
        position = Position(name, name, 1, records[-1].end, ended=False)
        header = self._headers[name]._replace(writer_id=self.writer_id)
        rest: Chunk | None = Chunk(header, records, None, position)
        while rest is not None:
            rest = self.processor.process(rest, 0, 2**62, lambda: None)
