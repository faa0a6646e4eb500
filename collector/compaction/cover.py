"""Tells of an archive's objects whether day files have their rows, asking the store for each such file once."""

from collector.domain.errors import DamagedError
from collector.read.day_tree import DayTree
from collector.storage.archive.days import manifest_name
from collector.storage.archive.manifest import ManifestObject
from collector.storage.archive.store_retry import retry_once
from collector.storage.store.object_store import ObjectInfo, ObjectStore


class Cover:
    """What the day files of a tree have at one moment."""

    def __init__(self, daily: ObjectStore) -> None:
        """Raises StoreError, DamagedError if a manifest that counts cannot be read."""
        self._daily = daily
        tree = DayTree(daily, None, is_named=True)
        self._files = tree.look()
        if problems := tree.problems():
            raise DamagedError("\n".join(problems))
        self._whole: dict[str, bool] = {}

    def has(self, entry: ManifestObject) -> bool:
        """Whether a day file that is there, with its size and checksum, has the rows of an object. Raises StoreError."""
        host, segment_id = manifest_name(entry.key)
        file = self._files.file_for(host, segment_id, entry)
        return file is not None and self._is_whole(file)

    def _is_whole(self, file: ManifestObject) -> bool:
        if file.key not in self._whole:
            try:
                found = retry_once(self._daily, lambda: self._daily.head(file.key))
            except DamagedError:
                found = None
            self._whole[file.key] = found == ObjectInfo(file.bytes, file.sha256)
        return self._whole[file.key]
