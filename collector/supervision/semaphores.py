"""The named semaphores of a supervisor: how they are named after the data directory, and removed after a kill.

multiprocessing names every lock of a Queue or an Event, so that a child can open it. A supervisor removes the semaphores
of a child when it releases the child. Those that a killed supervisor left are recognized by their names by the next
supervisor of the same data directory.
"""

import errno
import hashlib
import multiprocessing
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.context import SpawnContext
from pathlib import Path
from typing import Final

FOLDER: Final = Path("/dev/shm")  # noqa: S108 -- where Linux keeps named semaphores

OPENED_SECS: Final = 30.0
"""Time after which a child that was starting when its parent was killed has opened its semaphores."""

OF_A_LIFE: Final = 12
"""How many semaphores a child's two Queues, its Event and the sign of its renewal consist of."""

_OF_DESCRIPTORS: Final = frozenset({errno.EMFILE, errno.ENFILE})
"""Errors of the pipe that is part of a Queue: they say nothing about the folder of the semaphores."""


def require(lives: int, context: SpawnContext) -> None:
    """Make as many semaphores as `lives` children need, and remove them. Raises OSError if they cannot be made."""
    try:
        with placed():
            made = [context.Lock() for _ in range(lives * OF_A_LIFE)]
    except ImportError as error:
        raise OSError(errno.ENOSYS, "this Python was built without semaphores", str(FOLDER)) from error
    made.clear()


def lack(error: OSError) -> str:
    """One line for the operator about why semaphores cannot be made and what is needed."""
    return (
        f"{FOLDER}: cannot make the semaphores that the processes share: {error.strerror};"
        " it must be a writable tmpfs with a MiB to spare (docker run has --shm-size)"
    )


@contextmanager
def placed() -> Iterator[None]:
    """Make errors of creating semaphores name their folder."""
    try:
        yield
    except OSError as error:
        if error.errno in _OF_DESCRIPTORS:
            raise
        raise OSError(error.errno, error.strerror, str(FOLDER)) from error


def claim(data_dir: Path) -> list[Path]:
    """Name the semaphores of this process after the data directory; returns those that its earlier supervisors left.

    The caller holds the data directory's lock. multiprocessing's resource tracker is kept out: whenever a supervisor is
    killed it would remove the semaphores a second time and report on stderr that they leaked.
    """
    prefix = name_prefix(data_dir)
    leftovers = existing(data_dir)
    multiprocessing.current_process()._config["semprefix"] = f"/{prefix}"  # type: ignore[attr-defined]  # noqa: SLF001 -- the only place multiprocessing takes it from
    resource_tracker.register = resource_tracker.unregister = _untracked
    return leftovers


def sweep(leftovers: Iterable[Path], min_age_secs: float = 0.0) -> list[OSError]:
    """Remove those that are older than `min_age_secs`; returns the errors for those that stay, such as another user's."""
    refused = []
    for path in leftovers:
        try:
            if time.time() - path.stat().st_mtime >= min_age_secs:
                path.unlink()
        except FileNotFoundError:
            pass  # its process has removed it
        except OSError as error:
            refused.append(error)
    return refused


def existing(data_dir: Path) -> list[Path]:
    """The existing semaphores of the data directory."""
    return sorted(FOLDER.glob(f"sem.{name_prefix(data_dir)}-*"))


def name_prefix(data_dir: Path) -> str:
    """The prefix of the names of the data directory's semaphores."""
    return f"collector-{hashlib.sha256(str(data_dir).encode()).hexdigest()[:12]}"


def _untracked(name: object, rtype: str) -> None:
    """Stands in for the resource tracker's register and unregister, and does nothing."""
