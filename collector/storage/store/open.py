"""Which store an archive URL means."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

from collector.domain.errors import ConfigError
from collector.storage.store.directory import DirectoryStore
from collector.storage.store.object_store import ObjectStore
from collector.storage.store.s3_options import S3Options


def is_remote(url: str) -> bool:
    """Whether that store is reached over a network."""
    return not url.startswith("file:")


def folder_of(url: str) -> Path | None:
    """The folder that `file:///folder` means; None for any other store."""
    scheme, _, rest = url.partition("://")
    return Path(unquote(rest)) if scheme == "file" and rest.startswith("/") else None


def open_store(
    url: str, options: S3Options | None = None, tell: Callable[[str], object] = lambda _: None
) -> ObjectStore:
    """Return the store behind `file:///folder` or `s3://bucket[/prefix]`; nothing is asked of it yet.

    `tell` hears what it wants done in another way than Amazon's. Raises ConfigError for an URL that names none.
    """
    if (folder := folder_of(url)) is not None:
        return DirectoryStore(folder)
    scheme, _, rest = url.partition("://")
    bucket, _, prefix = rest.strip("/").partition("/")
    if scheme == "s3" and bucket:
        # Only now: boto3 takes 10 MB, and most processes and most archives have no use for it.
        from collector.storage.store.s3 import S3Store  # noqa: PLC0415

        return S3Store(bucket, prefix, options or S3Options(), tell)
    raise ConfigError([f"archive.url: no store speaks {scheme}://; use file:///folder or s3://bucket/prefix"])
