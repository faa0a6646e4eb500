"""Command-line arguments that name an archive, opening it, and a progress bar."""

import argparse
import os
import re
import sys
from pathlib import Path
from urllib.parse import unquote

from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from collector import scrub
from collector.config import load
from collector.config.addresses import ArchiveUrl
from collector.config.display import display
from collector.domain.errors import ConfigError
from collector.exchanges import registry
from collector.processes.archive_store import open_archive
from collector.storage.store.object_store import ObjectStore

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
    scrub.begin()
    loaded = load(config, os.environ, registry.data_types())
    # A tool that only reads must not create a bucket.
    changed = {"url": _url(store) if store else loaded.archive_url, "create_bucket": False}
    return open_archive(loaded.model_copy(update={"archive": loaded.archive.model_copy(update=changed)}))


def data_dir_of(config: Path | None) -> Path:
    """The data_dir of this configuration. Raises ConfigError."""
    return load(config, os.environ, registry.data_types()).data_dir


def is_folder(store: str | Path) -> bool:
    """False for a local folder that does not exist; True for any remote store, which is not contacted."""
    text = str(store)
    if text.startswith("file:///"):
        return Path(unquote(text.removeprefix("file://"))).is_dir()
    return is_url(text) or Path(text).is_dir()


def is_url(text: str) -> bool:
    """Whether the text begins with a URL's scheme, as no path does that people write."""
    return bool(_LIKE_URL.match(text))


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
        return str(TypeAdapter(ArchiveUrl).validate_python(store))
    except ValidationError as error:
        raise ConfigError([f"{display(store)} {error.errors()[0]['ctx']['error']}"]) from error
