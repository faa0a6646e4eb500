"""Makes a generation of a day's files: every file is put and confirmed, then the manifest, which is the switch.

Before the manifest is there nobody looks at the files, so a run that was killed leaves what it was; the next one writes the
same bytes under the same names, or, if rows came in between, others under other names.
"""

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import pyarrow as pa

from collector import __version__
from collector.compaction.day_file import Named, write_day_file
from collector.compaction.plan import DayFile, DayPlan
from collector.domain.errors import DamagedError, StoreError, StoreRefusedError
from collector.domain.names import manifest_key
from collector.storage.archive.days import day_id
from collector.storage.archive.manifest import Manifest, ManifestObject, counted
from collector.storage.archive.schema import SCHEMA_VERSION
from collector.storage.archive.store_retry import retry_once
from collector.storage.ordered_map import in_order
from collector.storage.store.object_store import ObjectInfo, ObjectStore
from collector.storage.store.open import folder_of

THREADS: Final = 8

HARDEST_LEVEL: Final = 22
"""The zstd level of a file that would be larger than those it replaces."""


class Trees(NamedTuple):
    """The archive, and its day files."""

    archive: ObjectStore
    daily: ObjectStore


def compact_day(
    plan: DayPlan, trees: Trees, compression_level: int, scratch: Path, tick: Callable[[], None]
) -> Manifest:
    """Make the files of the plan; returns their manifest. `tick` is called after each.

    Raises DamagedError if an object is not what its manifest says: then nothing has changed for readers. StoreError if a
    store fails.
    """
    named = Named(
        plan.day.host, day_id(plan.day.date, plan.generation, _suffix(plan, compression_level)), compression_level
    )
    made = []
    for file in plan.files:
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            made.append(_made(file, trees, named, Path(folder)))
        tick()
    manifest = _manifest(plan, named, sorted([*made, *plan.kept], key=lambda entry: entry.key))
    content = manifest.encode()
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        path = Path(folder, "manifest")
        path.write_bytes(content)
        _put(trees.daily, manifest_key(named.host, named.segment_id), path, hashlib.sha256(content).hexdigest())
    return manifest


def _made(file: DayFile, trees: Trees, named: Named, folder: Path) -> ManifestObject:
    wanted = [*([(trees.daily, file.before)] if file.before else []), *((trees.archive, one) for one in file.sources)]
    numbered = [(store, entry, folder / str(number)) for number, (store, entry) in enumerate(wanted)]
    sources = list(in_order(lambda one: _fetched(*one), numbered, THREADS))
    replaced_bytes = sum(entry.bytes for _, entry in wanted)
    path = folder / "day"
    try:
        entry = write_day_file(path, file, sources, named)
        if entry.bytes > replaced_bytes:
            # The segments' objects were compressed harder.
            entry = write_day_file(path, file, sources, named._replace(compression_level=HARDEST_LEVEL))
    except (pa.ArrowException, DamagedError) as error:
        raise DamagedError(f"{' '.join(file.partition)}: {error}") from error
    _put(trees.daily, entry.key, path, entry.sha256)
    return entry


def _fetched(store: ObjectStore, entry: ManifestObject, target: Path) -> Path:
    """A file with the object's bytes: those of a folder where they are. Raises DamagedError for other bytes than its manifest says."""
    folder = folder_of(store.url)
    ask = (lambda: store.fetch(entry.key, target)) if folder is None else (lambda: store.head(entry.key))
    found = retry_once(store, ask)
    if found != ObjectInfo(entry.bytes, entry.sha256):
        raise DamagedError(f"{entry.key} is {'not there' if found is None else 'not what its manifest says'}")
    return target if folder is None else folder / entry.key


def _put(store: ObjectStore, key: str, path: Path, sha256: str) -> None:
    """Put a file, and have it confirmed; once more if the store fails, because thousands of requests follow one another."""
    try:
        _put_once(store, key, path, sha256)
    except StoreRefusedError:
        raise
    except StoreError:
        _put_once(store, key, path, sha256)


def _put_once(store: ObjectStore, key: str, path: Path, sha256: str) -> None:
    info = ObjectInfo(path.stat().st_size, sha256)
    if store.head(key) == info:
        # A run that was killed put it.
        return
    store.put(key, path, sha256)
    if (stored := store.head(key)) != info:
        raise StoreError(f"{key}: put {info}, but the store holds {stored}")


def _suffix(plan: DayPlan, compression_level: int) -> str:
    """Six hex digits that follow from everything the files are made of, and made with."""
    sources = [[entry.sha256 for entry in (file.before, *file.sources) if entry] for file in plan.files]
    made_of = [
        *(plan.day, plan.generation, plan.replaces, plan.digests, [file.partition for file in plan.files], sources),
        *([entry.key for entry in plan.kept], compression_level, __version__, pa.__version__),
    ]
    return hashlib.blake2b(msgspec.json.encode(made_of), digest_size=3).hexdigest()


def _manifest(plan: DayPlan, named: Named, objects: Sequence[ManifestObject]) -> Manifest:
    rows, gaps = counted(list(objects))
    return Manifest(
        schema_version=SCHEMA_VERSION,
        collector_version=__version__,
        segment_id=named.segment_id,
        previous_segment=None,
        host=named.host,
        opened_at=plan.opened_at,
        sealed_at=plan.sealed_at,
        rows=rows,
        gaps=gaps,
        objects=list(objects),
        generation=plan.generation,
        replaces=plan.replaces,
        segments=plan.segments,
        digests=plan.digests,
    )
