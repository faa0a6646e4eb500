"""Keeps a segment within reach that another process seals, archives and removes, as long as its end was not read."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from collector.storage.locks import is_at
from collector.storage.segment.readable import segment_id_of


class KeptSegment:
    """The open file of one segment: what has its name removed is still there for who has it open.

    To close it lets go of the locks that SQLite has on it in this process, so nothing here is called while the segment is read.
    """

    def __init__(self) -> None:
        self._fd: int | None = None
        self.segment_id = ""
        """The segment that is kept; empty for none."""

    def keep(self, path: Path) -> None:
        """Keep the segment at this path, an open one, or one sealed since, and no other; one that is kept stays if it is gone.

        Call it before the segment is read: it may go at any time afterwards.
        """
        segment_id = segment_id_of(path)
        names = [path, path.with_name(f"{segment_id}.db")]
        if self._fd is not None and any(is_at(self._fd, name) for name in names):
            return
        found = next((fd for fd in map(_opened, names) if fd is not None), None)
        if found is not None or segment_id != self.segment_id:
            self.close()
            self._fd, self.segment_id = found, segment_id if found is not None else ""

    @contextmanager
    def copied(self) -> Iterator[Path]:
        """A copy of what is kept, which is whole once it is sealed; removed at the end. Raises FileNotFoundError for none."""
        if self._fd is None:
            raise FileNotFoundError("no segment is kept")
        with tempfile.TemporaryDirectory(prefix="collector-tail-") as folder:
            copy = Path(folder, f"{self.segment_id}.db")
            with os.fdopen(os.dup(self._fd), "rb") as kept, copy.open("wb") as file:
                kept.seek(0)
                shutil.copyfileobj(kept, file, 1 << 20)
            yield copy

    def close(self) -> None:
        """Keep nothing."""
        if self._fd is not None:
            os.close(self._fd)
        self._fd, self.segment_id = None, ""


def _opened(path: Path) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
