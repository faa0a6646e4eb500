"""A staged set: the Parquet files and the manifest of one segment, in a folder of its own, ready for upload.

`staging/<id>.part/` is a set being made or removed. `staging/<id>/` is a whole set: the folder is renamed once the
manifest is written. A set may be lost while its segment exists, and is then made again. Before it replaces the segment
it is made durable and read back.
"""

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from collector.domain.disk_waits import disk_wait
from collector.domain.errors import DamagedError, RetryError
from collector.domain.names import is_segment_id, manifest_key, time_us
from collector.folders import matching
from collector.storage.archive.manifest import Manifest, decode_manifest
from collector.storage.durable import sync
from collector.storage.regular_files import regular_files
from collector.storage.segment.attempts import is_count
from collector.storage.segment.seal import sealed_segments
from collector.storage.segment.sealed_segment import SealedSegment
from collector.storage.staging.file_names import object_file_name
from collector.storage.store.object_store import ObjectInfo

Tick = Callable[[], None]

MANIFEST_NAME: Final = "manifest.json"
_MAKING: Final = ".part"
_GONE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EIO})
"""Errors of a file that cannot be read later either."""


class Upload(NamedTuple):
    """A file to upload, its key, and what the store must hold then."""

    path: Path
    key: str
    info: ObjectInfo


class SetSummary(NamedTuple):
    """The totals of a set's manifest, kept instead of the manifest itself."""

    segment_id: str
    rows: int
    gaps: int
    objects: int
    bytes: int
    """Total size of the objects."""
    sealed_us: int


def set_folders(staging: Path) -> list[Path]:
    """Every whole set, oldest first."""
    return [path for path in matching(staging, "*") if is_segment_id(path.name) and path.is_dir()]


def waiting_segments(data_dir: Path) -> list[str]:
    """The ids of the segments that are not in the archive yet, sealed or as a set; oldest first."""
    sealed = (path.stem for path in sealed_segments(data_dir / "segments"))
    return sorted({*sealed, *(path.name for path in set_folders(data_dir / "staging"))})


def clear_leftovers(staging: Path) -> None:
    """Remove everything from the staging folder but whole sets and their counts of failures. Raises OSError."""
    staging.mkdir(parents=True, exist_ok=True)
    whole = set(set_folders(staging))
    for path in staging.iterdir():
        counts = is_count(path) and staging / path.name.partition(".")[0] in whole
        if path not in whole and not counts:
            _remove(path)


def make_set(staging: Path, name: str, write: Callable[[Path], Manifest]) -> Manifest:
    """Make the set `staging/name` and return its manifest: `write` fills a folder with the files and returns it.

    Raises OSError for a full or failing disk, and whatever `write` raises; then there is no set.
    """
    folder, part = staging / name, staging / f"{name}{_MAKING}"
    staging.mkdir(parents=True, exist_ok=True)
    _remove(part)
    part.mkdir()
    try:
        manifest = write(part)
        (part / MANIFEST_NAME).write_bytes(manifest.encode())
        part.rename(folder)
    finally:
        _remove(part)
    return manifest


def remove_set(folder: Path) -> None:
    """Remove a set durably, if it exists; if a kill interrupts this, a start removes the rest. Raises OSError."""
    going = folder.with_name(f"{folder.name}{_MAKING}")
    if not folder.exists():
        return
    _remove(going)
    folder.rename(going)
    sync(folder.parent)
    _remove(going)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a set. Raises DamagedError if it is missing or unsound, RetryError if it cannot be read now."""
    return _read(folder)[0]


def summary_of(manifest: Manifest) -> SetSummary:
    """The summary of a manifest."""
    return SetSummary(
        segment_id=manifest.segment_id,
        rows=manifest.rows,
        gaps=manifest.gaps,
        objects=len(manifest.objects),
        bytes=sum(entry.bytes for entry in manifest.objects),
        sealed_us=time_us(manifest.sealed_at),
    )


def uploads_of(folder: Path) -> list[Upload]:
    """Every file of a set, the manifest last. Raises as `read_manifest`."""
    manifest, content = _read(folder)
    info = ObjectInfo(len(content), hashlib.sha256(content).hexdigest())
    objects = [
        Upload(folder / object_file_name(entry.key), entry.key, ObjectInfo(entry.bytes, entry.sha256))
        for entry in manifest.objects
    ]
    return [*objects, Upload(folder / MANIFEST_NAME, manifest_key(manifest.host, manifest.segment_id), info)]


def is_sound(upload: Upload) -> bool:
    """Whether the file still has its bytes. Raises RetryError if it cannot be read at present."""
    try:
        with upload.path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            return ObjectInfo(file.tell(), sha256) == upload.info
    except OSError as error:
        if error.errno in _GONE:
            return False
        raise RetryError(f"{upload.path}: {error}") from error


def make_durable(folder: Path) -> None:
    """Fsync a set, and drop it from the page cache, so that the next read comes from the disk. Raises OSError."""
    for path in regular_files(folder, "*"):
        with disk_wait(), path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    sync(folder)
    sync(folder.parent)


def require_equal(folder: Path, segment: SealedSegment, tick: Tick) -> None:
    """Read a set back: every file's bytes and rows, and compare the number of rows with the segment's.

    Raises DamagedError for the first difference, RetryError if a file cannot be read at present.
    """
    for problem in _problems(folder, segment, tick):
        raise DamagedError(f"the set {folder.name} is not what was written: {problem}")


def _problems(folder: Path, segment: SealedSegment, tick: Tick) -> Iterator[str]:
    # Only now: pyarrow takes 50 MB.
    from collector.storage.archive.object_check import differences  # noqa: PLC0415

    manifest, uploads = read_manifest(folder), uploads_of(folder)
    if {upload.path for upload in uploads} != set(folder.iterdir()):
        yield "it does not have the files that its manifest names"
    if manifest.rows != segment.rows:
        yield f"it has {manifest.rows} rows, the segment {segment.rows}"
    gaps = sum(1 for _ in segment.gaps())
    if manifest.gaps < gaps:
        yield f"it has {manifest.gaps} gaps, the segment {gaps}"
    for entry, upload in zip(manifest.objects, uploads, strict=False):
        if not is_sound(upload):
            yield f"{upload.key}: its bytes have changed"
        yield from (f"{upload.key}: {text}" for text in differences(upload.path, entry, manifest))
        tick()
    if not is_sound(uploads[-1]):
        yield "its manifest's bytes have changed"


def _read(folder: Path) -> tuple[Manifest, bytes]:
    try:
        content = (folder / MANIFEST_NAME).read_bytes()
    except OSError as error:
        raise (DamagedError if error.errno in _GONE else RetryError)(f"the set {folder.name}: {error}") from error
    manifest = decode_manifest(content)
    if manifest.segment_id != folder.name.partition(".")[0]:
        raise DamagedError(f"the set {folder.name} has the manifest of segment {manifest.segment_id}")
    try:
        time_us(manifest.opened_at), time_us(manifest.sealed_at)
    except (ValueError, TypeError) as error:
        raise DamagedError(f"the set {folder.name}: {error}") from error
    return manifest, content


def _remove(path: Path) -> None:
    with disk_wait():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
