"""Notices when somebody removes segments under the running writer, and says so."""

from pathlib import Path
from typing import Final

from collector.processes.context import Context
from collector.storage.segment.open_segment import OpenSegment
from collector.storage.segment.seal import sealed_segments

REMOVED_SECS: Final = 600.0
"""Seconds for which a removal is a reason to be unhealthy."""


class RemovalWatch:
    """Knows which sealed segments were waiting, and whether files that are gone have been put back."""

    def __init__(self, context: Context, folder: Path) -> None:
        self._context = context
        self._folder = folder
        self._waiting: set[str] = set()
        self._noticed_at: float | None = None
        self.is_restored = True

    @property
    def is_recent(self) -> bool:
        """Whether some were removed within REMOVED_SECS."""
        return self._noticed_at is not None and self._context.clock.monotonic() - self._noticed_at < REMOVED_SECS

    def waiting(self) -> int:
        """How many sealed segments wait for the archiver."""
        self._waiting = self._present()
        return len(self._waiting)

    def note_removal(self, segment: OpenSegment) -> None:
        """Files of the open segment, or positions.json, are gone: logged once each time it happens."""
        self._noticed_at = self._context.clock.monotonic()
        if self.is_restored:
            self.is_restored = False
            about = {"segment": segment.segment_id, "rows": segment.next_row - 1}
            self._context.log.error("segments_removed", **about, sealed_gone=sorted(self._waiting - self._present()))

    def note_restored(self, segment: OpenSegment) -> None:
        """The open segment is in place again."""
        self.is_restored = True
        self._context.log.warning("segments_put_back", segment=segment.segment_id)

    def _present(self) -> set[str]:
        return {path.stem for path in sealed_segments(self._folder)}
