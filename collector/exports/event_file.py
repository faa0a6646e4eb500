"""A file of hftbacktest: a day's events, put into order piece by piece."""

import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

from collector.domain.names import END_US
from collector.exports.event_order import ordered, settled
from collector.exports.events import EVENT

_MEMBER: Final = "data.npy"
_LEVEL: Final = 2
"""Of 1 to 9: with 6, which NumPy takes, compressing takes almost three times as long; docs/BENCHMARKS.md has figures."""
_AT_ONCE: Final = 1 << 15
"""Events read back at a time; more are in memory only as long as none of them is settled."""
_NEVER_NS: Final = END_US * 1_000


class EventFile:
    """Takes a day's events as they were received; `finish` writes the file.

    Which clock lags is known once all are there, so until then they wait on disk, 64 bytes each.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115 -- closed by finish
        self._count = 0
        self._least: list[int] = []
        self._latency_ns = _NEVER_NS
        self.rows = 0
        """Events in the file."""

    def add(self, events: Any) -> None:
        """Append events, which come as they were received."""
        for begin in range(0, len(events), _AT_ONCE):
            part = events[begin : begin + _AT_ONCE]
            self._latency_ns = min(self._latency_ns, int((part["local_ts"] - part["exch_ts"]).min()))
            self._note_least(part)
            self._waiting.write(part)

    def finish(self) -> int:
        """Write the file; returns the nanoseconds by which local times were moved, so that no event is received before it was made."""
        moved_ns = max(0, -self._latency_ns)
        with self._waiting, tempfile.TemporaryFile(dir=self._path.parent) as whole:
            for events in self._in_order(moved_ns):
                whole.write(events)
                self.rows += len(events)
            whole.seek(0)
            self._write(whole)
        return moved_ns

    def _note_least(self, part: Any) -> None:
        """Keep the least exchange time of each stretch of _AT_ONCE events."""
        times = part["exch_ts"]
        while len(times):
            room = _AT_ONCE - self._count % _AT_ONCE
            if room == _AT_ONCE:
                self._least.append(_NEVER_NS)
            self._least[-1] = min(self._least[-1], int(times[:room].min()))
            self._count += len(times[:room])
            times = times[room:]

    def _in_order(self, moved_ns: int) -> Iterator[Any]:
        later = np.minimum.accumulate([_NEVER_NS, *self._least[::-1]])[-2::-1]
        self._waiting.seek(0)
        held = np.empty(0, EVENT)
        for later_min in later:
            held = np.concatenate([held, np.frombuffer(self._waiting.read(_AT_ONCE * EVENT.itemsize), EVENT)])
            count = settled(held, int(later_min))
            if count:
                ready = held[:count].copy()
                ready["local_ts"] += moved_ns
                yield ordered(ready)
                held = held[count:]

    def _write(self, whole: IO[bytes]) -> None:
        # A member opened by its name has no time of its own: the same events make the same file.
        with (
            zipfile.ZipFile(self._path, "x", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as file,
            file.open(_MEMBER, "w", force_zip64=True) as out,
        ):
            header = {"descr": EVENT.descr, "fortran_order": False, "shape": (self.rows,)}
            # hftbacktest reads version 1.0 alone.
            np.lib.format.write_array_header_1_0(out, header)
            shutil.copyfileobj(whole, out, 1 << 20)
