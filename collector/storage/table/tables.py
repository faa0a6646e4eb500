"""The tables of a catalog: opened, made, dropped, and where a reader without the catalog finds them."""

from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from typing import Final

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError, TableAlreadyExistsError
from pyiceberg.io import load_file_io
from pyiceberg.table import Table

from collector.domain.errors import StoreError
from collector.storage.table.catalog import as_store_errors, open_catalog
from collector.storage.table.columns import is_known, partition_spec, table_schema
from collector.storage.table.data_files import location_of
from collector.storage.table.options import TableOptions
from collector.storage.table.tidy import leave

_PROPERTIES: Final = {
    # Whoever comes second has to look again what the table has by then: repeated blindly, a segment would be there twice.
    "commit.retry.num-retries": "0",
    "commit.manifest-merge.enabled": "true",
    "commit.manifest.min-count-to-merge": "100",
    "write.metadata.previous-versions-max": "20",
    # Iceberg's vectorized reader of Spark (1.9) refuses columns that are stored as differences, as ours of times and ids are.
    "read.parquet.vectorization.enabled": "false",
    # The files are the archive's: an engine that drops the table must leave them. Java's do.
    "gc.enabled": "false",
}

ARCHIVE: Final = "collector.archive"
"""A table's property: where the archive lies whose files it names, as `location_of` has it."""

SEGMENTS: Final = "collector.segments"
"""In the summary of a snapshot: the segments that it brought, or how many."""

PRUNED: Final = "collector.pruned"
"""In the summary of a snapshot: the date of which it removed pruned files."""


class Tables:
    """One table a data type, named like it. Every method raises StoreError if the catalog or the warehouse does not answer."""

    def __init__(self, options: TableOptions) -> None:
        self._options = options

    @cached_property
    def _catalog(self) -> Catalog:
        """Connected to when it is first needed."""
        return open_catalog(self._options)

    def reopen(self) -> None:
        """Connect anew when it is next needed: the file of a catalog may be another one by then."""
        catalog = self.__dict__.pop("_catalog", None)
        if catalog is not None:
            catalog.close()

    def names(self) -> list[str]:
        """The data types that have a table, sorted."""
        with as_store_errors("tables cannot be listed"):
            try:
                found = self._catalog.list_tables(self._options.namespace)
            except NoSuchNamespaceError:
                return []
        return sorted(name for *_, name in found if is_known(name))

    def load(self, data_type: str) -> Table | None:
        """The table as it is now; None if there is none."""
        place = f" ({self._place(data_type)})" if self._options.warehouse else ""
        with as_store_errors(f"table {data_type}{place} cannot be opened"):
            try:
                return self._catalog.load_table(self._name(data_type))
            except (NoSuchTableError, NoSuchNamespaceError):
                return None

    def all(self) -> Iterator[tuple[str, Table]]:
        """Each data type and its table."""
        for name in self.names():
            if (table := self.load(name)) is not None:
                yield name, table

    def opened(self, data_type: str, archive: str) -> Table:
        """The table of the archive at that location, made if there is none, with all columns that this program knows.

        Raises StoreError also if it is of another archive: every row of a copy, or of one that moved, would be there twice.
        """
        table = self.load(data_type) or self._made(data_type, archive)
        if (other := table.properties.get(ARCHIVE, "unknown")) != archive:
            raise StoreError(
                f"table {data_type} is of another archive ({other}) than {archive}: collector tables --rebuild, "
                f"or another table.namespace"
            )
        if not _is_ours(table):
            raise StoreError(
                f"table {data_type} was changed by another program, as one that compacts: collector tables --rebuild"
            )
        missing = [field for field in table_schema(data_type).fields if field.name not in table.schema().column_names]
        if missing:
            with as_store_errors(f"table {data_type} takes no new columns"), table.update_schema() as update:
                for field in missing:
                    update.add_column(field.name, field.field_type)
            table = self.load(data_type) or self._made(data_type, archive)
        return table

    def drop(self, data_type: str) -> None:
        """Take the table out of the catalog, if it is there. What it wrote stays until the next table of that name tidies up,
        which may be of another catalog.
        """
        folder = self._folder(data_type)
        with as_store_errors(f"table {data_type} cannot be dropped"):
            with suppress(NoSuchTableError, NoSuchNamespaceError):
                self._catalog.drop_table(self._name(data_type))
            if folder:
                leave(load_file_io(self._catalog.properties, folder), folder)

    def _folder(self, data_type: str) -> str:
        """Where the table is, or would be; empty if only the catalog could say and knows none that can be read."""
        if self._options.warehouse:
            return self._place(data_type)
        try:
            table = self.load(data_type)
        except StoreError:
            # Its damaged metadata hold no folder.
            return ""
        return "" if table is None else table.location()

    def _place(self, data_type: str) -> str:
        return f"{location_of(self._options.warehouse)}/{self._options.namespace}/{data_type}"

    def _made(self, data_type: str, archive: str) -> Table:
        schema = table_schema(data_type)
        own = {"schema.name-mapping.default": schema.name_mapping.model_dump_json(), ARCHIVE: archive}
        location = self._folder(data_type) or None
        with as_store_errors(f"table {data_type} cannot be made"):
            self._catalog.create_namespace_if_not_exists(self._options.namespace)
            try:
                return self._catalog.create_table(
                    self._name(data_type), schema, location, partition_spec(schema), properties=_PROPERTIES | own
                )
            except TableAlreadyExistsError:
                return self._catalog.load_table(self._name(data_type))

    def _name(self, data_type: str) -> tuple[str, str]:
        return self._options.namespace, data_type


def _is_ours(table: Table) -> bool:
    """Whether this program made the present snapshot. It adds to no other, so all before it are its own too."""
    snapshot = table.current_snapshot()
    if snapshot is None:
        return True
    said = {} if snapshot.summary is None else snapshot.summary.additional_properties
    return not {SEGMENTS, PRUNED}.isdisjoint(said)
