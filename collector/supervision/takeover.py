"""Taking over a data directory: one recorder at a time, and none of an earlier one's processes beside it."""

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from collector.config import Config
from collector.domain.errors import AnotherInstanceError, CannotStartError
from collector.domain.log import Log
from collector.folders import matching
from collector.processes.roles import processes_seen, role_lock
from collector.processes.stats_place import BESIDE, STATS
from collector.stats_files import clear_stats
from collector.storage.journal.incarnations import living
from collector.storage.locks import RoleLock
from collector.supervision.display import Display
from collector.supervision.signals import Signals

_POLL_SECS: Final = 0.1
_PROBE_SECS: Final = 0.5
"""A tool that asks whether the lock is free holds it for a moment; this is how long to try again."""


def take_over(lock: RoleLock, config: Config, signals: Signals, display: Display, log: Log) -> bool:
    """Lock the data directory, and wait until the children of a supervisor that was killed are gone.

    False when a signal came while waiting. Raises AnotherInstanceError when another supervisor holds the directory, or
    when such children still run after `supervisor.stop_timeout_secs`; CannotStartError when it cannot be locked.
    """
    _acquire(lock, config.data_dir)
    deadline = time.monotonic() + config.supervisor.stop_timeout_secs
    is_told = False
    while held := _held_roles(config.data_dir):
        if not is_told:
            log.info("waiting_for_children", roles=held)
            display.note(f"Waiting for processes of an earlier run to end: {', '.join(held)}.")
        is_told = True
        if time.monotonic() > deadline:
            raise AnotherInstanceError(
                f"children of an earlier supervisor still hold {config.data_dir}: {', '.join(held)}"
            )
        if (name := signals.take()) is not None:
            log.info("stopping", cause=name, deadline_secs=0)
            return False
        time.sleep(_POLL_SECS)
    for folder in (STATS, BESIDE):
        clear_stats(config.data_dir / folder)
    return True


def take_place(lock: RoleLock, data_dir: Path) -> None:
    """Be the one that the data directory's lock names, whose children report in `run/stats`; it is held already.

    None of the earlier program's children is left.
    """
    for folder in (STATS, BESIDE):
        clear_stats(data_dir / folder)
    lock.sign(os.getpid())


def keep_lock(lock: RoleLock, log: Log) -> None:
    """Restore the lock file if somebody removed it; the lock itself is held all the same."""
    with suppress(OSError):  # a disk that refuses the file now may take it a second later
        if lock.keep():
            log.warning("lock_file_removed", path=str(lock.path))


def _acquire(lock: RoleLock, data_dir: Path) -> None:
    deadline = time.monotonic() + _PROBE_SECS
    try:
        while not lock.try_acquire():
            if time.monotonic() > deadline:
                raise AnotherInstanceError(f"process {lock.holder()} is already recording into {data_dir}")
            time.sleep(_POLL_SECS)
    except OSError as error:
        raise CannotStartError(f"{lock.path}: {error.strerror}") from error


def _held_roles(data_dir: Path) -> list[str]:
    """The processes of an earlier run that still hold their locks, and journals that one of them still appends to.

    Of two ingests of a feed, as during a handover, only one holds their role's lock.
    """
    held = [name for name in processes_seen(data_dir) if not role_lock(data_dir, name).is_free()]
    appended = (f"journal {folder.name}" for folder in matching(data_dir / "journal", "*") if living(folder))
    return [*held, *appended]
