"""What must outlive a power cut."""

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
    """Write what shall take the file's place, durable but for its name: whoever renames it syncs the folder.

    Raises OSError.
    """
    made = path.with_name(f"{path.name}.new")
    with disk_wait():
        made.write_bytes(content)
    sync(made)
    return made


def write_durably(path: Path, content: bytes) -> None:
    """Write a small file so that it is there whole, before or after, whenever the power goes. Raises OSError."""
    draft(path, content).replace(path)
    sync(path.parent)
