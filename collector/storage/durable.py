"""Writes that survive a power cut."""

import os
from pathlib import Path

from collector.domain.disk_waits import disk_wait


def sync(path: Path) -> None:
    """Make a file's bytes, or a folder's names, durable. Raises OSError."""
    with disk_wait():
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def draft(path: Path, content: bytes) -> Path:
    """Write `path`'s next content beside it, durably. The caller renames the file over `path` and syncs the folder.

    Returns the file's path. Raises OSError.
    """
    new = path.with_name(f"{path.name}.new")
    with disk_wait():
        new.write_bytes(content)
    sync(new)
    return new


def write_durably(path: Path, content: bytes) -> None:
    """Replace a small file so that after a power cut either the old or the new content is there whole. Raises OSError."""
    draft(path, content).replace(path)
    sync(path.parent)
