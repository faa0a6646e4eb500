"""Command-line arguments that name an archive, opening it, and a progress bar."""

import argparse
import os
import re
import sys
from collections.abc import Collection, Iterable
from pathlib import Path
from urllib.parse import unquote

from msgspec.structs import replace
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from collector import scrub
from collector.config import Config
from collector.config.addresses import archive_of, archive_url, daily_of, daily_problem, resolved
from collector.config.display import display, shown_name
from collector.config.load import load
from collector.domain.errors import ConfigError
from collector.domain.names import MANIFEST_FOLDER
from collector.exchanges import registry
from collector.processes.archive_store import archive_options, open_archive
from collector.storage.store.deleting import DeletingStore, open_deleting
from collector.storage.store.object_store import ObjectStore
from collector.storage.store.open import folder_of

STORE_HELP = "a folder, file:///folder or s3://bucket/prefix"

_LIKE_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add --config."""
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="the recorder's configuration; [archive] says how to reach a bucket (the environment does too)",
    )


def opened(store: str | None, config: Path | None) -> ObjectStore:
    """Open the store with this name or URL, or the configured one; options are the configuration's. Raises ConfigError."""
    return open_archive(config_for(store, config))


def opened_trees(store: str | None, daily: str | None, config: Path | None) -> tuple[ObjectStore, ObjectStore, int]:
    """An archive, the tree of its day files, and the compression level. Raises ConfigError."""
    loaded = config_for(store, config)
    url = _daily_url(loaded, daily)
    problem = daily_problem(loaded.archive_url, url)
    if not url:
        problem = (
            f"{loaded.archive_url} is a whole bucket: name another for its day files, with archive.daily_url or --daily"
        )
    if problem:
        raise ConfigError([problem])
    days = replace(loaded, archive=replace(loaded.archive, url=url))
    return open_archive(loaded), open_archive(days), loaded.archive.compression_level


def archive_beside(daily_url: str, config: Path | None) -> ObjectStore | None:
    """The archive whose day files stand there, by the configuration or by its name; None if there is none. Raises ConfigError."""
    loaded = _config_for(None, config)
    is_configured = bool(loaded.daily_url) and resolved(loaded.daily_url) == resolved(daily_url)
    url = loaded.archive_url if is_configured else archive_of(daily_url)
    if not url:
        return None
    archive = open_archive(replace(loaded, archive=replace(loaded.archive, url=url)))
    return None if next(archive.keys(f"{MANIFEST_FOLDER}/"), None) is None else archive


def _daily_url(loaded: Config, daily: str | None) -> str:
    return _url(daily) if daily else loaded.daily_url


def opened_for_deleting(store: str | None, config: Path | None) -> DeletingStore:
    """As `opened`, but objects can be removed from the store. Raises ConfigError."""
    loaded = config_for(store, config)
    return open_deleting(loaded.archive_url, archive_options(loaded))


def config_for(store: str | None, config: Path | None) -> Config:
    """The configuration, for the archive with this name or URL if one is given. Raises ConfigError."""
    loaded = _config_for(store, config)
    if store is None:
        require_rows(config_of(config))
    return loaded


def require_rows(config: Config) -> None:
    """Raise ConfigError if this host has neither rows nor an archive that its configuration names."""
    if not config.stores and not config.archive.url:
        raise ConfigError(["this host is an edge and stores no rows: ask on the storage host, or name its archive"])


def _config_for(store: str | None, config: Path | None) -> Config:
    scrub.begin()
    loaded = load(config, os.environ, registry.data_types())
    url = _url(store) if store else loaded.archive_url
    # The configured tree of day files is the configured archive's.
    daily = loaded.daily_url if resolved(url) == resolved(loaded.archive_url) else daily_of(url)
    # A tool must not create a bucket.
    return replace(loaded, archive=replace(loaded.archive, url=url, daily_url=daily, create_bucket=False))


def data_dir_of(config: Path | None) -> Path:
    """The data_dir of this configuration. Raises ConfigError."""
    return config_of(config).data_dir


def config_of(config: Path | None) -> Config:
    """A configuration, with what the environment says. Raises ConfigError."""
    return load(config, os.environ, registry.data_types())


def is_folder(store: str | Path) -> bool:
    """False for a local folder that does not exist; True for any remote store, which is not contacted."""
    text = str(store)
    if text.startswith("file:///"):
        return Path(unquote(text.removeprefix("file://"))).is_dir()
    return is_url(text) or Path(text).is_dir()


def is_url(text: str) -> bool:
    """Whether the text begins with a URL's scheme, as no path does that people write."""
    return bool(_LIKE_URL.match(text))


def require_archive(store: ObjectStore) -> None:
    """Raise ConfigError if the store has no manifest, with the archive's folder if the store is a recorder's data_dir."""
    if next(iter(store.keys(f"{MANIFEST_FOLDER}/")), None) is not None:
        return
    folder = folder_of(store.url)
    text = f"there is no archive in {store.url if folder is None else folder}"
    if folder is not None and (folder / "archive" / MANIFEST_FOLDER).is_dir():
        text += f"; a recorder's archive is {folder / 'archive'}"
    raise ConfigError([text])


def require_symbol(wanted: Collection[str], known: Iterable[str]) -> None:
    """Raise ConfigError if symbols are wanted and none of them is known."""
    require_known("symbol", wanted, known)


def require_known(what: str, wanted: Collection[str], known: Iterable[str]) -> None:
    """Raise ConfigError if exchanges, symbols or data types are wanted and none of them is known."""
    if wanted and set(wanted).isdisjoint(known):
        raise ConfigError([f"no stream of that {what}: {', '.join(map(shown_name, sorted(wanted)))}"])


def progress() -> Progress:
    """A progress bar, shown only on a terminal."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        # Output to a file or pipe must not pass through the bar.
        redirect_stdout=sys.stdout.isatty(),
        transient=True,
    )


def _url(store: str) -> str:
    if not is_url(store):
        return Path(store).absolute().as_uri()
    try:
        return archive_url(store)
    except ValueError as error:
        raise ConfigError([f"{display(store)} {error}"]) from error
