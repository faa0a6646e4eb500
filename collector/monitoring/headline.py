"""The state of the recorder in one line: whether it records, and what is most urgent. No I/O, no clock."""

from collections.abc import Sequence

from collector.domain.redact import printable
from collector.monitoring.health import Facts, Reason, failing_processes
from collector.monitoring.host_health import PUBLISH_BEHIND_SECS
from collector.monitoring.silences import REPORTING_SECS
from collector.monitoring.trouble import named
from collector.reports import WriterReport


def headline(facts: Facts, reasons: Sequence[Reason], *, is_ready: bool) -> str:
    """Such as `Recording; 40 of 160 streams silent: binance_usdm book_delta, book_ticker (all 20)`.

    It does not change from second to second. `is_ready`: something was stored since the start.
    """
    if reasons:
        more = f", and {len(reasons) - 1} more" if len(reasons) > 1 else ""
        return f"{_what_is_recorded(facts)}; {reasons[0].headline}{more}"
    if not is_ready:
        return "Starting, nothing stored yet" if facts.stores else f"Starting, nothing published yet{_why(facts)}"
    return "Recording" if facts.is_connected else "Reconnecting"


def _why(facts: Facts) -> str:
    errors = sorted({printable(each.last_error) for each in facts.hosts.publishing if each.last_error})
    return f": {named(errors)}" if errors else ""


def _what_is_recorded(facts: Facts) -> str:
    """Whether what the exchanges send still gets onto the disk, and how far."""
    if not facts.is_connected and not facts.receives:
        return "Nothing comes from edges"
    if not facts.is_connected or (facts.refusing and not {*facts.feeds} - {*facts.refusing}):
        return "Not recording"
    if not facts.stores:
        return _what_an_edge_records(facts)
    failing = failing_processes(facts)
    writer_fails = any(process.name in failing and process.report is WriterReport for process in facts.processes)
    nothing_stored = bool(facts.configured) and len(facts.silent) + len(facts.unstored) == len(facts.configured)
    if writer_fails or (nothing_stored and any(journal.lag_secs > REPORTING_SECS for journal in facts.journals)):
        return "Recording into the journal only"
    return "Not recording" if nothing_stored else "Recording"


def _what_an_edge_records(facts: Facts) -> str:
    if facts.feeds and not {*facts.feeds} - {*facts.silent_feeds}:
        return "Not recording"
    is_behind = facts.hosts.without_nats or any(each.lag_secs > PUBLISH_BEHIND_SECS for each in facts.hosts.publishing)
    return "Recording into the journal only" if is_behind else "Recording"
