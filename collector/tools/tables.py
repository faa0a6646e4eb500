"""Shows the Iceberg tables over an archive: what they have, and where a reader
finds each without the catalog. They follow from the archive's manifests alone:
a recorder with `table.catalog` keeps them; --update does it by hand, and
--rebuild makes them anew. Both may be interrupted and repeated, and may run
beside a recorder: each file of the archive is in its table once.

Nothing in the archive is changed. A table that is made anew is empty at first,
and fills while it is read.

Exit code: 0 done, 1 some manifests could not be used, 2 nothing could be done,
or the store or the catalog failed on the way.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from collector.config import Config
from collector.config.addresses import tables_problem
from collector.domain.errors import ConfigError
from collector.domain.redact import printable
from collector.processes.archive_store import open_archive
from collector.processes.table_options import table_options
from collector.storage.table.options import require_pyiceberg
from collector.tools.archive_args import STORE_HELP, add_config, config_for, progress, require_archive

if TYPE_CHECKING:
    from collector.storage.table.tables import Tables

EXAMPLES = """examples:
  %(prog)s                                      the configured recorder's tables
  %(prog)s --json                               with the address of each one's metadata
  %(prog)s --update                             at once, as after a prune
  %(prog)s --rebuild --config collector.toml    anew from the manifests
  %(prog)s data/archive --catalog sqlite:////data/tables.db --update
"""


def run(arguments: argparse.Namespace) -> int:
    """Show, update or rebuild; returns the exit code. Raises ConfigError or StoreError."""
    config = _config(arguments)
    unusable: list[tuple[str, str]] = []
    # Only now: pyiceberg is an extra, and takes seconds.
    from collector.storage.table.tables import Tables  # noqa: PLC0415

    tables = Tables(table_options(config))
    if arguments.update or arguments.rebuild:
        unusable = _updated(config, tables, anew=arguments.rebuild)
    found = list(_found(tables))
    if arguments.json:
        about = {"catalog": config.table.catalog, "warehouse": config.tables_url, "unusable": dict(unusable)}
        print(json.dumps({**about, "tables": found}, indent=2))
    else:
        _print(config, found, unusable)
    return 1 if unusable else 0


def _config(arguments: argparse.Namespace) -> Config:
    config = config_for(arguments.store, arguments.config)
    if arguments.catalog:
        config = replace(config, table=replace(config.table, catalog=_catalog(arguments.catalog)))
    if not config.table.catalog:
        raise ConfigError(["table.catalog is not set: there are no tables; set it, or name one with --catalog"])
    require_pyiceberg()
    if problem := tables_problem(config.archive_url, config.tables_url, config.table.catalog):
        raise ConfigError([problem])
    return config


def _catalog(url: str) -> str:
    from collector.config.addresses import catalog_url  # noqa: PLC0415

    try:
        return catalog_url(url)
    except ValueError as error:
        raise ConfigError([f"--catalog {printable(url)}: {error}"]) from error


def _updated(config: Config, tables: "Tables", *, anew: bool) -> list[tuple[str, str]]:
    """Bring the tables up to date; the manifests that cannot be used, and why."""
    from collector.storage.archive.schema import DATA_TYPES  # noqa: PLC0415
    from collector.storage.table.work import TableWork  # noqa: PLC0415

    store = open_archive(config)
    require_archive(store)
    unusable: list[tuple[str, str]] = []
    for name in DATA_TYPES if anew else ():
        tables.drop(name)
    with tempfile.TemporaryDirectory(prefix="tables-") as folder, progress() as bar:
        work = TableWork(
            store, tables, Path(folder, "done.json"), config.table.catalog, lambda *one: unusable.append(one), monotonic
        )
        task = bar.add_task("manifests", total=None)
        while not work.is_all:
            for step in work.look():
                bar.update(task, total=step.committed + step.left, completed=step.committed)
    return unusable


def _found(tables: "Tables") -> Iterator[dict[str, Any]]:
    from collector.storage.table.facts import facts_of  # noqa: PLC0415

    for name, table in tables.all():
        yield {"data_type": name, **facts_of(table)._asdict()}


def _print(config: Config, found: list[dict[str, Any]], unusable: list[tuple[str, str]]) -> None:
    print(f"catalog {config.table.catalog}, namespace {config.table.namespace}: {len(found)} tables")
    for one in found:
        size = f"{one['rows']} rows in {one['files']} files, {one['bytes']} bytes"
        print(f"{one['data_type']:<15} {size}, committed {one['committed_at'] or 'never'}")
        print(f"{'':<15} {one['metadata']}")
    for key, reason in unusable:
        print(f"left out {printable(key)}: {printable(reason)}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    add = parser.add_argument
    add("store", metavar="STORE", nargs="?", help=f"{STORE_HELP}; default: the configuration's")
    add("--catalog", metavar="URL", help="sqlite:////file or rest+https://host; default: the configuration's")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--update", action="store_true", help="commit what manifests name, take out what was pruned")
    what.add_argument("--rebuild", action="store_true", help="drop the tables, and make them anew from the manifests")
    add("--json", action="store_true", help="print an object with a list of tables")
    add_config(parser)
