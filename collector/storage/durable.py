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


def sync_disk(path: Path) -> None:
    """Make all that was written to the disk of `path` durable: one wait, where each of many files would take one. Raises OSError."""
    import ctypes  # noqa: PLC0415 -- half a megabyte, and hardly anybody needs it

    syncfs = ctypes.CDLL(None, use_errno=True).syncfs
    with disk_wait():
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if syncfs(fd) != 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(path))
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
