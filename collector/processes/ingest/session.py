"""One connection from open to closed: what it brings goes to the journal, and while it answers it is never closed."""

import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from collector.domain.clock import Every
from collector.domain.records import StreamKey
from collector.domain.retry import renewal_secs
from collector.exchanges.adapter import Control, ControlKind
from collector.feed.connection import Connection, ReadBatch
from collector.feed.socket import ConnectionOverError
from collector.processes.ingest import line_silence, takeover
from collector.processes.ingest.connection_trial import ConnectionTrial
from collector.processes.ingest.feed_context import FeedContext, LineState
from collector.processes.ingest.keepalive import Keepalive, KeepaliveAction
from collector.processes.ingest.line_silence import LineSilence
from collector.processes.ingest.session_events import (
    Proven,
    RenewalDue,
    SessionEnd,
    SessionEvent,
    StreamsOverdue,
    TakenOver,
)

LEAVE_SECS: Final = 2.0
"""How long a peer may take to answer our close frame; what it sends until then is recorded."""

TIME_CHECK_SECS: Final = 0.02
"""How often what depends on time is checked while reads return faster: thousands of times a second would cost CPU."""


class Session:
    """Reads one connection until it is over; `trial` if that is a second one beside another, for some streams."""

    def __init__(
        self,
        context: FeedContext,
        state: LineState,
        connection: Connection,
        relieved: threading.Event,
        silence: LineSilence,
        trial: ConnectionTrial | None,
    ) -> None:
        self._context = context
        self._state = state
        self._connection = connection
        self._number = state.connection or 0
        self._relieved = relieved
        self._silence = silence
        self._trial = trial
        self._events = deque[SessionEvent]()
        self._awaited = context.first_data.of(state.plan)
        self._now = context.clock.monotonic
        self._opened_at = self._now()
        self._keepalive = Keepalive(context.config.stale_timeout_secs, self._opened_at)
        self._alive_ns = context.clock.now_ns()
        self._renew_at = self._opened_at + renewal_secs(context.adapter.limits.lifetime_secs, context.random)
        self._had_data = self._proven = False
        self._unanswered = connection.unsent
        self._last_sent_at = self._opened_at
        self._check_at = self._opened_at
        self._overdue_looks = Every(line_silence.CHECK_SECS, self._now, at_once=False)
        self._whole = False
        self._renewing = False
        self._leaving: str | None = None
        self._leave_by = 0.0

    @contextmanager
    def listening(self) -> Iterator[None]:
        """The connection counts as open to those who wait for its streams."""
        self._awaited.standing.add(id(self))
        self._silence.connection_opened(id(self), self._now())
        try:
            yield
        finally:
            self._awaited.standing.discard(id(self))
            self._silence.connection_closed(id(self))

    def next_event(self) -> SessionEvent:
        """Record what comes until there is something to act on. To be called until it returns a SessionEnd."""
        while not self._events:
            self._read_once()
        return self._events.popleft()

    def _read_once(self) -> None:
        try:
            batch = self._connection.read()
        except ConnectionOverError as over:
            is_orderly = over.reason == "closed"
            self._end(self._leaving or over.reason, str(over), None if is_orderly else self._alive_ns)
            return
        now = self._now()
        if batch is not None:
            if batch.frames:
                self._take(batch, now)
            self._live(batch.received_ns, now)
        if not self._whole:
            self._look_whether_whole(now)
        if now >= self._check_at:
            self._check_at = now + TIME_CHECK_SECS
            self._look(now)

    def _take(self, batch: ReadBatch, now: float) -> None:
        self._context.gate.append(batch.received_ns, self._state.line, batch.frames, batch.binary, self._number)
        keys = self._context.speakers(batch.frames)
        self._hear(keys, now)
        meaning = self._context.adapter.control
        controls = (
            [control for frame in batch.frames if (control := meaning(frame)) is not None] if None in keys else []
        )
        if len(controls) < len(batch.frames):
            self._had_data = True
            self._state.last_data_us = batch.received_ns // 1_000
        if controls:
            self._heed(controls, now)

    def _hear(self, keys: set[StreamKey | None], now: float) -> None:
        self._silence.note_frames(keys, now)
        if self._awaited.silent:
            self._awaited.note_frames(keys)
        trial = self._trial
        if trial is not None and trial.is_pending and not keys.isdisjoint(trial.wanted):
            trial.keep()

    def _live(self, received_ns: int, now: float) -> None:
        self._keepalive.note_received(now)
        self._alive_ns = received_ns
        if not self._proven and (self._had_data or now - self._opened_at >= self._context.config.stale_timeout_secs):
            self._prove()

    def _prove(self) -> None:
        if not self._proven:
            self._proven = True
            self._events.append(Proven())

    def _heed(self, controls: list[Control], now: float) -> None:
        for kind, text in controls:
            if kind is not ControlKind.NOISE:
                self._context.counters.add("control")
            self._context.log.debug("control_frame", **self._place(), kind=kind.value, text=text)
            if kind in {ControlKind.ACK, ControlKind.ERROR}:
                self._unanswered -= 1
            if kind is ControlKind.ERROR:
                self._context.counters.add("subscriptions_refused")
                self._context.log.warning("subscription_refused", **self._place(), text=text)
            elif kind is ControlKind.SHUTDOWN:
                self._renew(f"the exchange announced: {text}", now)

    def _look_whether_whole(self, now: float) -> None:
        unsent = self._connection.unsent
        if unsent:
            self._last_sent_at = now
        may_relieve = self._trial is None or self._trial.is_kept
        self._whole = may_relieve and takeover.has_taken_over(
            has_data=self._had_data,
            unsent=unsent,
            unanswered=self._unanswered,
            since_sent_secs=now - self._last_sent_at,
        )
        if self._whole:
            self._events.append(TakenOver())

    def _look(self, now: float) -> None:
        if self._leaving is not None:
            if now >= self._leave_by:
                self._end(self._leaving, "the close frame was not answered", self._alive_ns)
            return
        if self._context.stop.is_set():
            self._leave("stopped", now)
        elif self._relieved.is_set():
            self._leave("renewed", now)
        elif now >= self._renew_at:
            self._renew("its lifetime ends", now)
        elif self._on_trial:
            self._judge_trial(now)
        elif self._overdue_looks.due():
            self._look_for_overdue(now)
        self._check_keepalive(now)

    @property
    def _on_trial(self) -> bool:
        return self._trial is not None and self._trial.is_pending

    def _judge_trial(self, now: float) -> None:
        if now - self._last_sent_at >= self._context.config.first_data_timeout_secs:
            self._give_up(now)

    def _give_up(self, now: float) -> None:
        if self._trial is not None and self._trial.give_up():
            self._leave("trial", now)

    def _look_for_overdue(self, now: float) -> None:
        keys = self._silence.streams_to_try(now)
        if keys:
            self._events.append(StreamsOverdue(keys))

    def _check_keepalive(self, now: float) -> None:
        due = self._keepalive.check(now)
        if due is KeepaliveAction.PING:
            self._connection.ping()
        if due is KeepaliveAction.DEAD:
            # It was opened, and cost nobody more than its own time: a longer pause would only lose what comes meanwhile.
            self._prove()
            text = f"nothing came for {now - self._keepalive.last_received_at:.1f} s, and no answer to a ping"
            self._end("silent", text, self._alive_ns)

    def _leave(self, reason: str, now: float) -> None:
        self._leaving = reason
        self._leave_by = now + LEAVE_SECS
        self._state.state = "closing"
        self._connection.leave()

    def _end(self, reason: str, text: str, alive_ns: int | None) -> None:
        self._events.append(SessionEnd(reason, text, alive_ns))

    def _renew(self, reason: str, now: float) -> None:
        if self._on_trial:
            self._give_up(now)
        elif not self._renewing:
            self._renewing = True
            self._events.append(RenewalDue(reason, now - self._opened_at))

    def _place(self) -> Mapping[str, int | None]:
        return {"line": self._state.line, "connection": self._state.connection}
