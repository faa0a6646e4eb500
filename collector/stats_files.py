"""The numbers of the processes, handed over as small files: each is replaced whole, so a reader never waits or sees half."""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from collector.scrub import scrubbed

SUFFIX: Final = ".json"
_BLOCK_BYTES: Final = 512
"""The unit of `st_blocks`, whatever the file system's own blocks are."""


class StreamNumbers(NamedTuple):
    """A stream in the writer's report; in JSON an array, because a recorder may have thousands of them.

    `messages` are those read from the journal, copies left out; `stored` of them are durable.
    """

    exchange: str
    symbol: str
    data_type: str
    messages: int = 0
    bytes: int = 0
    duplicates: int = 0
    duplicate_bytes: int = 0
    stored: int = 0
    stored_bytes: int = 0
    gaps: int = 0
    last_received_us: int | None = None
    last_durable_us: int | None = None
    silence_limit_secs: float | None = None
    """How long it may be silent by the rhythm that is stored with it."""


class StatsFile:
    """One JSON object that one process writes and others read, such as `run/stats/ingest:binance.json`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._draft = path.with_name(f"{path.name}.{os.getpid()}.new")

    def write(self, numbers: Mapping[str, Any]) -> bool:
        """Replace the file by rename, without fsync and without secrets in its texts; false when the disk refuses: the numbers before stay.

        A full disk takes them in place of those before, if they need no more room; a reader may then meet half of
        them, which is no object. Even else the file gets a new time: it is the sign that this process turns.
        """
        content = msgspec.json.encode(scrubbed(numbers))
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._draft.write_bytes(content)
            self._draft.replace(self._path)
        except OSError:
            with contextlib.suppress(OSError):
                self._draft.unlink(missing_ok=True)
            return self._overwrite(content)
        return True

    def remove(self) -> None:
        """Leave nothing rather than what is no longer so. Raises OSError."""
        self._path.unlink(missing_ok=True)

    def _overwrite(self, content: bytes) -> bool:
        with contextlib.suppress(OSError):
            with self._path.open("r+b", buffering=0) as file:
                if len(content) <= os.fstat(file.fileno()).st_blocks * _BLOCK_BYTES:
                    os.pwrite(file.fileno(), content, 0)
                    file.truncate(len(content))
                    return True
            os.utime(self._path)
        return False


def stats_file(folder: Path, role: str) -> StatsFile:
    """Where the process of that role leaves its numbers."""
    return StatsFile(folder / f"{role}{SUFFIX}")


def read_stats(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the newest numbers of each role; a file that is missing, torn by a power loss or no object is left out."""
    stats = {}
    for path in sorted(filter(Path.is_file, folder.glob(f"*{SUFFIX}"))):
        numbers = read_object(path)
        if numbers is not None:
            stats[path.name.removesuffix(SUFFIX)] = numbers
    return stats


def last_signs(folder: Path) -> dict[str, int]:
    """When each role last wrote its numbers, or tried to: changes while the process turns."""
    signs = {}
    for path in folder.glob(f"*{SUFFIX}"):
        with contextlib.suppress(OSError):
            signs[path.name.removesuffix(SUFFIX)] = path.stat().st_mtime_ns
    return signs


def read_object(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in `path`; None where there is none to be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def clear_stats(folder: Path) -> None:
    """Remove what processes of an earlier supervisor left; the caller holds every role lock. Raises OSError.

    A folder is none of theirs.
    """
    for path in folder.glob("*"):
        if path.is_symlink() or not path.is_dir():
            path.unlink(missing_ok=True)
