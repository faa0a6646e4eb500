"""Opens the tables over an archive."""

from collections.abc import Callable
from pathlib import Path

from collector.storage.store.object_store import ObjectStore
from collector.storage.table.catalog import open_catalog
from collector.storage.table.options import TableOptions
from collector.storage.table.tables import Tables
from collector.storage.table.work import TableWork


def open_tables(options: TableOptions) -> Tables:
    """The tables of the catalog. Raises StoreError if it cannot be reached."""
    return Tables(open_catalog(options), options)


def open_table_work(
    store: ObjectStore, options: TableOptions, folder: Path, warn: Callable[[str, str], None]
) -> TableWork:
    """What keeps the tables of that archive; in `folder` it notes what is done. Raises StoreError."""
    return TableWork(store, open_tables(options), folder / "done.json", options.catalog, warn)
