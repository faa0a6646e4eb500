"""The journal files of an edge under second names: what was ever appended can be read when the edge has removed them."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

from collector.storage.journal.format import RecordKind, frames_of
from collector.tools.inspect_journal import Inspection

LOOK_SECS: Final = 0.02
"""An edge removes a file a second after its end at the earliest: storage tells how far it is once a second."""
DATA: Final = b'{"stream":'


class KeptJournals:
    """Links every file that appears below `journals` into `folder`, in a thread of its own; for a `with` block."""

    def __init__(self, journals: Path, folder: Path) -> None:
        self._journals = journals
        self._folder = folder
        self._seen: set[int] = set()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        """Begin to look."""
        self._folder.mkdir(parents=True)
        self._thread.start()
        return self

    def __exit__(self, *what: object) -> None:
        """Look once more, and no longer."""
        self._is_over.set()
        self._thread.join()

    def frames(self) -> Iterator[str]:
        """The text of each data frame that was appended whole, file by file."""
        for path in sorted(self._folder.iterdir()):
            for record in Inspection(path).records():
                if record.kind is RecordKind.FRAMES:
                    yield from (frame.data.decode() for frame in frames_of(record) if frame.data.startswith(DATA))

    def files(self) -> list[Path]:
        """The links, by the time when each file was first seen."""
        return sorted(self._folder.iterdir())

    def _watch(self) -> None:
        while not self._is_over.wait(LOOK_SECS):
            self._look()
        self._look()

    def _look(self) -> None:
        for path in self._journals.glob("*/*.journal"):
            try:
                inode = path.stat().st_ino
                if inode not in self._seen:
                    (self._folder / f"{len(self._seen):06}-{path.name}").hardlink_to(path)
                    self._seen.add(inode)
            except FileNotFoundError:
                continue  # removed since it was listed: it was linked when it appeared
