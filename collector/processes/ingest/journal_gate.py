"""The journal as line readers use it: appends never raise; while the disk is short, frames are refused and counted."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from collector.config import JournalConfig
from collector.domain.log import Log
from collector.processes.disk_space import Space, shortage
from collector.storage.journal.format import RecordKind
from collector.storage.journal.writer import JournalWriter


class GateEvent(NamedTuple):
    """A journal record without frames: what happened to a connection, or to the journal itself."""

    kind: RecordKind
    at_ns: int
    line: int
    info: Mapping[str, Any]


@dataclass
class _Refusal:
    """A stretch of time in which frames are refused."""

    started_ns: int
    reason: str
    announced: bool = False
    """Whether the journal has its `refusing` record."""
    is_over: bool = False
    """There seems to be room again: the next frames are appended, and refused only if that fails."""
    frames: int = 0
    bytes: int = 0

    def counts(self) -> dict[str, int]:
        """The content of the `resumed` record."""
        return {"frames": self.frames, "bytes": self.bytes, "started_ns": self.started_ns}


def _tell_nobody() -> None:
    pass


class JournalGate:
    """For all threads of one feed. No call raises OSError, and none waits for more than one append.

    While space is short, or after a failed write, the newest frames are dropped and counted. The journal gets a
    `refusing` record when this begins, or later if the disk is too full for one, and a `resumed` record with the counts
    when it ends. `resumed` is written in one append with the first frames that are taken again, so a disk that is still
    full does not end the refusal.
    """

    def __init__(
        self,
        journal: JournalWriter,
        limits: JournalConfig,
        now_ns: Callable[[], int],
        log: Log,
        note_appended: Callable[[], None] = _tell_nobody,
    ) -> None:
        """`note_appended` is called after each append."""
        self._journal = journal
        self._note_appended = note_appended
        self.limits = limits
        """How much disk there must be; may be replaced at any time."""
        self._now_ns = now_ns
        self._log = log
        self._lock = threading.Lock()
        self._refusal: _Refusal | None = None
        self._delayed: dict[tuple[int, Any], GateEvent] = {}
        self._finished = False
        self.frames = 0
        self.bytes = 0
        self.refused = 0
        self.refused_bytes = 0

    def append(
        self, received_ns: int, line: int, frames: Sequence[bytes], binary: Sequence[int], connection: int
    ) -> None:
        """Append the frames of one read of a connection, or refuse them."""
        size_bytes = sum(map(len, frames))
        with self._lock:
            if self._finished:
                return
            if self._refusal is None or (self._refusal.is_over and self._catch_up(self._refusal)):
                try:
                    self._append_frames(received_ns, line, frames, binary, connection)
                except OSError as error:
                    self._refusal = self._refusal or self._begin_refusal(f"write failed: {error}")
                    self._refusal.is_over = False
                else:
                    self.frames += len(frames)
                    self.bytes += size_bytes
                    return
            self.refused += len(frames)
            self.refused_bytes += size_bytes
            self._refusal.frames += len(frames)
            self._refusal.bytes += size_bytes

    def event(self, kind: RecordKind, line: int, info: Mapping[str, Any]) -> None:
        """Append an event of the connection `info["connection"]`; it is kept in memory while the disk does not take it."""
        event = GateEvent(kind, self._now_ns(), line, info)
        with self._lock:
            if self._delayed or not self._write(event):
                self._delay(event)
                self._refusal = self._refusal or self._begin_refusal("write failed")

    def check(self, space: Space) -> None:
        """Begin a refusal, or let the next frames end it, by the space there is. To be called about once a second."""
        with self._lock:
            if self._finished:
                return
            short = shortage(space, self.limits, refusing=self._refusal is not None)
            if self._refusal is not None:
                self._refusal.is_over = not short
                self._catch_up(self._refusal)
            elif short:
                self._refusal = self._begin_refusal(short)

    def finish(self) -> None:
        """Write what was refused so far. What a thread that hung until now still brings is dropped."""
        with self._lock:
            if self._refusal is not None and self._catch_up(self._refusal):
                self._write(GateEvent(RecordKind.RESUMED, self._now_ns(), 0, self._refusal.counts()))
            self._finished = True

    def _begin_refusal(self, reason: str) -> _Refusal:
        refusal = _Refusal(self._now_ns(), reason)
        self._log.error("refusing", reason=reason)
        self._announce(refusal)
        return refusal

    def _announce(self, refusal: _Refusal) -> None:
        info = {"reason": refusal.reason, "started_ns": refusal.started_ns}
        refusal.announced = self._write(GateEvent(RecordKind.REFUSING, refusal.started_ns, 0, info))

    def _append_frames(
        self, received_ns: int, line: int, frames: Sequence[bytes], binary: Sequence[int], connection: int
    ) -> None:
        refusal = self._refusal
        if refusal is None:
            self._journal.append_frames(received_ns, line, frames, binary, connection)
            self._note_appended()
            return
        self._journal.append_resumed(self._now_ns(), refusal.counts(), received_ns, line, frames, binary, connection)
        self._note_appended()
        self._refusal = None
        self._log.warning("resumed", reason=refusal.reason, frames=refusal.frames, bytes=refusal.bytes)

    def _catch_up(self, refusal: _Refusal) -> bool:
        """Write the records that could not be written before; returns whether all are written. If not, to be called again."""
        if not refusal.announced:
            self._announce(refusal)
        return refusal.announced and self._write_delayed()

    def _write_delayed(self) -> bool:
        while self._delayed:
            key = next(iter(self._delayed))
            if not self._write(self._delayed[key]):
                return False
            del self._delayed[key]
        return True

    def _delay(self, event: GateEvent) -> None:
        key = (event.line, event.info["connection"])
        # The connect and disconnect of a connection that came and went meanwhile cancel out: few events are delayed.
        if self._delayed.pop(key, None) is None:
            self._delayed[key] = event

    def _write(self, event: GateEvent) -> bool:
        if self._finished:
            return True
        try:
            self._journal.append_event(event.kind, event.at_ns, event.line, event.info)
        except OSError:
            return False
        self._note_appended()
        return True
