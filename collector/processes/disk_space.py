"""The disk as the processes share it: below the mark ingest refuses, below half of it the writer pauses.

The archiver heeds no mark: it is what makes room.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from collector.config import JournalConfig
from collector.domain.disk_waits import disk_wait
from collector.processes.context import Context
from collector.storage.journal.files import journal_files

PAUSE_SECS: Final = 1.0

RESUME_MARGIN: Final = 0.05
"""How far beyond its limit space must come back before frames are taken again, so that it does not flicker."""


class Space(NamedTuple):
    """The disk as a feed sees it."""

    free_bytes: int
    journal_bytes: int
    """What the feed's own journal files take."""
    journal_files: int


MeasureSpace = Callable[[Path], Space]


def measure_space(folder: Path) -> Space:
    """Measure the disk under a journal folder, and the folder itself. Raises OSError."""
    with disk_wait():
        sizes = [_size_bytes(path) for _, path in journal_files(folder)]
    return Space(free_bytes(folder), sum(sizes), len(sizes))


def free_bytes(folder: Path) -> int:
    """Room on the disk that holds `folder`, for a process without privileges. Raises OSError.

    One that somebody removed is made again in the folder above it: until then the disk is that one's.
    """
    try:
        with disk_wait():
            disk = os.statvfs(folder)
    except FileNotFoundError:
        if folder == folder.parent:
            raise
        return free_bytes(folder.parent)
    return disk.f_bavail * disk.f_frsize


def shortage(space: Space, limits: JournalConfig, *, refusing: bool) -> str | None:
    """The limit that forbids to append now, by its key in the configuration; None if none does."""
    margin = RESUME_MARGIN if refusing else 0.0
    if space.free_bytes < limits.min_free_bytes * (1 + margin):
        return "min_free_bytes"
    if space.journal_bytes > limits.max_bytes * (1 - margin):
        return "max_bytes"
    return None


def gets_short(free: int, limits: JournalConfig) -> bool:
    """Whether the mark is near: time to seal early, so that journals go and the archiver has something to make small."""
    return free < limits.min_free_bytes * 3 // 2


def is_too_full_to_write(free: int, limits: JournalConfig) -> bool:
    """Whether the writer must leave what room there is to the archiver."""
    return free < limits.min_free_bytes // 2


def wait_for_room(
    context: Context, free: Callable[[Path], int], report: Callable[[], None], make_room: Callable[[], None]
) -> None:
    """Let a writer wait while it must leave what room there is to the archiver; `make_room` is called as it begins to."""
    paused = False
    while is_too_full_to_write(found := free(context.config.data_dir), context.config.journal):
        if not paused:
            paused = True
            context.log.warning("writer_paused", free_bytes=found)
            make_room()
        report()
        context.clock.sleep(PAUSE_SECS)
    if paused:
        context.log.info("writer_resumed", free_bytes=found)


def _size_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0  # the writer removed it just now
