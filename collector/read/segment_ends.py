"""The end of one stream in each segment of a recorder, wherever that stands: open, sealed, as a set, or in the archive."""

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow as pa

from collector.domain.errors import DamagedError, RetryError, StoreError
from collector.domain.records import INT64_MAX, UNDECODED, StreamKey
from collector.read.holdings import Holdings
from collector.read.kept_segment import KeptSegment
from collector.read.manifests import Entry, Manifests, piece_of
from collector.read.pieces import Objects, Piece, Place, last_rows, parquet
from collector.read.reading import Reading
from collector.read.segment_tables import OnUntyped, SegmentStream, typed_tables, undecoded_tables
from collector.read.window import Window
from collector.storage.archive.manifest import Manifest
from collector.storage.archive.schema import SCHEMA_VERSION, schema_of
from collector.storage.segment.readable import (
    ReadableSegment,
    StreamEnd,
    is_open,
    readable,
    readable_segments,
    segment_id_of,
)
from collector.storage.staging.file_names import object_file_name
from collector.storage.staging.staged_set import read_manifest, set_folders
from collector.storage.store.object_store import ObjectStore

ALL: Final = INT64_MAX
"""The block up to which a segment is read whose end is read."""


class Part(NamedTuple):
    """Rows of a segment, and the block up to which they are all there is behind the first of them."""

    tables: Iterator[pa.Table]
    until: int


