"""The numbers of the processes, handed over as small files: each is replaced whole, so a reader never waits or sees half."""

import contextlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from collector.reports import Report
from collector.scrub import scrubbed

SUFFIX: Final = ".json"
_BLOCK_BYTES: Final = 512
"""The unit of `st_blocks`, whatever the file system's own blocks are."""


class StatsFile:
    """One JSON object that one process writes and others read, such as `run/stats/ingest:binance.json`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._draft = path.with_name(f"{path.name}.{os.getpid()}.new")

    def write(self, numbers: Report | Mapping[str, Any]) -> bool:
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


def read_reports(folder: Path, type_of: Callable[[str], type[Report]]) -> dict[str, Report]:
    """The newest report of each process, as the type that `type_of` gives for its name.

    Left out is a file that is missing, torn by a power loss, or no such report. A field that the type does not have is
    ignored, and one that the file does not have is its default: both may be of other versions.
    """
    reports = {}
    for path in sorted(filter(Path.is_file, folder.glob(f"*{SUFFIX}"))):
        process = path.name.removesuffix(SUFFIX)
        with contextlib.suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
            reports[process] = msgspec.json.decode(path.read_bytes(), type=type_of(process))
    return reports


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
