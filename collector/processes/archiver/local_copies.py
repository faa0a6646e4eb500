"""Copies of what went to a bucket, for `archive.local_days` days, in `<data_dir>/local`.

The bucket is the archive, the copies are a convenience: whatever goes wrong with one is logged, and neither an upload nor
the removal of a segment waits for it. Where the disk gets short the oldest copies go, before a frame is refused.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from collector.config import JournalConfig
from collector.domain.clock import Every
from collector.domain.errors import RetryError, SetAsideError
from collector.domain.log import Log
from collector.domain.names import first_kept_date
from collector.processes.disk_space import gets_short
from collector.storage.staging.local_archive import LocalArchive

LOOK_SECS: Final = 10.0
"""How often free space and the age of the copies are looked at."""


class LocalCopies:
    """With `days` 0 no copies are made, and what may be in the folder is left alone."""

    def __init__(
        self, archive: LocalArchive, days: int, limits: JournalConfig, free_bytes: Callable[[], int],
        now_us: Callable[[], int], looks: Every, log: Log,
    ) -> None:  # fmt: skip
        self._archive = archive
        self._days = days
        self._limits = limits
        self._free_bytes = free_bytes
        self._now_us = now_us
        self._looks = looks
        self._log = log
        self._is_open = False
        self._is_ours = days > 0
        self._is_on_disk_of_data = False
        self._trouble: str | None = None
        """What went wrong last; None once a look went well."""

    @property
    def bytes(self) -> int:
        """Room on the disk of `data_dir` that the copies would give back if it got short."""
        return self._archive.bytes if self._is_on_disk_of_data else 0

    def keep(self, folder: Path) -> None:
        """Keep a copy of a set that the store has confirmed, if there is room for copies."""
        if not self._is_usable() or not folder.exists():
            return
        try:
            if not self._is_short():
                self._archive.add(folder)
        except (OSError, RetryError, SetAsideError) as error:
            self._failed(error, segment=folder.name)

    def look(self) -> None:
        """Remove the copies that are too old, and the oldest where the disk is short; looks only now and then."""
        if not self._is_ours or not self._looks.due() or not self._is_usable():
            return
        try:
            self._remove_old()
            self._make_room()
        except OSError as error:
            self._failed(error)
        else:
            self._trouble = None

    def _is_usable(self) -> bool:
        if not self._is_open and self._is_ours:
            try:
                self._is_open = self._is_ours = self._archive.open()
                self._is_on_disk_of_data = self._archive.root.stat().st_dev == self._archive.root.parent.stat().st_dev
            except OSError as error:
                self._failed(error)
                return False
            if not self._is_ours:
                self._log.error("local_copies_refused", folder=str(self._archive.root))
        return self._is_open

    def _failed(self, error: Exception, **about: str) -> None:
        """Log it, once for each segment and as long as nothing else goes wrong. Opening again removes what is unfinished."""
        self._is_open = False
        if about or str(error) != self._trouble:
            self._log.warning("local_copy_failed", error=str(error), **about)
        self._trouble = str(error)

    def _remove_old(self) -> None:
        kept_from = first_kept_date(self._now_us(), self._days)
        for date in self._archive.dates():
            if date < kept_from:
                self._remove(date, "age")

    def _make_room(self) -> None:
        for date in self._archive.dates():
            if not self._is_short():
                return
            self._remove(date, "disk")

    def _remove(self, date: str, why: str) -> None:
        manifests = self._archive.manifests(date)
        for manifest in manifests:
            self._archive.remove(manifest)
        self._log.info("local_copies_removed", date=date, segments=len(manifests), why=why)

    def _is_short(self) -> bool:
        return gets_short(self._free_bytes(), self._limits)
