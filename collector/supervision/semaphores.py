"""The named semaphores of a supervisor: whose they are, and who removes them when it was killed.

multiprocessing gives a name to every lock of a Queue or an Event, for a child to open it by. A supervisor removes its own
as it buries their child. What a killed one left, the next one of the same data directory knows by the name.
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
"""A child that was being started when its parent was killed has opened its own by then."""

OF_A_LIFE: Final = 11
"""How many a child's two Queues and its Event are made of."""

_OF_DESCRIPTORS: Final = frozenset({errno.EMFILE, errno.ENFILE})
"""A Queue is also a pipe: what its making fails of then is not where semaphores are kept."""


def require(lives: int, context: SpawnContext) -> None:
    """Make as many as so many children need, and remove them. Raises OSError, which says why they cannot be made."""
    try:
        with placed():
            made = [context.Lock() for _ in range(lives * OF_A_LIFE)]
    except ImportError as error:
        raise OSError(errno.ENOSYS, "this Python was built without semaphores", str(FOLDER)) from error
    made.clear()


def lack(error: OSError) -> str:
    """Say on one line what a person has to mend."""
    return (
        f"{FOLDER}: the semaphores that the processes share cannot be made there: {error.strerror};"
        " it must be a tmpfs that can be written and has a MiB to spare (docker run has --shm-size)"
    )


@contextmanager
def placed() -> Iterator[None]:
    """Let an error of making semaphores name their place."""
    try:
        yield
    except OSError as error:
        if error.errno in _OF_DESCRIPTORS:
            raise
        raise OSError(error.errno, error.strerror, str(FOLDER)) from error


def claim(data_dir: Path) -> list[Path]:
    """Name all that this process makes after the data directory; returns what earlier supervisors of it left.

    The caller holds the directory alone. multiprocessing's own tracker hears of none: it would remove them a second time,
    and say on stderr that they leaked, whenever a supervisor is killed.
    """
    prefix = name_prefix(data_dir)
    leftovers = existing(data_dir)
    multiprocessing.current_process()._config["semprefix"] = f"/{prefix}"  # type: ignore[attr-defined]  # noqa: SLF001 -- the only place multiprocessing takes it from
    resource_tracker.register = resource_tracker.unregister = _untracked
    return leftovers


def sweep(leftovers: Iterable[Path], min_age_secs: float = 0.0) -> list[OSError]:
    """Remove those that are that old; returns why others stay: another user's are not this one's to remove."""
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
    """Those of the data directory that are there."""
    return sorted(FOLDER.glob(f"sem.{name_prefix(data_dir)}-*"))


def name_prefix(data_dir: Path) -> str:
    """How their names begin."""
    return f"collector-{hashlib.sha256(str(data_dir).encode()).hexdigest()[:12]}"


def _untracked(name: object, rtype: str) -> None:
    """Neither register nor unregister."""
