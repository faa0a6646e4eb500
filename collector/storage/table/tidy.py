"""Keeps what a table wrote small, and findable without its catalog.

pyiceberg forgets snapshots but removes no file, and whoever is killed leaves files that no snapshot names. Both are removed here,
by one rule: a file in the table's `metadata/` folder that its present metadata do not need, and that is old enough for nobody
to be at work with it. Nothing else is ever removed, and nothing of the archive.
"""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from pyarrow import fs
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.io import FileIO
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot

from collector.domain.errors import StoreError
from collector.storage.durable import draft, sync
from collector.storage.table.catalog import as_store_errors

HINT: Final = "version-hint.text"
"""Names the present metadata file, without its ending: DuckDB and pyiceberg find a table by its folder with it."""

ENDING: Final = ".metadata.json"

MOST_SNAPSHOTS: Final = 100
"""The newest that are kept, whatever their age: pyiceberg copies all of them some fifteen times a commit, 1 ms for each."""


class _Identity(msgspec.Struct, rename="kebab"):
    table_uuid: str


class Tidied(NamedTuple):
    """What was removed."""

    snapshots: int
    files: int


def expired(snapshots: Sequence[Snapshot], present: int | None, before_ms: int) -> list[int]:
    """The ids of those that go: older than that time, or too many; the present one stays."""
    others = sorted((one for one in snapshots if one.snapshot_id != present), key=lambda one: one.timestamp_ms)
    surplus = max(0, len(others) + 1 - MOST_SNAPSHOTS)
    return [one.snapshot_id for number, one in enumerate(others) if number < surplus or one.timestamp_ms < before_ms]


def tidy(table: Table, now_us: int, days: int) -> Tidied:
    """Forget snapshots older than so many days, and remove files that nothing needs and that are as old. Raises StoreError."""
    before = datetime.fromtimestamp(now_us / 1_000_000, UTC) - timedelta(days=days)
    with as_store_errors(f"table {table.name()[-1]} cannot be tidied"):
        head = table.metadata.current_snapshot_id
        old = expired(table.metadata.snapshots, head, int(before.timestamp() * 1_000))
        return Tidied(_expire(table, old) if old else 0, _sweep(table.refresh(), before))


def _expire(table: Table, ids: list[int]) -> int:
    try:
        table.maintenance.expire_snapshots().by_ids(ids).commit()
    except CommitFailedException:
        return 0
    except ValueError as error:
        if "does not exist" not in str(error):
            raise
        # Somebody else forgot some of them at the same time: any others go the next time.
        return 0
    return len(ids)


def point_to(table: Table) -> bool:
    """Have the table's folder name its present metadata; says whether it did not.

    Raises StoreError also if the folder is another table's, as of a second catalog: each would remove what the other needs.
    """
    path = f"{table.location()}/metadata/{HINT}"
    content = _name(table.metadata_location).removesuffix(ENDING).encode()
    with as_store_errors(f"{path} cannot be written"):
        there = _content(table, path)
        if there == content:
            return False
        if there is not None:
            _require_own(table, f"{there.decode(errors='replace')}{ENDING}")
        if path.startswith("file://"):
            # A reader must never find half of it.
            _replace(Path(path.removeprefix("file://")), content)
        else:
            with table.io.new_output(path).create(overwrite=True) as file:
                file.write(content)
        return True


def leave(io: FileIO, folder: str) -> None:
    """Let the folder be any table's. Raises StoreError."""
    path = f"{folder}/metadata/{HINT}"
    with as_store_errors(f"{path} cannot be removed"), suppress(FileNotFoundError):
        io.delete(path)


def _require_own(table: Table, name: str) -> None:
    if name in {_name(entry.metadata_file) for entry in table.metadata.metadata_log}:
        return
    content = _content(table, f"{table.location()}/metadata/{name}")
    other = _uuid_in(content or b"")
    if other not in {None, str(table.metadata.table_uuid)}:
        raise StoreError(
            f"{table.location()} is the folder of another table ({other}), of another catalog or of one that was lost: "
            f"another table.warehouse or table.namespace, or collector tables --rebuild"
        )


def _uuid_in(metadata: bytes) -> str | None:
    """The table's identity; None if the file is damaged: a table that cannot be read needs no folder."""
    try:
        return msgspec.json.decode(metadata, type=_Identity).table_uuid
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _replace(path: Path, content: bytes) -> None:
    # Several processes may do this at once, each with a draft of its own.
    draft(path.with_name(f"{path.name}.{secrets.token_hex(4)}"), content).replace(path)
    sync(path.parent)


def _content(table: Table, path: str) -> bytes | None:
    try:
        with table.io.new_input(path).open() as file:
            return bytes(file.read())
    except FileNotFoundError:
        return None


def _sweep(table: Table, before: datetime) -> int:
    needed = set(_needed(table))
    removed = 0
    files, folder = _metadata_folder(table)
    for info in files.get_file_info(fs.FileSelector(folder, allow_not_found=True)):
        if info.type == fs.FileType.File and info.base_name not in needed and info.mtime < before:
            files.delete_file(info.path)
            removed += 1
    return removed


def _needed(table: Table) -> Iterator[str]:
    """The names of all files that the table's present metadata lead to; each is unique by an id in it."""
    yield HINT
    yield _name(table.metadata_location)
    for entry in table.metadata.metadata_log:
        yield _name(entry.metadata_file)
    for statistics in (*table.metadata.statistics, *table.metadata.partition_statistics):
        # Others make them, for their queries.
        yield _name(statistics.statistics_path)
    for snapshot in table.metadata.snapshots:
        yield _name(snapshot.manifest_list)
        for manifest in snapshot.manifests(table.io):
            yield _name(manifest.manifest_path)


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _metadata_folder(table: Table) -> tuple[Any, str]:
    if not isinstance(table.io, PyArrowFileIO):
        raise StoreError(f"{table.location()} is reached in another way than through Arrow")
    scheme, netloc, path = PyArrowFileIO.parse_location(f"{table.location()}/metadata")
    return table.io.fs_by_scheme(scheme, netloc), path