class SegmentEnds:
    """Methods raise StoreError, DamagedError, UnreadableError."""

    def __init__(
        self, stream: StreamKey, data_dir: Path, open_store: Callable[[], ObjectStore], host: str, on_untyped: OnUntyped
    ) -> None:
        """`open_store` opens the archive, which is needed only for what the data directory has no longer."""
        whole = schema_of(stream.data_type, SCHEMA_VERSION)
        assert whole is not None  # noqa: S101 -- callers know the data type
        self.schema: pa.Schema = whole
        self._kept = KeptSegment()
        self._stream = stream
        self._data_dir = data_dir
        self._open_store = open_store
        self._host = host
        self._on_untyped = on_untyped

    def local(self) -> list[str]:
        """The segments that stand in the data directory, oldest first."""
        before, found = None, self._listed()
        while found != before:
            # A folder that is listed while a file in it gets another name may show neither name.
            before, found = found, self._listed()
        return found

    def _listed(self) -> list[str]:
        sealed = (segment_id_of(path) for path in readable_segments(self._data_dir / "segments"))
        return sorted({*sealed, *(folder.name for folder in set_folders(self._data_dir / "staging"))})

    def opened(self) -> str | None:
        """The segment that is written now; None while there is none, as in the moment of a seal."""
        paths = [path for path in readable_segments(self._data_dir / "segments") if is_open(path)]
        return segment_id_of(paths[-1]) if paths else None

    def previous_of(self, segment_id: str) -> str:
        """The segment before this one; empty if none is known."""
        try:
            with readable(self._path(segment_id)) as segment:
                self._host = segment.meta.get("host", self._host)
                return segment.meta.get("previous_segment", "")
        except FileNotFoundError:
            return self._manifest(segment_id)[0].previous_segment or ""

    def keep(self, segment_id: str) -> None:
        """Keep this segment within reach, instead of the one before: call it before it is read."""
        self._kept.keep(self._path(segment_id))

    def close(self) -> None:
        """Keep none."""
        self._kept.close()

    def newest(self, segment_id: str, rows: int) -> Part:
        """The newest rows of a segment: at least so many, if it has so many."""
        try:
            return self._part(self._path(segment_id), lambda segment, number: segment.newest(number, rows))
        except FileNotFoundError:
            return Part(iter(self._moved_ends(segment_id, rows)), ALL)

    def after(self, segment_id: str, block: int) -> Part:
        """The rows of a segment behind a block; of very many the oldest, so ask again behind `until`."""
        if block == ALL:
            return Part(iter(()), ALL)
        try:
            return self._part(self._path(segment_id), lambda segment, number: segment.after(number, block))
        except FileNotFoundError:
            if self._kept.segment_id != segment_id:
                return Part(self._whole(self._moved(segment_id)), ALL)
        with self._kept.copied() as copy:
            return self._part(copy, lambda segment, number: segment.after(number, block))

    def archived(self, rows: int, local: list[str]) -> tuple[list[pa.Table], str]:
        """The newest rows of segments that are in the archive alone and older than the newest of these, and its newest segment.

        Without any, of all that are there.
        """
        # The data directory is left out of this look, which would count every message there.
        holdings = Holdings(self._store, None, None)
        holdings.look()
        own = [one for one in holdings.pieces(self._stream) if one.host == self._host]
        found = [one for one in own if not local or (one.segment_id < local[-1] and one.segment_id not in local)]
        return self._ends(found, rows), max((one.segment_id for one in own), default="")

    @cached_property
    def _store(self) -> ObjectStore:
        return self._open_store()

    def _path(self, segment_id: str) -> Path:
        # Once it is sealed, `readable` finds it beside that.
        return self._data_dir / "segments" / f"{segment_id}.open.db"

    def _manifest(self, segment_id: str) -> tuple[Manifest, Place]:
        """The manifest of a segment that is a set, or in the archive."""
        folder = self._data_dir / "staging" / segment_id
        try:
            return read_manifest(folder), "staged"
        except (DamagedError, RetryError):
            if folder.exists():
                raise
        found = Manifests(self._store).segment(self._host, segment_id)
        if found is None:
            raise StoreError(f"segment {segment_id} is gone, and the archive does not have it")
        return found, "archive"

    def _moved(self, segment_id: str) -> list[Piece]:
        """The rows of a segment that is no longer one."""
        manifest, place = self._manifest(segment_id)
        folder = self._data_dir / "staging" / segment_id
        found = [piece_of(Entry(entry, manifest, place)) for entry in manifest.objects]
        if place == "staged":
            found = [piece._replace(path=folder / object_file_name(piece.name)) for piece in found]
        return [piece for piece in found if piece.stream == self._stream]

    def _moved_ends(self, segment_id: str, rows: int) -> list[pa.Table]:
        try:
            return self._ends(self._moved(segment_id), rows)
        except FileNotFoundError:
            # A set that went to the archive just now.
            return self._ends(self._moved(segment_id), rows)

    def _ends(self, pieces: list[Piece], rows: int) -> list[pa.Table]:
        """The newest rows of pieces, which come oldest first."""
        found: list[pa.Table] = []
        with closing(Objects(self._store)) as objects:
            for piece in reversed(pieces):
                left = rows - sum(map(len, found))
                if left <= 0:
                    break
                with parquet(objects.path(piece)) as file:
                    found = [last_rows(file, self.schema, left), *found]
        return found

    def _whole(self, pieces: list[Piece]) -> Iterator[pa.Table]:
        all_time = Window()
        with closing(Objects(self._store)) as objects:
            reading = Reading(
                self._stream, all_time, self.schema.names, objects, lambda piece: self._moved(piece.segment_id),
                self._on_untyped, all_time,
            )  # fmt: skip
            yield from reading.tables(pieces)

    def _part(self, path: Path, find: Callable[[ReadableSegment, int], StreamEnd]) -> Part:
        try:
            return self._read(path, find)
        except FileNotFoundError:
            # It may have got its later name just now.
            return self._read(path, find)

    def _read(self, path: Path, find: Callable[[ReadableSegment, int], StreamEnd]) -> Part:
        with readable(path) as segment:
            number = segment.number_of(self._stream)
            if number is None:
                return Part(iter(()), 0)
            end = find(segment, number)
            reasons = segment.reasons() if self._stream.data_type == UNDECODED else {}
            keep_raw = segment.meta.get("keep_raw") == "1"
        found = SegmentStream(self._stream, keep_raw, end.blocks, reasons)
        is_undecoded = self._stream.data_type == UNDECODED
        return Part(undecoded_tables(found) if is_undecoded else typed_tables(found, self._on_untyped), end.until)
