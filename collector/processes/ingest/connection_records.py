"""What becomes of a line's connections, as the journal, the log and `/status` tell it."""

from collector.domain.redact import redact_url
from collector.exchanges.adapter import ConnectionPlan
from collector.processes.ingest.feed_context import FeedContext
from collector.processes.ingest.session_events import SessionEnd
from collector.reports import LineReport
from collector.storage.journal.format import RecordKind


def record_opened(context: FeedContext, state: LineReport, plan: ConnectionPlan) -> None:
    """A connection of this plan is open."""
    state.connection, state.state = next(context.connection_numbers), "open"
    state.last_data_us, state.streams = None, plan.streams
    fields = {
        "connection": state.connection,
        "plan": state.plan,
        "url": redact_url(plan.url),
        "streams": plan.streams,
    }
    context.gate.event(RecordKind.CONNECT, state.line, fields)
    context.log.info("connected", line=state.line, **fields)


def record_ended(context: FeedContext, state: LineReport, ending: SessionEnd, *, text: str, retry_secs: float) -> None:
    """The connection is over; `text` says why, without secrets, and the next attempt comes after `retry_secs`."""
    fields = {"connection": state.connection, "reason": ending.reason, "cause": ending.cause, "text": text}
    alive = {} if ending.alive_ns is None else {"alive_ns": ending.alive_ns}
    context.gate.event(RecordKind.DISCONNECT, state.line, {**fields, **alive})
    context.counters.add("disconnects", label=ending.reason)
    if ending.reason in {"stopped", "renewed", "trial"}:
        context.log.info("disconnected", line=state.line, **fields)
    else:
        state.last_error = f"{ending.reason}: {text}"
        context.log.warning("disconnected", line=state.line, **fields, retry_secs=round(retry_secs, 3))
