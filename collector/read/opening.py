"""Opens an archive for reading."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from collector.config import Config
from collector.config.addresses import archive_url, daily_of, daily_problem, resolved
from collector.config.load import load
from collector.domain.errors import ConfigError
from collector.domain.names import MANIFEST_FOLDER
from collector.exchanges import registry
from collector.read.archive import Archive
from collector.read.day_tree import DayTree
from collector.read.errors import QuestionError
from collector.read.holdings import Holdings
from collector.read.window import Moment, moment_us
from collector.storage.store.object_store import ObjectStore
from collector.storage.store.open import folder_of, is_remote, open_store
from collector.storage.store.s3_options import S3Options

DEFAULT_ARCHIVE: Final = "data/archive"

_OPTIONS: Final = ("region", "endpoint_url", "addressing")


def open_archive(
    archive: str | Path,
    data_dir: str | Path | None,
    config: str | Path | None,
    storage: Mapping[str, str] | None,
    asof: Moment | None,
    daily: str | Path | None = None,
) -> Archive:
    """See `collector.read.open`."""
    loaded = None if config is None else _loaded(Path(config))
    if loaded is not None and str(archive) == DEFAULT_ARCHIVE:
        archive = loaded.archive_url
        data_dir = loaded.data_dir if data_dir is None else data_dir
    elif data_dir is not None and str(archive) == DEFAULT_ARCHIVE and (Path(data_dir) / "archive").is_dir():
        archive = Path(data_dir) / "archive"
    if data_dir is not None and not Path(data_dir).is_dir():
        raise QuestionError(f"{data_dir} is not a folder: data_dir is where a recorder keeps its segments")
    store = _store(str(archive), loaded, storage or {})
    folder = folder_of(store.url)
    if folder is not None:
        _require_archive(folder, may_be_absent=data_dir is not None)
    asof_us = None if asof is None else moment_us(asof)
    days = _day_tree(store.url, daily, loaded, storage or {}, asof_us)
    return Archive(Holdings(store, None if data_dir is None else Path(data_dir), asof_us, days))


def _day_tree(
    archive: str, daily: str | Path | None, loaded: Config | None, storage: Mapping[str, str], asof_us: int | None
) -> DayTree | None:
    """The day files beside an archive: where they are named, else where they are by default. None where they cannot be."""
    is_configured = loaded is not None and resolved(loaded.archive_url) == resolved(archive)
    if daily is None:
        daily = loaded.daily_url if loaded is not None and is_configured else daily_of(archive)
        is_named = loaded is not None and is_configured and bool(loaded.archive.daily_url)
    else:
        is_named = True
    if not daily:
        return None
    store = _store(str(daily), loaded, storage)
    if problem := daily_problem(archive, store.url):
        raise QuestionError(problem)
    return DayTree(store, asof_us, is_named=is_named)


def _loaded(config: Path | None) -> Config:
    return load(config, os.environ, registry.data_types())


def _store(archive: str, loaded: Config | None, storage: Mapping[str, str]) -> ObjectStore:
    """The archive's store. A bucket is reached as the configuration and `COLLECTOR_ARCHIVE__*` say, and `storage` over these."""
    unknown = sorted(set(storage) - set(_OPTIONS))
    if unknown:
        raise QuestionError(f"storage has {', '.join(unknown)}; it may have {', '.join(_OPTIONS)}")
    if "://" not in archive:
        return open_store(Path(archive).absolute().as_uri())
    try:
        url = archive_url(archive)
    except ValueError as error:
        raise ConfigError([f"archive {error}"]) from error
    if not is_remote(url):
        return open_store(url)
    settings = (_loaded(None) if loaded is None else loaded).archive
    given = {name: getattr(settings, name) for name in _OPTIONS}
    return open_store(url, S3Options(**{**given, **storage}))


def _require_archive(folder: Path, *, may_be_absent: bool) -> None:
    """Raise QuestionError for a folder that cannot be an archive; a recorder makes its own with the first upload."""
    if not folder.is_dir() and not may_be_absent:
        raise QuestionError(f"{folder} is not a folder; name a recorder's archive, such as {DEFAULT_ARCHIVE}")
    if not (folder / MANIFEST_FOLDER).is_dir() and (folder / "archive" / MANIFEST_FOLDER).is_dir():
        raise QuestionError(f"there is no archive in {folder}; a recorder's archive is {folder / 'archive'}")
