"""An archive and its tables, for tests: what each has, file by file and row by row."""

import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from pyiceberg.table import Table

from collector.domain.names import manifest_key
from collector.domain.records import StreamKey
from collector.storage.archive.catalog import manifest_keys
from collector.storage.archive.manifest import Manifest, decode_manifest
from collector.storage.archive.pruned import pruned_objects
from collector.storage.archive.schema import DATA_TYPES
from collector.storage.store.deleting import DeletingDirectoryStore
from collector.storage.store.object_store import ObjectStore
from collector.storage.table.commits import Done, SegmentFiles
from collector.storage.table.data_files import location_of
from collector.storage.table.options import TableOptions
from collector.storage.table.tables import Tables
from collector.storage.table.work import TableWork
from tests.storage.archive.archive_files import archive
from tests.storage.segment.segment_files import NOON_US, message, trade

TRADES: Final = StreamKey("toy", "BTC/USD", "trade")


class Tabled:
    """An archive in a folder or a bucket, and the tables over it; several of them may share both."""

    def __init__(self, folder: Path, store: ObjectStore | None = None, state: str = "state", **options: Any) -> None:
        self.folder = folder
        self.store = store or DeletingDirectoryStore(folder / "archive")
        warehouse = options.pop("warehouse", f"{self.store.url}-tables")
        self.options = TableOptions(f"sqlite:///{folder}/tables.db", warehouse, **options)
        self.tables = Tables(self.options)
        self.state = folder / f"{state}/done.json"
        self.warnings: list[tuple[str, str]] = []
        self.work = self.new_work()

    @property
    def deleting(self) -> DeletingDirectoryStore:
        """The archive, as a person with the right to delete opens it."""
        assert isinstance(self.store, DeletingDirectoryStore)
        return self.store

    def new_work(self) -> TableWork:
        """As a process that begins has it."""
        return TableWork(
            self.store,
            self.tables,
            self.state,
            self.options.catalog,
            lambda *warning: self.warnings.append(warning),
            time.monotonic,
        )

    def drop(self) -> None:
        """Drop all tables, as a rebuild begins."""
        for name in DATA_TYPES:
            self.tables.drop(name)

    def look(self) -> Done:
        """Look until all is done; what that was."""
        total = Done()
        for step in self.work.look():
            total = total.and_then(step.done)
        return total

    def segment(self, number: int, host: str = "host-1", store_as: str = "") -> Manifest:
        """Archive a segment with two trades, so many hours after ten o'clock."""
        ids = (2 * number, 2 * number + 1)
        received_us = NOON_US + number * 3_600_000_000
        return archive(
            self.store,
            self.folder / f"made-{host}-{number}{store_as}",
            [message(0, id_, trade(id_), received_us=received_us) for id_ in ids],
            [TRADES],
            segment_id=segment_id(number),
            previous_segment=segment_id(number - 1) if number else "",
            host=host,
        )

    def segment_files(self, number: int, host: str = "host-1") -> list[SegmentFiles]:
        """The files of a segment that is archived."""
        manifest = decode_manifest(self.store.read(manifest_key(host, segment_id(number))) or b"")
        return [SegmentFiles(host, manifest.segment_id, manifest.objects)]

    def table(self, data_type: str = "trade") -> Table:
        """A table that is there."""
        found = self.tables.load(data_type)
        assert found is not None
        return found

    def rows(self, data_type: str = "trade") -> pa.Table:
        """All rows of a table."""
        return self.table(data_type).scan().to_arrow()

    def files(self) -> Counter[str]:
        """How often the tables name each file."""
        return Counter(task.file.file_path for _, table in self.tables.all() for task in table.scan().plan_files())

    def wanted(self) -> Counter[str]:
        """What they should name."""
        pruned = pruned_objects(self.store)
        return Counter(
            f"{location_of(self.store.url)}/{entry.key}"
            for key in manifest_keys(self.store)
            for entry in decode_manifest(self.store.read(key) or b"").objects
            if pruned.pruned_at(entry) is None
        )


def segment_id(number: int) -> str:
    """Ids an hour apart, over several days."""
    return f"202611{23 + (10 + number) // 24}T{(10 + number) % 24:02}0000Z-4f2a9c"
