"""Keeps one plan of a feed connected on one line: connects, reads until the connection is over, waits, reconnects."""

import threading
from collections.abc import Callable
from collections.abc import Set as AbstractSet

from msgspec.structs import replace

from collector.domain.records import StreamKey
from collector.feed.connection import Connection
from collector.feed.handshake import HandshakeError
from collector.processes.ingest.carried_plan import CarriedPlan
from collector.processes.ingest.connection_records import record_ended, record_opened
from collector.processes.ingest.connection_trial import ConnectionTrial
from collector.processes.ingest.dial import Dial
from collector.processes.ingest.feed_context import FeedContext
from collector.processes.ingest.first_data import MAX_NAMED
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
    Unanswering,
)
from collector.reports import LineReport


class LineReader:
    """Runs in a thread of its own until the feed stops or a successor has taken over.

    Renewal: a successor is started before the connection's lifetime ends; from then on the successor reconnects. The old
    connection is read until the new one brings every stream that should speak (see `takeover`), so a renewal leaves no hole,
    only duplicates.

    Trial: while streams are silent beyond their limits, or the connection does not answer a ping, a successor is tried
    beside this reader. It takes over, as in a renewal, if it brings one of those streams or if this connection ends; else
    it is given up, and nothing was lost.
    """

    def __init__(
        self,
        context: FeedContext,
        carried: CarriedPlan,
        state: LineReport,
        silence: LineSilence,
        start: Callable[["LineReader"], None],
        *,
        predecessor: "LineReader | None" = None,
        first_delay_secs: float = 0.0,
        trial: ConnectionTrial | None = None,
    ) -> None:
        self._context = context
        self._carried = carried
        self._dial = Dial(context, carried, state, self._gives_up_trial, lambda: self._is_over)
        self._silence = silence
        self._start = start
        self._predecessor = predecessor
        self._first_delay_secs = first_delay_secs
        self._trial = trial
        self._started_trial: ConnectionTrial | None = None
        self._replaced = threading.Event()
        self._session: Session | None = None
        self._has_successor = False
        self.is_dismissed = False
        """Whether other lines carry the plan, and it only ends what it is at."""
        self._is_waiting = False
        """Whether it waits for its next attempt."""
        self._connects = 0
        self._delay = ReconnectDelay(lambda: context.config, context.random)
        self.state = state

    def run(self) -> None:
        """Connect, read, wait for the reconnect delay, and again."""
        delay_secs = self._first_delay_secs
        while not (self._waits(delay_secs) or self._has_successor or self._is_over or self._is_given_up):
            delay_secs = self._attempt()
            self.state.state = "waiting"

    def _waits(self, secs: float) -> bool:
        self._is_waiting = True
        is_stopped = self._context.pause(secs)
        self._is_waiting = False
        return is_stopped

    @property
    def is_superseded(self) -> bool:
        """Whether it only waits, and a successor connects instead."""
        return self._is_waiting and self._has_successor

    @property
    def is_newest(self) -> bool:
        """Whether its last connection was made after the plan's last change that asks for a new one."""
        return self._dial.made.number == self._carried.edition.number

    @property
    def _is_over(self) -> bool:
        """Whether nothing is to be recorded any more once the present connection has ended."""
        return self.is_dismissed or self._carried.edition.plan is None

    @property
    def _is_given_up(self) -> bool:
        return self._trial is not None and self._trial.is_given_up

    def _attempt(self) -> float:
        """Make one attempt and, if it succeeds, read the connection to its end; returns the delay before the next attempt."""
        with self._context.slots.slot() as slot:
            try:
                connection = self._dial.open(slot)
            except (HandshakeError, OSError) as error:
                return self._note_failure(error)
            return 0.0 if connection is None else self._run_session(connection)

    def _note_failure(self, error: HandshakeError | OSError) -> float:
        delay_secs, ban_secs = self._delay.after_failure(error, self._context.clock.now_ns() / 1e9)
        self._context.counters.add("connect_failures")
        self._dial.failures += 1
        if ban_secs is not None:
            self._dial.share_ban(ban_secs)
        self.state.last_error = self._dial.shown(str(error))
        self._context.log.warning(
            "connect_failed", line=self.state.line, error=self.state.last_error, retry_secs=round(delay_secs, 3)
        )
        return 0.0 if self._gives_up_trial() else delay_secs

    def _run_session(self, connection: Connection) -> float:
        self._note_opened()
        ending = self._read_until_end(connection)
        connection.close()
        return self._note_ended(ending)

    def _read_until_end(self, connection: Connection) -> SessionEnd:
        session = Session(
            self._context, self.state, self._dial.plan, connection, self._replaced, self._silence, self._trial
        )
        self._session = session
        with session.listening():
            while not isinstance(event := session.next_event(), SessionEnd):
                self._act_on(event)
        return event

    def _act_on(self, event: SessionEvent) -> None:
        match event:
            case Proven():
                self._delay.reset()
            case TakenOver(awaited):
                self._take_over(awaited)
            case RenewalDue(reason, age_secs):
                self._begin_renewal(reason, age_secs)
            case StreamsOverdue(keys):
                self._try_for_overdue(keys)
            case Unanswering(silent_secs):
                self._try_for_all(silent_secs)

    def _note_opened(self) -> None:
        if self._connects:
            self._context.counters.add("reconnects")
        self._connects += 1
        record_opened(self._context, self.state, self._dial.plan)

    def _note_ended(self, ending: SessionEnd) -> float:
        is_last = self._context.stop.is_set() or self._gives_up_trial() or self._hands_over() or self._is_over
        delay_secs = 0.0 if is_last else self._delay.next_secs()
        record_ended(self._context, self.state, ending, text=self._dial.shown(ending.text), retry_secs=delay_secs)
        return delay_secs

    def _gives_up_trial(self) -> bool:
        """Give up the trial this reader is on, unless it was kept; False if it was, or if there is none."""
        if self._trial is None or not (self._trial.is_given_up or self._trial.give_up()):
            return False
        self._silence.note_failed_trial(self._trial.wanted, self._context.clock.monotonic())
        return True

    def _hands_over(self) -> bool:
        """Leave the plan to a successor, if there is one: a successor on trial is kept from now on."""
        self._has_successor = self._has_successor or (self._started_trial is not None and self._started_trial.keep())
        return self._has_successor

    def _take_over(self, awaited: frozenset[StreamKey]) -> None:
        if self._predecessor is not None and awaited:
            fields = {"line": self.state.line, "connection": self.state.connection, "count": len(awaited)}
            self._context.log.warning("renewed_with_silent_streams", **fields, streams=_names(awaited))
        self._close_predecessor()

    def _close_predecessor(self) -> None:
        predecessor, self._predecessor = self._predecessor, None
        if predecessor is not None:
            predecessor.close_replaced()

    def let_go(self, keys: AbstractSet[StreamKey]) -> bool:
        """Whether the present connection was made without these streams; if not, it is renewed, or ends if it is the last.

        For any thread.
        """
        made = self._dial.made.plan
        if self.state.state == "waiting" or made is None or keys.isdisjoint(made.keys):
            return True
        if self._is_over:
            self.close_replaced()
        else:
            self._renew()
        return False

    def renew_if_outdated(self) -> None:
        """Let a successor take over from a connection that was made before the plan's last change. For the main thread.

        Where there is none, the next attempt may be minutes away: a successor makes it now.
        """
        if self.is_newest or self._is_over:
            return
        if not self._is_waiting:
            self._renew()
        elif not self._has_successor and (self._trial is None or self._trial.is_kept):
            self._has_successor = True
            self._start_successor()

    def dismiss(self) -> None:
        """End for good: other lines carry the plan. For any thread."""
        self.is_dismissed = True
        self.close_replaced()

    def _renew(self) -> None:
        if self._session is not None:
            self._session.renew_soon()

    def close_replaced(self) -> None:
        """Close this connection, because a successor brings every stream. For the successor's thread.

        The reader that this one was to replace, and has not replaced yet, closes its connection too.
        """
        self._has_successor = True
        self._replaced.set()
        self._close_predecessor()

    def _begin_renewal(self, reason: str, age_secs: float) -> None:
        if self._is_over:
            return
        if self._hands_over():
            self._context.log.info("renewing", line=self.state.line, connection=self.state.connection, why=reason)
            return
        self._has_successor = True
        # Without a delay, an exchange that announces its shutdown right after each connect would be flooded.
        is_young = age_secs < self._context.config.reconnect_max_delay_secs
        delay_secs = self._delay.next_secs() if is_young else 0.0
        self._context.log.info("renewing", line=self.state.line, connection=self.state.connection, why=reason)
        self._start_successor(first_delay_secs=delay_secs)

    def _try_for_overdue(self, overdue: frozenset[StreamKey]) -> None:
        if self._begin_trial(overdue):
            fields = {"line": self.state.line, "connection": self.state.connection, "count": len(overdue)}
            self._context.log.warning("streams_overdue", **fields, streams=_names(overdue))

    def _try_for_all(self, silent_secs: float) -> None:
        if self._begin_trial(frozenset(self._dial.plan.keys)):
            fields = {"line": self.state.line, "connection": self.state.connection}
            self._context.log.warning("connection_unanswering", **fields, silent_secs=round(silent_secs, 1))

    def _begin_trial(self, wanted: frozenset[StreamKey]) -> bool:
        """Try a second connection for these streams, unless this one has another beside it already."""
        has_trial = self._started_trial is not None and not self._started_trial.is_given_up
        if self._has_successor or self._predecessor is not None or has_trial:
            return False
        self._started_trial = ConnectionTrial(wanted)
        self._start_successor(trial=self._started_trial)
        return True

    def _start_successor(self, *, first_delay_secs: float = 0.0, trial: ConnectionTrial | None = None) -> None:
        state = replace(self.state, connection=None, state="waiting", last_data_us=None)
        self._start(
            LineReader(
                self._context,
                self._carried,
                state,
                self._silence,
                self._start,
                predecessor=self,
                first_delay_secs=first_delay_secs,
                trial=trial,
            )
        )


def _names(keys: AbstractSet[StreamKey]) -> list[str]:
    return [f"{key.symbol} {key.data_type}" for key in sorted(keys)[:MAX_NAMED]]
