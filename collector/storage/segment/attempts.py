"""How often work on a segment failed, and which segments were being worked on: kept in the names of empty files.

None of this is fsynced: it has to survive the process, and a power cut counts against no segment.
"""

import re
from pathlib import Path
from typing import Final

from collector.storage.regular_files import regular_files

FAILURES: Final = ".failures"
"""Suffix of the count of failures, crashes of the process included."""

KILLS: Final = ".kills"
"""Suffix of the count of kills while the process worked on the segment."""

_BEGUN: Final = ".begun"
_SUFFIXES: Final = (FAILURES, KILLS)
_FIRST_VERSION_COUNTS: Final = ".tries"
"""Suffix of the first version's counts, which do not tell crashes from kills."""

_COUNT = re.compile("[0-9]+")


class Attempts:
    """A count of one segment, in the name of an empty file beside it: `<id>.2.failures`; no file means 0.

    Files without a number in their names are not the recorder's and do not count.

    A count is changed by renaming, which works on a full disk: otherwise a disk that fills up would count against the
    segment. Every method raises OSError.
    """

    def __init__(self, segment: Path, suffix: str = FAILURES) -> None:
        self._folder = segment.parent
        self._id = segment.stem
        self._suffix = suffix

    def count(self) -> int:
        """The count noted last."""
        return max(map(_count_of, self._files()), default=0)

    def note(self, count: int) -> None:
        """Keep a count beyond this process."""
        noted = sorted(self._files(), key=_count_of)
        if count == (_count_of(noted[-1]) if noted else 0):
            return
        if not count:
            for path in noted:
                path.unlink()
        elif noted:
            noted[-1].rename(self._path(count))
        else:
            self._path(count).touch()

    def _files(self) -> list[Path]:
        files = regular_files(self._folder, f"{self._id}.*{self._suffix}")
        names = ((path, path.name.removeprefix(f"{self._id}.").removesuffix(self._suffix)) for path in files)
        return [path for path, count in names if _COUNT.fullmatch(count)]

    def _path(self, count: int) -> Path:
        return self._folder / f"{self._id}.{count}{self._suffix}"


def _count_of(path: Path) -> int:
    return int(path.name.split(".")[1])


def is_count(path: Path) -> bool:
    """Whether the file is a count."""
    return path.suffix in _SUFFIXES


def counted(folder: Path, suffix: str) -> set[str]:
    """The segment ids that have a count of that kind in the folder. Raises OSError."""
    return {path.name.partition(".")[0] for path in regular_files(folder, f"*{suffix}")}


def forget_counts(segment: Path) -> None:
    """Reset both counts of a segment. Raises OSError."""
    for suffix in _SUFFIXES:
        Attempts(segment, suffix).note(0)


def forget_attempts(folder: Path) -> None:
    """Remove the counts of segments that are gone, and those of the first version. Raises OSError."""
    for suffix in (*_SUFFIXES, _FIRST_VERSION_COUNTS):
        for path in regular_files(folder, f"*{suffix}"):
            if suffix == _FIRST_VERSION_COUNTS or not path.with_name(f"{path.name.partition('.')[0]}.db").exists():
                path.unlink()


class Begun:
    """The segments being worked on, as files `<id>.begun`. Every method raises OSError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def note(self, segment_id: str) -> None:
        """Note that work on a segment begins."""
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / f"{segment_id}{_BEGUN}").touch()

    def forget(self, segment_id: str) -> None:
        """Note that the work has ended."""
        (self._folder / f"{segment_id}{_BEGUN}").unlink(missing_ok=True)

    def found(self) -> list[str]:
        """The segments that an earlier process was working on when it ended."""
        return [path.stem for path in regular_files(self._folder, f"*{_BEGUN}")]
