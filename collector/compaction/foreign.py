"""Refuses trees that were mixed up: day files as an archive, or an archive or somebody's folder as the place of day files."""

from collector.compaction.day import Trees
from collector.domain.errors import ConfigError, DamagedError
from collector.storage.archive.catalog import manifest_keys
from collector.storage.archive.lenient_manifest import read_manifest
from collector.storage.archive.manifest import Manifest
from collector.storage.store.object_store import ObjectStore

_OBJECTS = "exchange="
"""How the keys of objects begin; a compaction that was killed leaves some without a manifest."""


def require_own_places(trees: Trees) -> None:
    """Raise ConfigError for trees that cannot be an archive and its day files, by a look at one manifest of each. StoreError."""
    if (manifest := _any_manifest(trees.archive)) is not None:
        require_segment(trees.archive, manifest)
    if (manifest := _any_manifest(trees.daily)) is not None:
        require_day_files(trees.daily, manifest)
    elif other := next((key for key in trees.daily.keys("") if not key.startswith((_OBJECTS, "_manifest/"))), None):
        raise ConfigError([f"{trees.daily.url} has {other}: day files need a place of their own"])


def require_segment(archive: ObjectStore, manifest: Manifest) -> None:
    """Raise ConfigError if a manifest of the archive is one of day files."""
    if manifest.generation:
        raise ConfigError([f"{archive.url} has day files: name the archive that they were made of"])


def require_day_files(daily: ObjectStore, manifest: Manifest) -> None:
    """Raise ConfigError if a manifest in the place of day files is one of an archive."""
    if not manifest.generation:
        raise ConfigError([f"{daily.url} has an archive's own files: day files need a place of their own"])


def _any_manifest(store: ObjectStore) -> Manifest | None:
    for key in manifest_keys(store):
        try:
            return read_manifest(store, key).manifest
        except DamagedError:
            continue  # named when it is looked for
    return None
