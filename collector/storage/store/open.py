"""Opens the store behind an archive URL."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

from collector.domain.errors import ConfigError
from collector.storage.store.directory import DirectoryStore
from collector.storage.store.object_store import ObjectStore
from collector.storage.store.s3_options import S3Options


def is_remote(url: str) -> bool:
    """Whether the store at the URL is reached over a network."""
    return not url.startswith("file:")


def folder_of(url: str) -> Path | None:
    """The folder of a `file:///folder` URL; None for any other URL."""
    scheme, _, rest = url.partition("://")
    return Path(unquote(rest)) if scheme == "file" and rest.startswith("/") else None


def bucket_of(url: str) -> tuple[str, str] | None:
    """Bucket and prefix of a `s3://bucket[/prefix]` URL; None for any other URL."""
    scheme, _, rest = url.partition("://")
    bucket, _, prefix = rest.strip("/").partition("/")
    return (bucket, prefix) if scheme == "s3" and bucket else None


def open_store(
    url: str, options: S3Options | None = None, on_style_change: Callable[[str], object] = lambda _: None
) -> ObjectStore:
    """Return the store at `file:///folder` or `s3://bucket[/prefix]`, without calling it.

    `on_style_change` is called with a text for each way in which the server wants other requests than Amazon's.
    Raises ConfigError for any other URL.
    """
    if (folder := folder_of(url)) is not None:
        return DirectoryStore(folder)
    if (found := bucket_of(url)) is not None:
        # Only now: boto3 takes 10 MB, and most processes and archives do not need it.
        from collector.storage.store.s3 import S3Store  # noqa: PLC0415

        return S3Store(*found, options or S3Options(), on_style_change)
    scheme = url.partition("://")[0]
    raise ConfigError([f"archive.url: {scheme}:// is not supported; use file:///folder or s3://bucket/prefix"])
