"""Small JSON files in `run/` that one process writes and others read: reports and the supervisor's health.

Each file is replaced as a whole, so a reader never waits and never reads half a file.
"""

import contextlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from collector.folders import matching
from collector.reports import Report
from collector.scrub import scrubbed

SUFFIX: Final = ".json"
_BLOCK_BYTES: Final = 512
"""The unit of `st_blocks`, independent of the file system's block size."""


class StatsFile:
    """One JSON object that one process writes and others read, such as `run/stats/ingest:binance.json`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._draft = path.with_name(f"{path.name}.{os.getpid()}.new")

    def write(self, numbers: Report | Mapping[str, Any]) -> bool:
        """Replace the file by rename, without fsync and without secrets in its texts; false if the disk refuses.

        On a full disk the content overwrites the old one if it needs no more blocks; a reader may then read half of it,
        which is not a JSON object. If that fails too the old content stays and the file only gets a new modification
        time, the sign that this process still runs.
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
        """Remove the file, whose content would be out of date. Raises OSError."""
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
    """The file for the reports of the process of that name."""
    return StatsFile(folder / f"{role}{SUFFIX}")


def read_reports(folder: Path, type_of: Callable[[str], type[Report]]) -> dict[str, Report]:
    """The newest report of each process, as the type that `type_of` gives for its name.

    A file that is missing, torn by a power loss or not such a report is left out. A field unknown to the type is
    ignored, and a field missing from the file has its default: the file may be from another version.
    """
    reports = {}
    for path in filter(Path.is_file, matching(folder, f"*{SUFFIX}")):
        process = path.name.removesuffix(SUFFIX)
        with contextlib.suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
            reports[process] = msgspec.json.decode(path.read_bytes(), type=type_of(process))
    return reports


def last_signs(folder: Path) -> dict[str, int]:
    """When each process last wrote its report, or tried to: it changes as long as the process runs."""
    signs = {}
    for path in matching(folder, f"*{SUFFIX}"):
        with contextlib.suppress(OSError):
            signs[path.name.removesuffix(SUFFIX)] = path.stat().st_mtime_ns
    return signs


def read_object(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in `path`; None if the file is missing or does not hold one."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def clear_stats(folder: Path) -> None:
    """Remove the files that processes of an earlier supervisor left; the caller holds every role lock. Raises OSError.

    Folders are kept: processes make none here.
    """
    for path in matching(folder, "*"):
        if path.is_symlink() or not path.is_dir():
            path.unlink(missing_ok=True)
