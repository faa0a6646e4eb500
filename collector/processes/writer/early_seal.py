"""Seals the segment early to make room on a disk that is getting full."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from collector.domain.clock import Every
from collector.processes.context import Context
from collector.processes.disk_space import gets_short
from collector.processes.writer.segment_rotation import SegmentRotation
from collector.storage.regular_files import regular_files

CHECK_SECS: Final = 2.0
"""Seconds between checks whether a seal would make room."""


class EarlySeal:
    """Decides whether to seal to make room. A seal lets journals be removed, and gives the archiver data to upload."""

    def __init__(self, context: Context, rotation: SegmentRotation, free: Callable[[Path], int]) -> None:
        self._config = context.config
        self._rotation = rotation
        self._free = free
        self._checks = Every(CHECK_SECS, context.clock.monotonic)

    @property
    def is_possible(self) -> bool:
        """Whether there are messages, and room to checkpoint their write-ahead log, which takes as much room again."""
        logs = regular_files(self._config.data_dir / "segments", "*.open.db-wal")
        room = self._free(self._config.data_dir)
        return self._rotation.next_row > 1 and room > sum(path.stat().st_size for path in logs)

    def due(self) -> bool:
        """Whether the disk is getting full and a seal would remove journals. Checks every CHECK_SECS."""
        if not self._checks.due():
            return False
        is_short = gets_short(self._free(self._config.data_dir), self._config.journal)
        return is_short and self.is_possible and self._rotation.has_read_journals()
