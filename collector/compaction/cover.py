"""Tells of an archive's objects whether day files have their rows, asking the stores for each such file and each manifest once."""

from collector.domain.errors import DamagedError
from collector.domain.names import manifest_key
from collector.read.day_tree import DayTree
from collector.storage.archive.days import manifest_name
from collector.storage.archive.lenient_manifest import read_manifest
from collector.storage.archive.manifest import ManifestObject, digest_of
from collector.storage.archive.store_retry import retry_once
from collector.storage.store.object_store import ObjectInfo, ObjectStore


class Cover:
    """What the day files of a tree have at one moment."""

    def __init__(self, archive: ObjectStore, daily: ObjectStore) -> None:
        """Raises StoreError, DamagedError if a manifest that counts cannot be read."""
        self._archive = archive
        self._daily = daily
        tree = DayTree(daily, None, is_named=True)
        self._files = tree.look()
        if problems := tree.problems():
            raise DamagedError("\n".join(problems))
        self._whole: dict[str, bool] = {}
        self._same: dict[tuple[str, str, str], bool] = {}

    def has(self, entry: ManifestObject) -> bool:
        """Whether a day file that is there, with its size and checksum, has the rows of an object. Raises StoreError."""
        host, segment_id = manifest_name(entry.key)
        file = self._files.file_for(host, segment_id, entry)
        return file is not None and self._is_same(host, segment_id, entry.date) and self._is_whole(file)

    def _is_same(self, host: str, segment_id: str, date: str) -> bool:
        """Whether the segment's objects are those that the day files were made of, not others of the same name."""
        asked = host, segment_id, date
        if asked not in self._same:
            before = self._files.digest_for(*asked)
            self._same[asked] = not before or before == self._digest(*asked)
        return self._same[asked]

    def _digest(self, host: str, segment_id: str, date: str) -> str:
        try:
            return digest_of(read_manifest(self._archive, manifest_key(host, segment_id)).manifest.objects, date)
        except DamagedError:
            return "damaged"

    def _is_whole(self, file: ManifestObject) -> bool:
        if file.key not in self._whole:
            try:
                found = retry_once(self._daily, lambda: self._daily.head(file.key))
            except DamagedError:
                found = None
            self._whole[file.key] = found == ObjectInfo(file.bytes, file.sha256)
        return self._whole[file.key]
