"""Keeps a segment within reach that another process seals, archives and removes, as long as its end was not read."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
        """Keep the segment at this path, an open one, or one just sealed, and no other."""
        names = [path, path.with_name(f"{segment_id_of(path)}.db")]
        if self._fd is not None and any(is_at(self._fd, name) for name in names):
            return
        self.close()
        for name in names:
            with suppress(FileNotFoundError):
                self._fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
                self.segment_id = segment_id_of(path)
                return

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
