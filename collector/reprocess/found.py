"""Messages that frames hold which were not understood before, by the object that they belong to."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import pyarrow as pa

from collector.domain.names import ObjectPartition
from collector.domain.records import Envelope, IdRule, StreamKey
from collector.exchanges.adapter import Adapter
from collector.storage.segment.blocks import Messages
from collector.storage.staging.columns import message_batch
from collector.storage.staging.gathered import Gathered
from collector.storage.staging.object_messages import Chunks, ObjectMessages
from collector.storage.staging.order import in_order
from collector.storage.staging.partition import by_day, partition_of
from collector.storage.staging.scratch import Scratch

FOUND_BYTES: Final = 32 << 20
"""Memory for these messages; beyond it they go to the scratch file."""


class Receipt(NamedTuple):
    """How a frame was received: its messages keep this."""

    received_us: int
    line: int
    series: int


class Found:
    """Gathers messages. Raises OSError where the scratch file cannot be written."""

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self._gathered = Gathered[tuple[ObjectPartition, str]](scratch, FOUND_BYTES)
        self._rows = 0

    def add(self, source: str, frames: Iterable[tuple[Receipt, list[Envelope]]], adapter: Adapter) -> None:
        """Add the messages of frames that the object `source` has; they are given in its order."""
        parts: dict[tuple[StreamKey, int], Messages] = {}
        for receipt, messages in frames:
            for stream, message_id, _, exchange_us, payload, _ in messages:
                self._rows += 1
                part = parts.get((stream, receipt.series))
                if part is None:
                    part = parts[stream, receipt.series] = Messages(0, receipt.series)
                part.rows.append(self._rows)
                part.ids.append(self._rows if message_id is None else message_id)
                part.received_us.append(receipt.received_us)
                part.exchange_us.append(exchange_us)
                part.lines.append(receipt.line)
                part.payloads.append(payload)
        for (stream, _), part in parts.items():
            for day, of_day in by_day(part):
                self._gathered.add((partition_of(stream, day), source), of_day, has_ids=has_ids(adapter, stream))

    def sources(self) -> dict[ObjectPartition, list[str]]:
        """The objects that get messages, and the objects that these come from."""
        found: dict[ObjectPartition, list[str]] = {}
        for partition, source in self._gathered.keys():  # noqa: SIM118 -- not a dict
            found.setdefault(partition, []).append(source)
        return found

    def tables(self, partition: ObjectPartition, source: str, adapter: Adapter) -> Iterator[pa.Table]:
        """The rows of an object that come from that source, in order; they can be taken once."""
        stream = StreamKey(partition.exchange, partition.symbol, partition.data_type)
        chunks = Chunks()
        runs = self._gathered.take((partition, source))
        for messages in in_order((), runs, self._scratch, has_ids=has_ids(adapter, stream)):
            yield from (_typed(adapter, partition, chunk) for chunk, _ in chunks.add(messages))
        yield from (_typed(adapter, partition, chunk) for chunk, _ in chunks.rest())


def has_ids(adapter: Adapter, stream: StreamKey) -> bool:
    """Whether a stream's rows are in the order of their ids."""
    return adapter.id_rules.get(stream.data_type, IdRule.NONE) not in {IdRule.NONE, IdRule.UNIQUE}


def _typed(adapter: Adapter, partition: ObjectPartition, messages: ObjectMessages) -> pa.Table:
    return pa.Table.from_batches([message_batch(adapter, partition.data_type, messages, keep_raw=False).batch])
