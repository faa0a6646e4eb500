"""How the processes share the disk.

Below `journal.min_free_bytes` of free space ingest refuses frames, below half of it the writer pauses. The archiver
observes no limit, because it is what frees space.
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
"""Share of a limit by which space must exceed it before frames are accepted again, so that the state does not flicker."""


class Space(NamedTuple):
    """Free space, and what a feed's journal takes."""

    free_bytes: int
    journal_bytes: int
    """Size of the feed's own journal files."""
    journal_files: int


MeasureSpace = Callable[[Path], Space]


def measure_space(folder: Path) -> Space:
    """Measure the free space under a journal folder, and the folder's files. Raises OSError."""
    with disk_wait():
        sizes = [_size_bytes(path) for _, path in journal_files(folder)]
    return Space(free_bytes(folder), sum(sizes), len(sizes))


def free_bytes(folder: Path) -> int:
    """Free space for an unprivileged process on the disk that holds `folder`. Raises OSError.

    If the folder was removed, the disk is that of the folder above, where it will be made again.
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
    """The configuration key of the limit that forbids appending now; None if no limit does."""
    margin = RESUME_MARGIN if refusing else 0.0
    if space.free_bytes < limits.min_free_bytes * (1 + margin):
        return "min_free_bytes"
    if space.journal_bytes > limits.max_bytes * (1 - margin):
        return "max_bytes"
    return None


def gets_short(free: int, limits: JournalConfig) -> bool:
    """Whether to seal early, because free space is near its limit: a seal removes journals and gives the archiver work."""
    return free < limits.min_free_bytes * 3 // 2


def is_too_full_to_write(free: int, limits: JournalConfig) -> bool:
    """Whether the writer must pause and leave the remaining space to the archiver."""
    return free < limits.min_free_bytes // 2


def wait_for_room(
    context: Context, free: Callable[[Path], int], report: Callable[[], None], make_room: Callable[[], None]
) -> None:
    """Wait while the remaining space belongs to the archiver; `make_room` is called once, as the wait begins.

    A writer that is to leave to a successor waits no longer: the successor will.
    """
    paused = False
    while not context.renewed() and is_too_full_to_write(
        found := free(context.config.data_dir), context.config.journal
    ):
        if not paused:
            paused = True
            context.log.warning("writer_paused", free_bytes=found)
            make_room()
        report()
        context.clock.sleep(PAUSE_SECS)
    if paused and not context.renewed():
        context.log.info("writer_resumed", free_bytes=found)


def _size_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0  # the writer removed it just now
