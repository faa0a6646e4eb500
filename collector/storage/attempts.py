"""How often work on a segment began and did not end well, counted on disk because it may have killed its process."""

from pathlib import Path

from collector.storage.durable import sync, write_durably

_SUFFIX = ".tries"


class Attempts:
    """The count of one segment, in `<id>.tries` beside it; no file is none. Every method raises OSError."""

    def __init__(self, segment: Path) -> None:
        self._path = segment.with_suffix(_SUFFIX)

    def count(self) -> int:
        """Attempts noted and not taken back."""
        return int(self._path.read_bytes()) if self._path.exists() else 0

    def note(self, count: int) -> None:
        """Make the count durable."""
        if count == self.count():
            return
        if count:
            write_durably(self._path, b"%d" % count)
        else:
            self._path.unlink()
            sync(self._path.parent)


def forget_attempts(folder: Path) -> None:
    """Remove the counts of segments that are gone."""
    for path in folder.glob(f"*{_SUFFIX}*"):
        if not path.with_name(f"{path.name.partition('.')[0]}.db").exists():
            path.unlink()
