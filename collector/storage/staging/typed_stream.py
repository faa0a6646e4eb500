"""Types the messages of one stream, and writes them to the objects of their days."""

from collections.abc import Iterable, Iterator
from typing import Final

from collector.storage.archive.manifest import ManifestObject
from collector.storage.segment.blocks import Messages
from collector.storage.segment.sealed_segment import SealedStream
from collector.storage.staging.columns import RowReader, message_batch
from collector.storage.staging.gathered import Gathered
from collector.storage.staging.object_messages import Chunks, ObjectMessages
from collector.storage.staging.object_writer import ObjectFile, ObjectFiles
from collector.storage.staging.order import in_order
from collector.storage.staging.partition import by_day, partition_of
from collector.storage.staging.scratch import Scratch
from collector.storage.staging.undecoded import Undecoded

OPEN_DAYS: Final = 2
"""Objects of a stream that are being written at a time: each holds a row group in memory. Most have one, at midnight two."""

WAITING_BYTES: Final = 8 << 20
"""Memory for messages of further days, which are backfilled ones."""


class TypedStream:
    """The objects of one stream."""

    def __init__(
        self, stream: SealedStream, row_reader: RowReader, scratch: Scratch, files: ObjectFiles, undecoded: Undecoded
    ) -> None:
        self._stream = stream
        self._row_reader = row_reader
        self._scratch = scratch
        self._files = files
        self._undecoded = undecoded

    def objects(self, messages: Iterable[Messages]) -> Iterator[ManifestObject | None]:
        """Write messages, which are in order. None for an object without rows, as nothing could be typed."""
        written: dict[int, _TypedObject] = {}
        waiting = Gathered[int](self._scratch, WAITING_BYTES)
        for day, part in (found for group in messages for found in by_day(group)):
            if day not in written and len(written) == OPEN_DAYS:
                waiting.add(day, part, has_ids=self._stream.has_ids)
                continue
            if day not in written:
                written[day] = self._object(day)
            written[day].add(part)
        yield from (found.finish() for found in written.values())
        for day in waiting.keys():  # noqa: SIM118 -- not a dict
            yield self._waited(day, waiting)

    def _waited(self, day: int, waiting: Gathered[int]) -> ManifestObject | None:
        written, has_ids = self._object(day), self._stream.has_ids
        for part in in_order((), waiting.take(day), self._scratch, has_ids=has_ids):
            written.add(part)
        return written.finish()

    def _object(self, day: int) -> "_TypedObject":
        file = self._files.new(partition_of(self._stream.key, day))
        return _TypedObject(file, self._stream, self._row_reader, self._undecoded)


class _TypedObject:
    def __init__(self, file: ObjectFile, stream: SealedStream, row_reader: RowReader, undecoded: Undecoded) -> None:
        self._file = file
        self._stream = stream
        self._row_reader = row_reader
        self._undecoded = undecoded
        self._chunks = Chunks()

    def add(self, messages: Messages) -> None:
        for chunk, payload_bytes in self._chunks.add(messages):
            self._write(chunk, payload_bytes)

    def finish(self) -> ManifestObject | None:
        for chunk, payload_bytes in self._chunks.rest():
            self._write(chunk, payload_bytes)
        return self._file.finish()

    def _write(self, messages: ObjectMessages, payload_bytes: int) -> None:
        typed = message_batch(self._row_reader, self._stream.key.data_type, messages, keep_raw=self._file.meta.keep_raw)
        self._file.append(typed.batch, payload_bytes)
        self._file.note_received(typed.messages)
        if self._stream.has_ids:
            self._file.note_ids(typed.messages)
        if typed.untyped.number:
            self._undecoded.add_untyped(self._stream.key, self._file.partition, typed.untyped)
