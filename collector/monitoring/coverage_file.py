"""Keeps the coverage of the last seven days in run/coverage.json, so that it outlives the recorder."""

import time
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from collector.monitoring.coverage import Coverage, Kept
from collector.stats_files import StatsFile

SAVE_SECS: Final = 60.0
SAVE_GAPS_SECS: Final = 5.0
"""New gaps are kept sooner: the writer tells each only for some seconds."""


class CoverageFile:
    """Writes what is known about once a minute; a supervisor that is killed loses as much of it, and no row."""

    def __init__(self, path: Path, coverage: Coverage, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._file = StatsFile(path)
        self._coverage = coverage
        self._monotonic = monotonic
        self._saved_secs = monotonic()
        self._gaps_saved = 0

    def load(self) -> str:
        """Go on from what the recorder before kept; returns why that cannot be, or nothing."""
        if self._path.exists() and not self._path.is_file():
            return "is no regular file"
        try:
            kept = msgspec.json.decode(self._path.read_bytes(), type=Kept)
            kept.cells = zlib.decompress(kept.cells)
            self._coverage.restore(kept)
        except FileNotFoundError:
            return ""
        except (OSError, ValueError, msgspec.DecodeError, zlib.error) as error:
            return str(error)
        return ""

    def keep(self, write: Callable[[Callable[[], object]], object] = lambda work: work()) -> None:
        """Write it down if it is time; `write` decides who does the writing."""
        gaps = self._coverage.gaps_seen
        due_secs = SAVE_SECS if gaps == self._gaps_saved else SAVE_GAPS_SECS
        if self._monotonic() - self._saved_secs >= due_secs:
            self.save(write)

    def save(self, write: Callable[[Callable[[], object]], object] = lambda work: work()) -> None:
        """Write it down; where the disk refuses, the next try will."""
        self._saved_secs, self._gaps_saved = self._monotonic(), self._coverage.gaps_seen
        kept = self._coverage.kept()
        write(lambda: self._file.write(_compressed(kept)))


def _compressed(kept: Kept) -> Mapping[str, Any]:
    return {**msgspec.structs.asdict(kept), "cells": zlib.compress(kept.cells, 1)}
