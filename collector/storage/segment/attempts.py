"""How often work on a segment failed, and what was being worked on when the process ended: names of empty files.

Nothing of this is forced to the disk: it must outlive the process, and a power cut is not laid to anybody's charge.
"""

import re
from pathlib import Path
from typing import Final

from collector.storage.regular_files import regular_files

FAILURES: Final = ".failures"
"""Work that failed, or in which the process crashed."""

KILLS: Final = ".kills"
"""Times the process was killed meanwhile."""

_BEGUN: Final = ".begun"
_SUFFIXES: Final = (FAILURES, KILLS)
_UNTOLD: Final = ".tries"
"""Counts of the first version, which do not tell who caused a death."""

_COUNT = re.compile("[0-9]+")


class Attempts:
    """A count of one segment, in the name of an empty file beside it: `<id>.2.failures`; no file is none.

    Files whose names hold no number are somebody else's, and stay out of the count.

    A count is changed by renaming, which a full disk cannot refuse: otherwise a disk that fills up meanwhile would be
    laid to the segment's charge. Every method raises OSError.
    """

    def __init__(self, segment: Path, suffix: str = FAILURES) -> None:
        self._folder = segment.parent
        self._id = segment.stem
        self._suffix = suffix

    def count(self) -> int:
        """What was noted last."""
        return max(map(_count_of, self._files()), default=0)

    def note(self, count: int) -> None:
        """Let it outlive this process."""
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
    """Whether the file is the count of something."""
    return path.suffix in _SUFFIXES


def counted(folder: Path, suffix: str) -> set[str]:
    """The ids of which there is such a count in the folder. Raises OSError."""
    return {path.name.partition(".")[0] for path in regular_files(folder, f"*{suffix}")}


def forget_counts(segment: Path) -> None:
    """Nothing of what went wrong with it counts any more. Raises OSError."""
    for suffix in _SUFFIXES:
        Attempts(segment, suffix).note(0)


def forget_attempts(folder: Path) -> None:
    """Remove the counts of segments that are gone, and those of an older version. Raises OSError."""
    for suffix in (*_SUFFIXES, _UNTOLD):
        for path in regular_files(folder, f"*{suffix}"):
            if suffix == _UNTOLD or not path.with_name(f"{path.name.partition('.')[0]}.db").exists():
                path.unlink()


class Begun:
    """What is being worked on, while it is: `<id>.begun`. Every method raises OSError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def note(self, segment_id: str) -> None:
        """Work on it begins."""
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / f"{segment_id}{_BEGUN}").touch()

    def forget(self, segment_id: str) -> None:
        """It has ended."""
        (self._folder / f"{segment_id}{_BEGUN}").unlink(missing_ok=True)

    def found(self) -> list[str]:
        """What a process that ended had begun."""
        return [path.stem for path in regular_files(self._folder, f"*{_BEGUN}")]
