"""Records one open connection until it is over: every frame goes to the journal before anything else is done with it."""

import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from collector.domain.clock import Every
from collector.domain.records import StreamKey
from collector.exchanges.adapter import ConnectionPlan, Control, ControlKind
from collector.feed.connection import READ_WAIT_SECS, Connection, ReadBatch
from collector.feed.socket import ConnectionOverError
from collector.processes.ingest import line_silence, takeover
from collector.processes.ingest.connection_trial import ConnectionTrial
from collector.processes.ingest.feed_context import FeedContext
from collector.processes.ingest.frame_meaning import FrameMeaning
from collector.processes.ingest.further_requests import FurtherRequests
from collector.processes.ingest.keepalive import Keepalive, KeepaliveAction
from collector.processes.ingest.line_silence import LineSilence
from collector.processes.ingest.renewal_time import RenewalTime
from collector.processes.ingest.session_events import (
    Proven,
    RenewalDue,
    SessionEnd,
    SessionEvent,
    StreamsOverdue,
    TakenOver,
    Unanswering,
)
from collector.reports import LineReport

CLOSE_SECS: Final = 2.0
"""How long to wait for the answer to our close frame; what arrives until then is recorded."""

TIME_CHECK_SECS: Final = 0.02
"""Shortest time between two checks of what depends on time: a busy connection is read thousands of times a second."""


