"""Saves the coverage of the last seven days to run/coverage.json, from which the next recorder goes on."""

import time
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from collector.monitoring.coverage import Coverage, SavedCoverage
from collector.stats_files import StatsFile

SAVE_SECS: Final = 60.0
SAVE_GAPS_SECS: Final = 5.0
"""New gaps are saved sooner: the writer reports each of them for some seconds only."""

Run = Callable[[Callable[[], object]], object]
"""Runs a piece of work, now or in a thread of its own."""


def _run_now(work: Callable[[], object]) -> object:
    return work()


class CoverageFile:
    """Saves about once a minute: a killed supervisor loses at most that much coverage, and no recorded row."""

    def __init__(self, path: Path, coverage: Coverage, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._file = StatsFile(path)
        self._coverage = coverage
        self._monotonic = monotonic
        self._saved_secs = monotonic()
        self._gaps_saved = 0

    def load(self) -> str:
        """Restore what an earlier recorder saved; returns why that fails, or an empty string."""
        if self._path.exists() and not self._path.is_file():
            return "is not a regular file"
        try:
            saved = msgspec.json.decode(self._path.read_bytes(), type=SavedCoverage)
            saved.cells = zlib.decompress(saved.cells)
            self._coverage.restore(saved)
        except FileNotFoundError:
            return ""
        except (OSError, ValueError, msgspec.DecodeError, zlib.error) as error:
            return str(error)
        return ""

    def save_if_due(self, run: Run = _run_now) -> None:
        """Save if it is time; `run` compresses and writes."""
        gaps = self._coverage.gaps_seen
        due_secs = SAVE_SECS if gaps == self._gaps_saved else SAVE_GAPS_SECS
        if self._monotonic() - self._saved_secs >= due_secs:
            self.save(run)

    def save(self, run: Run = _run_now) -> None:
        """Save now. A write that fails is made up for by the next."""
        self._saved_secs, self._gaps_saved = self._monotonic(), self._coverage.gaps_seen
        saved = self._coverage.saved()
        run(lambda: self._file.write(_compressed(saved)))


def _compressed(saved: SavedCoverage) -> Mapping[str, Any]:
    return {**msgspec.structs.asdict(saved), "cells": zlib.compress(saved.cells, 1)}
