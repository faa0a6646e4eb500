"""The rows of an archive's objects as this version reads them."""

from collections.abc import Iterable, Iterator

import pyarrow as pa
from pyarrow import parquet as pq

from collector.domain.records import UNKNOWN, Envelope, StreamKey
from collector.exchanges.adapter import Adapter
from collector.read.pieces import with_schema
from collector.reprocess.counts import Counts, Reason
from collector.reprocess.found import Found, Receipt
from collector.reprocess.frames import Again, Frames, Stored
from collector.reprocess.mending import Mending
from collector.reprocess.objects import tables
from collector.reprocess.refilled import Refilled
from collector.reprocess.typed_rows import reread
from collector.storage.archive.manifest import ManifestObject
from collector.storage.archive.schema import MESSAGE_SCHEMAS, UNDECODED_SCHEMA

UNKNOWN_EXCHANGE = "of an exchange that this version does not know"


class Exchange:
    """What this version knows of an exchange."""

    def __init__(self, adapter: Adapter, symbols: Iterable[str]) -> None:
        """`symbols` are those whose messages are expected."""
        self.adapter = adapter
        self.frames = Frames(adapter, symbols)


class StoredRows:
    """The rows of one typed object."""

    def __init__(
        self, entry: ManifestObject, source: pq.ParquetFile, exchange: Exchange | None, counts: Counts, *, is_old: bool
    ) -> None:
        """`is_old`: its columns are those of an older version."""
        self._stream = StreamKey(entry.exchange, entry.symbol, entry.data_type)
        self._source = source
        self._exchange = exchange
        self._counts = counts
        self._is_old = is_old

    def tables(self) -> Iterator[pa.Table]:
        """The rows in their order; those that have their text are read again."""
        stream, counts = self._stream, self._counts
        for table in tables(self._source):
            counts.converted[stream] += len(table) * self._is_old
            if self._exchange is None or stream.data_type not in self._exchange.adapter.id_rules:
                yield with_schema(table, MESSAGE_SCHEMAS[stream.data_type])
                continue
            again = reread(table, stream.data_type, self._exchange.adapter)
            counts.texts[stream] += again.read
            counts.changed[stream] += again.changed
            counts.unread[stream] += again.unread
            yield again.table


class UndecodedRows:
    """The rows of one object of frames that were not understood."""

    def __init__(
        self, entry: ManifestObject, exchange: Exchange | None, found: Found, mending: Mending, refilled: Refilled,
        counts: Counts,
    ) -> None:  # fmt: skip
        """What is understood now goes to `found`, and closes gaps; but for messages that filled a hole."""
        self._refilled = refilled
        self._mending = mending
        self._entry = entry
        self._exchange = exchange
        self._found = found
        self._counts = counts

    def still(self, table: pa.Table) -> pa.Table:
        """Of some rows those that are still not understood, each with the reason that this version gives."""
        table = with_schema(table, UNDECODED_SCHEMA)
        frames = self._again(table)
        self._counts.frames += len(frames)
        kept = [index for index, frame in enumerate(frames) if frame.reason is not None]
        reasons = [frames[index].reason for index in kept]
        for reason in reasons:
            self._counts.note_undecoded(Reason(self._entry.exchange, self._entry.symbol, str(reason)))
        if self._exchange is not None and len(kept) < len(frames):
            understood = [
                (_stored_as(receipt, frame), self._new(frame.messages, receipt.received_us))
                for receipt, frame in zip(_receipts(table), frames, strict=True)
                if frame.reason is None
            ]
            self._counts.control += sum(frame.reason is None and not frame.messages for frame in frames)
            self._found.add(self._entry.key, understood, self._exchange.adapter)
            self._note(understood)
        place = table.column_names.index("reason")
        rows = table.take(pa.array(kept, pa.int64()))
        return rows.set_column(place, UNDECODED_SCHEMA.field("reason"), pa.array(reasons, pa.string()))

    def _again(self, table: pa.Table) -> list[Again]:
        frames = table["frame"].to_pylist()
        if self._exchange is None:
            return [Again([], UNKNOWN_EXCHANGE)] * len(frames)
        if self._entry.symbol == UNKNOWN:
            return self._exchange.frames.frames(frames, table["line"].to_pylist())
        columns = (frames, table["reason"].to_pylist(), table["exchange_at"].cast(pa.int64()).to_pylist())
        return self._exchange.frames.messages(self._entry.symbol, list(map(Stored, *columns)))

    def _new(self, messages: list[Envelope], received_us: int) -> list[Envelope]:
        """Messages, without those that are rows already."""
        new = [message for message in messages if not self._refilled.has(message, received_us)]
        self._counts.copies += len(messages) - len(new)
        return new

    def _note(self, understood: list[tuple[Receipt, list[Envelope]]]) -> None:
        """Note frames that are understood in the place at which the ledger counted them."""
        exchange, symbol = self._entry.exchange, self._entry.symbol
        for receipt, messages in understood:
            data_type = UNKNOWN if symbol == UNKNOWN else messages[0].stream.data_type
            self._mending.note_frame(StreamKey(exchange, symbol, data_type), receipt.received_us)
            self._mending.note_messages(messages, receipt.received_us)


def _receipts(table: pa.Table) -> Iterator[Receipt]:
    received = table["received_at"].cast(pa.int64()).to_pylist()
    return map(Receipt, received, table["line"].to_pylist(), table["series"].to_pylist())


def _stored_as(receipt: Receipt, frame: Again) -> Receipt:
    """What the messages of a frame keep of how it was received."""
    line = receipt.line if frame.line is None else frame.line
    return receipt._replace(line=line, series=receipt.series if frame.series is None else frame.series)
