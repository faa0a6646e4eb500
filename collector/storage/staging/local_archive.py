"""A folder that holds copies of sets under the archive's keys: of each segment all files, or no manifest.

A segment whose files come or go has its manifest in `_unfinished/`, where no reader of the archive looks. So after a kill at
any moment a copy with a manifest is whole, and what is unfinished is known and removed. It is durable, too: all files of a segment are
forced to disk at once, because a wait for each would take longer than the upload.
"""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from collector.domain.disk_waits import disk_wait
from collector.domain.errors import DamagedError
from collector.domain.names import MANIFEST_FOLDER, OBJECT_SUFFIX, partition_in
from collector.folders import matching
from collector.storage.archive.manifest import decode_manifest
from collector.storage.durable import sync, sync_disk, write_durably
from collector.storage.staging.staged_set import Upload, uploads_of
from collector.storage.store.directory import DirectoryStore

UNFINISHED: Final = "_unfinished"
"""Also the mark of a folder that is ours to remove things from."""

_NO_LINK: Final = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS})
"""Errors of a file that cannot be linked here: another disk, or one without links."""

Tick = Callable[[], None]


class LocalArchive:
    """Methods raise OSError for a full or failing disk; each may be repeated. `tick` is called after each file."""

    def __init__(self, root: Path, tick: Tick) -> None:
        self._root = root.absolute()
        self._unfinished = self._root / UNFINISHED
        self._copies = DirectoryStore(self._root)
        self._tick = tick
        self._sizes: dict[str, int] = {}

    @property
    def root(self) -> Path:
        """The folder."""
        return self._root

    @property
    def bytes(self) -> int:
        """The size of all objects of the segments that are there, once it is open."""
        return sum(self._sizes.values())

    def open(self) -> bool:
        """Make the folder if necessary, and remove what is unfinished; false, and nothing is touched, if it is not ours."""
        if not is_ours(self._root):
            return False
        self._unfinished.mkdir(parents=True, exist_ok=True)
        for path in matching(self._unfinished, "*"):
            self._remove_files(path)
        self._sizes = {path.name: _object_bytes(path) for path in matching(self._root / MANIFEST_FOLDER, "*/*.json")}
        return True

    def add(self, folder: Path) -> None:
        """Add a set: its files are linked, or copied where they cannot be. Raises also DamagedError, RetryError, for the set.

        Does nothing if it is there already, and replaces another set of the same segment.
        """
        *objects, manifest = uploads_of(folder)
        content, target = manifest.path.read_bytes(), self._root / manifest.key
        if target.exists():
            if target.read_bytes() == content:
                return
            self.remove(target)
        going = self._unfinished / target.name
        write_durably(going, content)
        for upload in objects:
            self._place(upload)
            self._tick()
        target.parent.mkdir(parents=True, exist_ok=True)
        sync_disk(self._root)
        going.replace(target)
        sync(target.parent)
        self._sizes[target.name] = sum(upload.info.size_bytes for upload in objects)

    def remove(self, manifest: Path) -> None:
        """Remove a segment's files, of which this is the manifest."""
        going = self._unfinished / manifest.name
        manifest.replace(going)
        self._sizes.pop(manifest.name, None)
        sync(self._unfinished)
        self._remove_files(going)
        _remove_if_empty(manifest.parent)

    def dates(self) -> list[str]:
        """The dates of the segments that are there, oldest first."""
        manifests = matching(self._root / MANIFEST_FOLDER, "date=*/*.json")
        # Somebody may have removed others by hand.
        self._sizes = {path.name: self._sizes[path.name] for path in manifests if path.name in self._sizes}
        return sorted({path.parent.name.removeprefix("date=") for path in manifests})

    def manifests(self, date: str) -> list[Path]:
        """The manifests of a date."""
        return sorted(matching(self._root / MANIFEST_FOLDER / f"date={date}", "*.json"))

    def _place(self, upload: Upload) -> None:
        target = self._root / upload.key
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        try:
            os.link(upload.path, target)
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
            self._copies.put(upload.key, upload.path, upload.info.sha256)

    def _remove_files(self, going: Path) -> None:
        for path in self._files_of(going):
            with disk_wait():
                path.unlink(missing_ok=True)
            _remove_if_empty(path.parent)
            self._tick()
        going.unlink(missing_ok=True)

    def _files_of(self, going: Path) -> list[Path]:
        try:
            entries = decode_manifest(going.read_bytes()).objects
        except DamagedError:
            return list(self._root.rglob(f"{going.stem}{OBJECT_SUFFIX}"))
        # Every file of a segment has its manifest's name; a damaged entry must not name anybody else's.
        return [self._root / entry.key for entry in entries if _is_named(entry.key, going.stem)]


def is_ours(folder: Path) -> bool:
    """Whether copies were kept there before, or nothing is there. Raises OSError."""
    return (folder / UNFINISHED).is_dir() or not matching(folder, "*")


def _object_bytes(manifest: Path) -> int:
    """0 for a damaged manifest."""
    try:
        return sum(entry.bytes for entry in decode_manifest(manifest.read_bytes()).objects)
    except DamagedError:
        return 0


def _is_named(key: str, name: str) -> bool:
    return partition_in(key) is not None and key.endswith(f"/{name}{OBJECT_SUFFIX}")


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT}:
            raise
