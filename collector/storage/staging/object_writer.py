"""Writes one object of a set, and describes it for the manifest."""

import hashlib
from pathlib import Path

import pyarrow as pa

from collector.domain.disk_waits import disk_wait
from collector.domain.names import ObjectPartition, iso_time, object_key
from collector.storage.archive.manifest import ManifestObject
from collector.storage.archive.parquet import ParquetFile
from collector.storage.archive.schema import SCHEMA_VERSION
from collector.storage.segment.sealed_segment import SegmentMeta
from collector.storage.staging.file_names import object_file_name
from collector.storage.staging.object_messages import ObjectMessages


class ObjectFile:
    """Takes the rows of one partition. There is no file before the first row."""

    def __init__(self, path: Path, key: str, partition: ObjectPartition, meta: SegmentMeta) -> None:
        self._path = path
        self._key = key
        self.partition = partition
        self.meta = meta
        self._file: ParquetFile | None = None
        self._rows = 0
        self._received: tuple[int, int] | None = None
        self._last_series: int | None = None
        self._ids: tuple[int, int] | None = None

    def append(self, batch: pa.RecordBatch, payload_bytes: int) -> None:
        """Add rows; `payload_bytes` is the size of the messages they were made from."""
        if batch.num_rows == 0:
            return
        if self._file is None:
            self._file = ParquetFile(self._path, batch.schema, self.meta.compression_level)
        self._file.append(batch, payload_bytes)
        self._rows += batch.num_rows

    def note_received(self, messages: ObjectMessages) -> None:
        """Note the receive times of messages."""
        if messages.number:
            self.note_times(min(messages.received_us), max(messages.received_us))

    def note_times(self, first_us: int, last_us: int) -> None:
        """Note when the first and the last of some rows were received."""
        times = [first_us, last_us, *(self._received or ())]
        self._received = min(times), max(times)

    def note_ids(self, messages: ObjectMessages) -> None:
        """Note the ids of messages sorted by series and id; the first and last id of the last series are kept."""
        if not messages.number:
            return
        series = messages.series[-1]
        self.note_last_series(series, messages.ids[messages.series.index(series)], messages.ids[-1])

    def note_last_series(self, series: int, first_id: int, last_id: int) -> None:
        """Note the first and the last id that some rows, which are in order, have of the last series among them."""
        if series != self._last_series or self._ids is None:
            self._last_series, self._ids = series, (first_id, last_id)
        else:
            self._ids = self._ids[0], last_id

    def finish(self) -> ManifestObject | None:
        """Close the file and describe it; None if it had no rows."""
        if self._file is None:
            return None
        received_min, received_max = map(iso_time, self._received) if self._received else (None, None)
        id_min, id_max = self._ids or (None, None)
        with disk_wait():
            self._file.close(self._metadata(id_min, id_max))
            with self._path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return ManifestObject(
            key=self._key,
            rows=self._rows,
            bytes=self._path.stat().st_size,
            sha256=sha256,
            **self.partition._asdict(),
            received_min=received_min,
            received_max=received_max,
            id_min=id_min,
            id_max=id_max,
        )

    def _metadata(self, id_min: int | None, id_max: int | None) -> dict[str, str]:
        """File metadata; the ids are empty text if the stream has none."""
        values: dict[str, object] = {
            "schema_version": SCHEMA_VERSION,
            "version": self.meta.collector_version,
            "segment_id": self.meta.segment_id,
            "host": self.meta.host,
            **self.partition._asdict(),
            "id_min": "" if id_min is None else id_min,
            "id_max": "" if id_max is None else id_max,
        }
        return {f"collector.{name}": str(value) for name, value in values.items()}


class ObjectFiles:
    """Makes the files of a set."""

    def __init__(self, folder: Path, meta: SegmentMeta) -> None:
        self._folder = folder
        self._meta = meta

    def new(self, partition: ObjectPartition) -> ObjectFile:
        """The file of an object."""
        key = object_key(partition, self._meta.host, self._meta.segment_id)
        return ObjectFile(self._folder / object_file_name(key), key, partition, self._meta)
