"""What stands between the readers of the sockets and the journal: it counts, and while the disk is short it refuses."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from structlog.typing import FilteringBoundLogger

from collector.config import JournalConfig
from collector.processes.disk_space import Space, shortage
from collector.storage.journal.format import RecordKind
from collector.storage.journal.writer import JournalWriter


class Event(NamedTuple):
    """A record that holds no frames."""

    kind: RecordKind
    at_ns: int
    line: int
    info: Mapping[str, Any]


@dataclass
class _Refusal:
    """A stretch of refused frames."""

    started_ns: int
    reason: str
    announced: bool = False
    over: bool = False
    """There seems to be room again: the next frames are tried."""
    frames: int = 0
    bytes: int = 0

    def counts(self) -> dict[str, int]:
        """What the `resumed` record says."""
        return {"frames": self.frames, "bytes": self.bytes, "started_ns": self.started_ns}


class JournalGate:
    """The journal, for the threads of one feed. No call raises OSError, none waits for anything but one append.

    While space is short, or a write failed, the newest frames are dropped and counted. The journal says so in a
    `refusing` record, as far as the disk takes one, and in a `resumed` record with the counts: it is written together
    with the first frames that are taken again, so that a disk that is still full ends no stretch.
    """

    def __init__(
        self, journal: JournalWriter, limits: JournalConfig, now_ns: Callable[[], int], log: FilteringBoundLogger
    ) -> None:
        self._journal = journal
        self._limits = limits
        self._now_ns = now_ns
        self._log = log
        self._lock = threading.Lock()
        self._refusal: _Refusal | None = None
        self._held: dict[tuple[int, Any], Event] = {}
        self._finished = False
        self.frames = 0
        self.bytes = 0
        self.refused = 0
        self.refused_bytes = 0

    def append(
        self, received_ns: int, line: int, frames: Sequence[bytes], binary: Sequence[int], connection: int
    ) -> None:
        """Append what one read of a connection brought, or refuse it."""
        size_bytes = sum(map(len, frames))
        with self._lock:
            if self._finished:
                return
            if self._refusal is None or (self._refusal.over and self._say_what_waits(self._refusal)):
                try:
                    self._put(received_ns, line, frames, binary, connection)
                except OSError as error:
                    self._refusal = self._refusal or self._begin(f"write failed: {error}")
                    self._refusal.over = False
                else:
                    self.frames += len(frames)
                    self.bytes += size_bytes
                    return
            self.refused += len(frames)
            self.refused_bytes += size_bytes
            self._refusal.frames += len(frames)
            self._refusal.bytes += size_bytes

    def event(self, kind: RecordKind, line: int, info: Mapping[str, Any]) -> None:
        """Append what became of the connection `info["connection"]`; kept until space is back if it must be."""
        event = Event(kind, self._now_ns(), line, info)
        with self._lock:
            if self._held or not self._write(event):
                self._hold(event)
                self._refusal = self._refusal or self._begin("write failed")

    def check(self, space: Space) -> None:
        """Begin refusing, or let the next frames be tried, as space demands. For about once a second."""
        with self._lock:
            if self._finished:
                return
            short = shortage(space, self._limits, refusing=self._refusal is not None)
            if self._refusal is not None:
                self._refusal.over = not short
                self._say_what_waits(self._refusal)
            elif short:
                self._refusal = self._begin(short)

    def finish(self) -> None:
        """Say what was refused until now. What a thread brings later, because it hung till then, is dropped."""
        with self._lock:
            if self._refusal is not None and self._say_what_waits(self._refusal):
                self._write(Event(RecordKind.RESUMED, self._now_ns(), 0, self._refusal.counts()))
            self._finished = True

    def _begin(self, reason: str) -> _Refusal:
        refusal = _Refusal(self._now_ns(), reason)
        self._log.error("refusing", reason=reason)
        self._announce(refusal)
        return refusal

    def _announce(self, refusal: _Refusal) -> None:
        info = {"reason": refusal.reason, "started_ns": refusal.started_ns}
        refusal.announced = self._write(Event(RecordKind.REFUSING, refusal.started_ns, 0, info))

    def _put(
        self, received_ns: int, line: int, frames: Sequence[bytes], binary: Sequence[int], connection: int
    ) -> None:
        refusal = self._refusal
        if refusal is None:
            self._journal.append_frames(received_ns, line, frames, binary, connection)
            return
        self._journal.append_resumed(self._now_ns(), refusal.counts(), received_ns, line, frames, binary, connection)
        self._refusal = None
        self._log.warning("resumed", reason=refusal.reason, frames=refusal.frames, bytes=refusal.bytes)

    def _say_what_waits(self, refusal: _Refusal) -> bool:
        """Write what could not be written before; where that fails, the next try goes on with what is left."""
        if not refusal.announced:
            self._announce(refusal)
        return refusal.announced and self._write_held()

    def _write_held(self) -> bool:
        while self._held:
            key = next(iter(self._held))
            if not self._write(self._held[key]):
                return False
            del self._held[key]
        return True

    def _hold(self, event: Event) -> None:
        key = (event.line, event.info["connection"])
        # A connection that came and went while nothing could be written leaves no trace, so what is held stays small.
        if self._held.pop(key, None) is None:
            self._held[key] = event

    def _write(self, event: Event) -> bool:
        if self._finished:
            return True
        try:
            self._journal.append_event(event.kind, event.at_ns, event.line, event.info)
        except OSError:
            return False
        return True
