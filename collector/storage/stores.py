"""Which store an archive URL means."""

from pathlib import Path
from urllib.parse import unquote

from collector.domain.errors import ConfigError
from collector.storage.directory import DirectoryStore
from collector.storage.objects import ObjectStore


def open_store(url: str) -> ObjectStore:
    """Return the store behind `file:///…`. Raises ConfigError for a scheme no store speaks."""
    scheme, _, rest = url.partition("://")
    if scheme == "file":
        return DirectoryStore(Path(unquote(rest)))
    raise ConfigError([f"archive.url: no store speaks {scheme}:// yet; use a folder (file:///…)"])
