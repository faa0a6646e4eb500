"""The threads that keep a feed connected: one for each connection of each line, and one more while one is renewed."""

import threading
from collections.abc import Callable
from dataclasses import replace

from collector.domain.records import StreamKey
from collector.domain.redact import redact_url, redact_urls
from collector.exchanges.adapter import ConnectionPlan
from collector.feed.connection import Connection
from collector.feed.handshake import HandshakeError
from collector.feed.shared_budget import BUSY_SECS
from collector.processes.ingest.connection_trial import ConnectionTrial
from collector.processes.ingest.feed_context import FeedContext, LineState
from collector.processes.ingest.first_data import NAMED
from collector.processes.ingest.line_silence import LineSilence
from collector.processes.ingest.reconnect_delay import ReconnectDelay
from collector.processes.ingest.session import Session
from collector.processes.ingest.session_events import (
    Proven,
    RenewalDue,
    SessionEnd,
    SessionEvent,
    StreamsOverdue,
    TakenOver,
)
from collector.storage.journal.format import RecordKind


class LineReader:
    """Keeps one plan connected on one line, until the feed stops or a successor has taken over.

    A successor is started before the connection's lifetime ends; from then on reconnecting is the successor's. The old
    connection is read until the new one brings every stream of the plan (see `takeover`), so a renewal leaves no hole,
    only copies.

    While streams are overdue by their own rhythm, another one is tried beside it on trial: it takes over, as in a
    renewal, if it brings one of them, or if this one's connection ends; else it is given up, and nothing was lost.
    """

    def __init__(
        self,
        context: FeedContext,
        plan: ConnectionPlan,
        state: LineState,
        silence: LineSilence,
        start: Callable[["LineReader"], None],
        *,
        predecessor: "LineReader | None" = None,
        first_delay_secs: float = 0.0,
        trial: ConnectionTrial | None = None,
    ) -> None:
        self._context = context
        self._plan = plan
        self._silence = silence
        self._start = start
        self._predecessor = predecessor
        self._first_delay_secs = first_delay_secs
        self._trial = trial
        self._beside: ConnectionTrial | None = None
        self._relieved = threading.Event()
        self._has_successor = False
        self._connects = 0
        self._delay = ReconnectDelay(context.config, context.random)
        self.state = state

    def run(self) -> None:
        """Connect, read, wait, and again."""
        delay = self._first_delay_secs
        while not (self._context.pause(delay) or self._has_successor or self._gave_up):
            delay = self._once()
            self.state.state = "waiting"

    @property
    def _gave_up(self) -> bool:
        return self._trial is not None and self._trial.is_given_up

    def _once(self) -> float:
        """One attempt and, if it succeeds, the connection's whole life; the seconds to wait before the next."""
        try:
            if not self._await_budget():
                return 0.0
            self.state.state = "connecting"
            url, messages, _ = self._plan
            connection = self._context.connect(
                url, messages, self._context.adapter.limits.messages_per_sec, self._context.clock
            )
        except (HandshakeError, OSError) as error:
            return self._failed(error)
        return self._live(connection)

    def _await_budget(self) -> bool:
        while (wait := self._context.budget.take()) > 0:
            # What a trial would wait for is needed by others.
            if (wait > BUSY_SECS and self._give_up()) or self._context.pause(wait):
                return False
        return not self._context.stop.is_set()

    def _failed(self, error: HandshakeError | OSError) -> float:
        delay, ban_secs = self._delay.after_failure(error, self._context.clock.now_ns() / 1e9)
        self._context.counters.add("connect_failures")
        if ban_secs is not None:
            self._share_ban(ban_secs)
        self.state.last_error = redact_urls(str(error))
        self._context.log.warning(
            "connect_failed", line=self.state.line, error=self.state.last_error, retry_secs=round(delay, 3)
        )
        return 0.0 if self._give_up() else delay

    def _share_ban(self, secs: float) -> None:
        try:
            while self._context.budget.ban(secs) > 0 and not self._context.pause(BUSY_SECS):
                pass
        except OSError as error:
            # This line keeps to what it was told; only others do not hear of it.
            self._context.log.warning("budget_not_shared", error=str(error))

    def _live(self, connection: Connection) -> float:
        self._opened()
        ending = self._read(connection)
        connection.close()
        return self._ended(ending)

    def _read(self, connection: Connection) -> SessionEnd:
        session = Session(self._context, self.state, connection, self._relieved, self._silence, self._trial)
        with session.listening():
            while not isinstance(event := session.next_event(), SessionEnd):
                self._act_on(event)
        return event

    def _act_on(self, event: SessionEvent) -> None:
        match event:
            case Proven():
                self._delay.reset()
            case TakenOver():
                self._relieve_predecessor()
            case RenewalDue(reason, age_secs):
                self._begin_renewal(reason, age_secs)
            case StreamsOverdue(keys):
                self._try_beside(keys)

    def _opened(self) -> None:
        state, context = self.state, self._context
        if self._connects:
            context.counters.add("reconnects")
        self._connects += 1
        state.connection, state.state = next(context.connection_numbers), "open"
        state.last_data_us = None
        about = {
            "connection": state.connection,
            "plan": state.plan,
            "url": redact_url(self._plan.url),
            "streams": self._plan.streams,
        }
        context.gate.event(RecordKind.CONNECT, state.line, about)
        context.log.info("connected", line=state.line, **about)

    def _ended(self, ending: SessionEnd) -> float:
        state, context = self.state, self._context
        over = context.stop.is_set() or self._give_up() or self._hand_over()
        delay = 0.0 if over else self._delay.next_secs()
        about = {"connection": state.connection, "reason": ending.reason, "cause": ending.cause, "text": ending.text}
        alive = {} if ending.alive_ns is None else {"alive_ns": ending.alive_ns}
        context.gate.event(RecordKind.DISCONNECT, state.line, {**about, **alive})
        context.counters.add("disconnects", label=ending.reason)
        if ending.reason in {"stopped", "renewed", "trial"}:
            context.log.info("disconnected", line=state.line, **about)
        else:
            state.last_error = f"{ending.reason}: {ending.text}"
            context.log.warning("disconnected", line=state.line, **about, retry_secs=round(delay, 3))
        return delay

    def _give_up(self) -> bool:
        """Whether this is a trial that has brought nothing: then it ends, and is counted as one in vain."""
        if self._trial is None or not (self._trial.is_given_up or self._trial.give_up()):
            return False
        self._silence.note_failed_trial(self._trial.wanted, self._context.clock.monotonic())
        return True

    def _hand_over(self) -> bool:
        """Whether another reader goes on with the plan: one on trial does from now on."""
        self._has_successor = self._has_successor or (self._beside is not None and self._beside.keep())
        return self._has_successor

    def _relieve_predecessor(self) -> None:
        predecessor, self._predecessor = self._predecessor, None
        if predecessor is not None:
            predecessor.relieve()

    def relieve(self) -> None:
        """A successor brings all the data: leave the connection, politely.

        One that is itself replaced before it brought everything hands this on to the one it was to replace.
        """
        self._has_successor = True
        self._relieved.set()
        self._relieve_predecessor()

    def _begin_renewal(self, why: str, age_secs: float) -> None:
        if self._hand_over():
            self._context.log.info("renewing", line=self.state.line, connection=self.state.connection, why=why)
            return
        self._has_successor = True
        # One that is told to renew right after it opened would be replaced as fast as it can connect.
        is_young = age_secs < self._context.config.reconnect_max_delay_secs
        delay = self._delay.next_secs() if is_young else 0.0
        self._context.log.info("renewing", line=self.state.line, connection=self.state.connection, why=why)
        self._begin_another(first_delay_secs=delay)

    def _try_beside(self, overdue: frozenset[StreamKey]) -> None:
        is_alone = not self._has_successor and self._predecessor is None
        if is_alone and (self._beside is None or self._beside.is_given_up):
            names = [f"{key.symbol} {key.data_type}" for key in sorted(overdue)[:NAMED]]
            about = {"line": self.state.line, "connection": self.state.connection, "count": len(overdue)}
            self._context.log.warning("streams_overdue", **about, streams=names)
            self._beside = ConnectionTrial(overdue)
            self._begin_another(trial=self._beside)

    def _begin_another(self, *, first_delay_secs: float = 0.0, trial: ConnectionTrial | None = None) -> None:
        state = replace(self.state, connection=None, state="waiting", last_data_us=None)
        self._start(
            LineReader(
                self._context,
                self._plan,
                state,
                self._silence,
                self._start,
                predecessor=self,
                first_delay_secs=first_delay_secs,
                trial=trial,
            )
        )