class Session:
    """Reads one connection until it is over. One that answers is never closed for silence.

    `replaced` is set once another connection has taken over; `trial` is given if this one is on trial beside another.
    """

    def __init__(
        self,
        context: FeedContext,
        state: LineReport,
        plan: ConnectionPlan,
        connection: Connection,
        replaced: threading.Event,
        silence: LineSilence,
        trial: ConnectionTrial | None,
    ) -> None:
        self._context = context
        self._state = state
        self._connection = connection
        self._connection_number = state.connection or 0
        self._meaning = FrameMeaning(context.adapter, plan.keys)
        self._books = context.books_at_once.opened(plan.keys)
        self._replaced = replaced
        self._silence = silence
        self._trial = trial
        self._events = deque[SessionEvent]()
        self._lag = context.lags.of(state.plan)
        self._pending = context.first_data.pending(state.plan)
        self._now = context.clock.monotonic
        self._opened_at = self._now()
        self._keepalive = Keepalive(context.config.stale_timeout_secs, self._opened_at)
        self._last_received_ns = context.clock.now_ns()
        self._renewal = RenewalTime(context, plan, self._opened_at)
        self._had_data = self._is_proven = False
        self._further = FurtherRequests(context, plan, self._log_fields())
        self._refused_request = self._further.refused
        self._unanswered = sum(request.answers for request in plan.requests)
        self._last_sent_at = self._opened_at
        self._check_at = self._opened_at
        self._overdue_checks = Every(line_silence.CHECK_SECS, self._now, at_once=False)
        self._overlap = takeover.Overlap(plan.keys, silence.rhythm)
        self._is_settled = self._has_taken_over = False
        self._renewing = False
        self._leave_reason: str | None = None
        self._close_by = 0.0
        connection.stop_waiting_on(context.stop.fileno())

    @contextmanager
    def listening(self) -> Iterator[None]:
        """While inside, the connection counts as open for the silence of its streams and the wait for their first data."""
        self._pending.open_connections.add(id(self))
        self._silence.connection_opened(id(self), self._now())
        self._lag.opened(id(self), self._state.line)
        try:
            yield
        finally:
            self._pending.open_connections.discard(id(self))
            self._silence.connection_closed(id(self))
            self._lag.closed(id(self))
            self._further.end()
            self._books.ended()

    def next_event(self) -> SessionEvent:
        """Record until something happens that the reader must act on. To be called until it returns a SessionEnd."""
        while not self._events:
            self._read_once()
        return self._events.popleft()

    def _read_once(self) -> None:
        try:
            batch = self._connection.read()
        except ConnectionOverError as over:
            is_orderly = over.reason == "closed"
            self._end(self._leave_reason or over.reason, str(over), None if is_orderly else self._last_received_ns)
            return
        now = self._now()
        if batch is not None:
            if batch.frames:
                self._record(batch, now)
            self._note_alive(batch.received_ns, now)
        if not self._has_taken_over:
            self._check_takeover(now)
        if batch is None or now >= self._check_at:
            self._check_at = now + TIME_CHECK_SECS
            self._check_time(now)

    def _record(self, batch: ReadBatch, now: float) -> None:
        self._context.gate.append(
            batch.received_ns, self._state.line, batch.frames, batch.binary, self._connection_number
        )
        keys, controls = self._meaning.of(batch)
        self._note_streams(keys, now)
        self._books.note(keys, batch)
        if len(controls) < len(batch.frames):
            self._had_data = True
            self._state.last_data_us = batch.received_ns // 1_000
        if controls:
            self._handle_controls(controls, now)
        if self._lag.is_shared:
            self._note_lag(batch, now, may_sample=bool(keys) and None not in keys)

    def _note_lag(self, batch: ReadBatch, now: float, *, may_sample: bool) -> None:
        if self._lag.note(self._state.line, batch.frames, now, may_sample=may_sample) and not self._is_on_trial:
            self._renew("it lags behind another line", now)

    def _note_streams(self, keys: set[StreamKey | None], now: float) -> None:
        self._silence.note_frames(keys, now)
        if self._pending.silent:
            self._pending.note_frames(keys)
        if self._refused_request.silent:
            self._refused_request.note_frames(keys)
        if not self._has_taken_over:
            self._overlap.note_frames(keys)
        trial = self._trial
        if trial is not None and trial.is_pending and not keys.isdisjoint(trial.wanted):
            trial.keep()

    def _note_alive(self, received_ns: int, now: float) -> None:
        self._keepalive.note_received(now)
        self._last_received_ns = received_ns
        if not self._is_proven and (self._had_data or now - self._opened_at >= self._context.config.stale_timeout_secs):
            self._note_proven()

    def _note_proven(self) -> None:
        if not self._is_proven:
            self._is_proven = True
            self._events.append(Proven())

    def _handle_controls(self, controls: list[Control], now: float) -> None:
        for kind, text, reply in controls:
            if reply and self._leave_reason is None:
                self._connection.reply(reply)
            if kind is not ControlKind.NOISE:
                self._context.counters.add("control")
            self._context.log.debug("control_frame", **self._log_fields(), kind=kind.value, text=text)
            if kind in {ControlKind.ACK, ControlKind.ERROR}:
                self._unanswered -= 1
            if kind is ControlKind.ERROR:
                self._context.counters.add("subscriptions_refused")
                self._context.log.warning("subscription_refused", **self._log_fields(), text=text)
                self._refused_request.note_refused(now)
            elif kind is ControlKind.SHUTDOWN:
                self._renew(f"the exchange announced: {text}", now)

    def _check_takeover(self, now: float) -> None:
        if not self._is_settled:
            self._check_settled(now)
        if self._is_settled and self._overlap.is_over(now):
            self._has_taken_over = True
            self._events.append(TakenOver(frozenset(self._overlap.awaited)))

    def _check_settled(self, now: float) -> None:
        unsent = self._connection.unsent
        if unsent:
            self._last_sent_at = now
        is_kept = self._trial is None or self._trial.is_kept
        may_settle = is_kept and not self._refused_request.is_pending
        self._is_settled = may_settle and takeover.is_settled(
            has_data=self._had_data,
            unsent=unsent,
            unanswered=self._unanswered,
            since_sent_secs=now - self._last_sent_at,
        )
        if self._is_settled:
            self._books.settled()
            self._refused_request.note_settled()

    def _check_time(self, now: float) -> None:
        if self._leave_reason is not None:
            if now >= self._close_by:
                self._end(self._leave_reason, "the close frame was not answered", self._last_received_ns)
            self._connection.wait_secs = max(0.0, min(READ_WAIT_SECS, self._close_by - now))
            return
        self._renewal.follow_settings()
        if self._context.stop.is_set():
            self._begin_close("stopped", now)
        elif self._replaced.is_set():
            self._close_replaced(now)
        elif self._renewal.has_come(now):
            self._renew(self._renewal.reason, now)
        elif self._is_on_trial:
            self._check_trial(now)
        elif not self._renewing and self._overdue_checks.due():
            self._check_overdue(now)
        if self._leave_reason is None:
            self._send_further(now)
        self._check_keepalive(now)

    def _send_further(self, now: float) -> None:
        # A successor is asked instead of a connection that it is to replace.
        requests = self._further.due(now, self._connection.unsent, is_staying=not (self._renewing or self._is_on_trial))
        if requests:
            self._unanswered += sum(request.answers for request in requests)
            self._connection.request(request.text for request in requests)
        elif self._further.needs_renewal:
            self._renew("books are wanted anew", now)

    @property
    def _is_on_trial(self) -> bool:
        return self._trial is not None and self._trial.is_pending

    def _check_trial(self, now: float) -> None:
        if now - self._last_sent_at >= self._context.config.first_data_timeout_secs:
            self._give_up_trial(now)

    def _give_up_trial(self, now: float) -> None:
        if self._trial is not None and self._trial.give_up():
            self._begin_close("trial", now)

    def _check_overdue(self, now: float) -> None:
        keys = self._silence.streams_to_try(now)
        if keys:
            self._events.append(StreamsOverdue(keys))

    def _check_keepalive(self, now: float) -> None:
        self._keepalive.timeout_secs = self._context.config.stale_timeout_secs
        action = self._keepalive.check(now)
        self._connection.wait_secs = min(READ_WAIT_SECS, self._keepalive.wait_secs(now))
        if action is KeepaliveAction.PING:
            self._connection.ping()
        if action is KeepaliveAction.DOUBT:
            self._events.append(Unanswering(now - self._keepalive.last_received_at))
        if action is KeepaliveAction.DEAD:
            # It could be opened, so the exchange is reachable: a longer delay would only lose what is sent meanwhile.
            self._note_proven()
            text = f"nothing received for {now - self._keepalive.last_received_at:.1f} s, and no answer to a ping"
            self._end("silent", text, self._last_received_ns)

    def _close_replaced(self, now: float) -> None:
        # Only dead is a doubtful one given up: if packets were merely delayed, it brings all that the peer sent meanwhile.
        if not self._keepalive.is_doubtful:
            self._begin_close("renewed", now)

    def _begin_close(self, reason: str, now: float) -> None:
        self._leave_reason = reason
        self._close_by = now + CLOSE_SECS
        self._state.state = "closing"
        self._connection.leave()

    def _end(self, reason: str, text: str, alive_ns: int | None) -> None:
        self._events.append(SessionEnd(reason, text, alive_ns))

    def renew_soon(self) -> None:
        """Let the connection be renewed at the next check, because its plan has changed. For any thread."""
        self._renewal.set_now("its plan has changed")

    def _renew(self, reason: str, now: float) -> None:
        if self._is_on_trial:
            self._give_up_trial(now)
        elif not self._renewing:
            self._renewing = True
            self._events.append(RenewalDue(reason, now - self._opened_at))

    def _log_fields(self) -> Mapping[str, int | None]:
        return {"line": self._state.line, "connection": self._state.connection}
