"""Checks that the Iceberg tables which a configuration names can be kept."""

import os
from collections.abc import Iterator
from pathlib import Path

from collector.config import Config
from collector.config.addresses import tables_problem
from collector.domain.errors import StoreError
from collector.processes.table_options import table_options
from collector.storage.table.options import NEEDS, lacks_pyiceberg


def setting_problems(config: Config) -> Iterator[str]:
    """What is wrong whatever answers."""
    if not config.table.catalog:
        return
    if lacks_pyiceberg():
        yield NEEDS
    if problem := tables_problem(config.archive_url, config.tables_url, config.table.catalog):
        yield problem


def problems(config: Config) -> Iterator[str]:
    """What a catalog that is asked lacks. One that is a file is not made."""
    if not config.table.catalog:
        return
    path = Path(config.table.catalog.removeprefix("sqlite:///"))
    if config.table.catalog.startswith("sqlite:") and not path.exists():
        if not os.access(path.parent, os.W_OK | os.X_OK):
            yield f"table.catalog: {path.parent} is no folder in which files can be made"
        return
    # Only now: pyiceberg takes seconds, and a recorder without tables has none.
    from collector.storage.table.tables import Tables  # noqa: PLC0415

    try:
        Tables(table_options(config)).names()
    except StoreError as error:
        yield str(error)


def lines(config: Config) -> Iterator[str]:
    """Where the tables would be."""
    if config.table.catalog:
        yield f"tables    {config.table.catalog}, below {config.tables_url or 'where the catalog says'}"
