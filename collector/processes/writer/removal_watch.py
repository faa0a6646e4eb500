"""Logs and reports when somebody removes segment files while the writer is running."""

from pathlib import Path
from typing import Final

from collector.processes.context import Context
from collector.storage.segment.open_segment import OpenSegment
from collector.storage.segment.seal import sealed_segments

REMOVED_SECS: Final = 600.0
"""Seconds for which a removal counts as recent, which makes the recorder unhealthy."""


class RemovalWatch:
    """Remembers which sealed segments were waiting, and whether removed files have been restored."""

    def __init__(self, context: Context, folder: Path) -> None:
        self._context = context
        self._folder = folder
        self._waiting: set[str] = set()
        self._noticed_at: float | None = None
        self.is_restored = True

    @property
    def is_recent(self) -> bool:
        """Whether files were removed within the last REMOVED_SECS."""
        return self._noticed_at is not None and self._context.clock.monotonic() - self._noticed_at < REMOVED_SECS

    def waiting(self) -> int:
        """Number of sealed segments that wait for the archiver."""
        self._waiting = self._present()
        return len(self._waiting)

    def note_removal(self, segment: OpenSegment) -> None:
        """Note that files of the open segment, or positions.json, are gone. Each removal is logged once."""
        self._noticed_at = self._context.clock.monotonic()
        if self.is_restored:
            self.is_restored = False
            about = {"segment": segment.segment_id, "rows": segment.next_row - 1}
            self._context.log.error("segments_removed", **about, sealed_gone=sorted(self._waiting - self._present()))

    def note_restored(self, segment: OpenSegment) -> None:
        """Note that the open segment's files are in place again."""
        self.is_restored = True
        self._context.log.warning("segments_put_back", segment=segment.segment_id)

    def _present(self) -> set[str]:
        return {path.stem for path in sealed_segments(self._folder)}
