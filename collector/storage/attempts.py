"""How often work on a segment began and did not end well, counted on disk because it may have killed its process."""

import re
from pathlib import Path
from typing import Final

from collector.storage.durable import sync

SUFFIX: Final = ".tries"

_COUNT = re.compile("[0-9]+")


class Attempts:
    """The count of one segment, in the name of an empty file beside it: `<id>.2.tries`; no file is none.

    Files whose names hold no number are somebody else's, and stay out of the count.

    A count is changed by renaming, which a full disk cannot refuse: otherwise a disk that fills up while an attempt is
    taken back would be laid to the segment's charge. Every method raises OSError.
    """

    def __init__(self, segment: Path) -> None:
        self._folder = segment.parent
        self._id = segment.stem

    def count(self) -> int:
        """Attempts noted and not taken back."""
        return max(map(_count_of, self._files()), default=0)

    def note(self, count: int) -> None:
        """Make the count durable."""
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
        sync(self._folder)

    def _files(self) -> list[Path]:
        files = self._folder.glob(f"{self._id}.*{SUFFIX}")
        return [path for path in files if _COUNT.fullmatch(path.name.removeprefix(f"{self._id}.").removesuffix(SUFFIX))]

    def _path(self, count: int) -> Path:
        return self._folder / f"{self._id}.{count}{SUFFIX}"


def _count_of(path: Path) -> int:
    return int(path.name.split(".")[1])


def forget_attempts(folder: Path) -> None:
    """Remove the counts of segments that are gone."""
    for path in folder.glob(f"*{SUFFIX}"):
        if not path.with_name(f"{path.name.partition('.')[0]}.db").exists():
            path.unlink()
