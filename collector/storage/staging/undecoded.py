"""The messages of a segment that go to `undecoded` objects, in order of receipt: those of its `undecoded` streams, and those
that could not be typed, of which the gap ledger also tells.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final

from collector.domain.names import ObjectPartition
from collector.domain.records import UNDECODED, StreamKey
from collector.storage.archive.manifest import ManifestObject
from collector.storage.segment.blocks import Messages
from collector.storage.segment.sealed_segment import SealedSegment
from collector.storage.staging.columns import undecoded_batch
from collector.storage.staging.gathered import Gathered
from collector.storage.staging.object_messages import Chunks, ObjectMessages
from collector.storage.staging.object_writer import ObjectFile
from collector.storage.staging.order import in_order
from collector.storage.staging.partition import by_day, partition_of
from collector.storage.staging.scratch import Scratch
from collector.storage.staging.undecodable_gaps import UndecodableGaps

UNDECODED_BYTES: Final = 12 << 20
"""Memory for these messages; beyond it they go to the scratch file."""


class Undecoded:
    """Gathers such messages. Raises OSError where the scratch file cannot be written."""

    def __init__(self, segment: SealedSegment, scratch: Scratch) -> None:
        self.gaps = UndecodableGaps()
        self._stream_ids = {stream.key: stream_id for stream_id, stream in segment.streams.items()}
        self._segment = segment
        self._scratch = scratch
        self._gathered = Gathered[ObjectPartition](scratch, UNDECODED_BYTES)

    def add_stream(self, messages: Iterable[Messages]) -> None:
        """Add the messages of an `undecoded` stream."""
        for day, part in (found for group in messages for found in by_day(group)):
            key = self._segment.streams[part.stream_id].key
            self._gathered.add(partition_of(key, day), part, has_ids=False)

    def add_untyped(self, stream: StreamKey, partition: ObjectPartition, untyped: ObjectMessages) -> None:
        """Add messages of a stream that could not be typed, and would have belonged to `partition`."""
        self.gaps.note(stream, untyped)
        for series, group in groupby(zip(*untyped, strict=True), key=lambda message: message[0]):
            _, ids, rows, *rest = map(list, zip(*group, strict=True))
            messages = Messages(self._stream_ids[stream], series, rows, ids, *rest)
            self._gathered.add(partition._replace(data_type=UNDECODED), messages, has_ids=False)

    def partitions(self) -> list[ObjectPartition]:
        """The objects to write."""
        return self._gathered.keys()

    def write(self, partition: ObjectPartition, file: ObjectFile) -> ManifestObject | None:
        """Write an object."""
        chunks = Chunks()
        reasons: list[str | None] = []
        for messages in in_order((), self._gathered.take(partition), self._scratch, has_ids=False):
            reasons += self._reasons(messages)
            self._write(file, reasons, chunks.add(messages))
        self._write(file, reasons, chunks.rest())
        return file.finish()

    @staticmethod
    def _write(file: ObjectFile, reasons: list[str | None], chunks: Iterator[tuple[ObjectMessages, int]]) -> None:
        for chunk, payload_bytes in chunks:
            file.append(undecoded_batch(chunk, reasons[: chunk.number]), payload_bytes)
            file.note_received(chunk)
            del reasons[: chunk.number]

    def _reasons(self, messages: Messages) -> list[str | None]:
        data_type = self._segment.streams[messages.stream_id].key.data_type
        if data_type == UNDECODED:
            return list(map(self._segment.reason, messages.rows))
        return [untyped_reason(data_type)] * len(messages)


def untyped_reason(data_type: str) -> str:
    """The reason of a message that could not be typed."""
    return f"the message is not of the form its exchange's adapter knows for {data_type}"
