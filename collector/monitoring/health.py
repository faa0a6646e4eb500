"""What is wrong, as stable codes with a sentence each: a table of rules over the status. No I/O, no clock."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from collector.domain.records import StreamKey
from collector.domain.redact import printable
from collector.monitoring import host_health, restarts
from collector.monitoring.host_facts import HostFacts
from collector.monitoring.silences import Silence
from collector.monitoring.stream_groups import describe_streams
from collector.monitoring.trouble import Trouble, named
from collector.monitoring.undecodable import WINDOW_SECS, UndecodableShare
from collector.monitoring.view import ChildState
from collector.reports import JournalLag

WRITER_BEHIND_SECS: Final = 60.0

DISK_FILLING_SECS: Final = 24 * 3600.0
"""A disk that will be full sooner is filling."""

CLOCK_OFF_SECS: Final = 0.5
"""An offset from the exchange's time that is larger than this cannot be network delay."""

RESTART_LOOP: Final = 3
"""A process restarted this often within `restarts.WINDOW_SECS` is failing, even while it runs."""

UNREPORTED_SECS: Final = 30.0
"""A running process that has not reported for this long stands still; its numbers are out of date."""

SEAL_DELAYED_EXCESS: Final = 2.0
"""An open segment this many times its size limit would have been sealed if no reader held it open."""


class Facts(NamedTuple):
    """What the rules look at."""

    processes: Sequence[ChildState]
    """Every child of the supervisor."""
    journals: Sequence[JournalLag]
    """How far the writer is behind with each feed, as of now."""
    store_error: str | None
    """Why the archive's store refuses objects, or those of some segments; None while it takes all."""
    quarantined: int
    """Sealed segments in `quarantine/`, which could not be archived."""
    refusing: Sequence[str]
    """Feeds that refuse frames because their disk budget is spent."""
    silent: Sequence[Silence]
    """Configured streams without a durable row for longer than their limit, whose rows do not wait in a journal."""
    restarts_lately: Mapping[str, int] = {}
    """Restarts of each process within `restarts.WINDOW_SECS`."""
    disk_full_in_secs: float | None = None
    """Time until the disk is full at the present rate; 0 if it is full, None if it is not filling."""
    clock_offsets_secs: Mapping[str, float] = {}
    """For each feed the smallest receive time minus exchange time of the last minutes."""
    open_segment_excess: float = 0.0
    """Size of the open segment as a multiple of `segment.max_bytes`."""
    asked_clocks_secs: Mapping[str, tuple[float, float]] = {}
    """For each feed whose exchange was asked over REST: this machine's time minus the exchange's, and the error bound."""
    removed: Sequence[str] = ()
    """The recorder's folders from which somebody removed files lately, while it was running."""
    configured: Sequence[StreamKey] = ()
    """Every stream that is to be recorded."""
    undecodable: Mapping[str, UndecodableShare] = {}
    """For each exchange the frames of the last minutes that could not be decoded."""
    feeds: Sequence[str] = ()
    """Every configured feed."""
    unstored: Sequence[Silence] = ()
    """As `silent`, but of streams whose rows may wait in the journal."""
    is_connected: bool = True
    """Whether a connection to an exchange is open."""
    without_symbols: Mapping[str, str] = {}
    """Feeds whose symbols cannot be chosen from the exchange's list, each with the reason."""
    silent_feeds: Mapping[str, float] = {}
    """Where no rows are stored: feeds that no connection has brought data of for too long, each with the seconds."""
    stores: bool = True
    """Whether this host stores rows; an edge leaves that to the storage host."""
    receives: bool = True
    """Whether this host receives from exchanges; the storage host has what edges receive."""
    hosts: HostFacts = HostFacts()


class Reason(NamedTuple):
    """A finding and the code of its rule."""

    code: str
    headline: str
    text: str


Rule = Callable[[Facts], Trouble | None]
"""None where all is well."""


def reasons(facts: Facts) -> list[Reason]:
    """Why the recorder is not healthy, the most urgent first; empty when it is healthy."""
    found = [(code, rule(facts)) for code, rule in RULES.items()]
    return [Reason(code, *finding) for code, finding in found if finding is not None]


def failing_processes(facts: Facts) -> Mapping[str, str]:
    """What is wrong with each process that is failing."""
    found = {process.name: _failing(process, facts.restarts_lately) for process in facts.processes}
    return {name: text for name, text in found.items() if text}


def _failing(process: ChildState, restarts_lately: Mapping[str, int]) -> str:
    name, lately = process.name, restarts_lately.get(process.name, 0)
    if process.state in {"backoff", "failed"}:
        return f"{name} is in state {process.state} after {process.restarts} restarts"
    if lately >= RESTART_LOOP:
        return f"{name} was restarted {lately} times in {restarts.WINDOW_SECS / 60:.0f} minutes"
    unreported_secs = process.unreported_secs
    if unreported_secs is not None and unreported_secs > UNREPORTED_SECS:
        doing = "has waited for the disk" if process.waits_for_disk else "has reported nothing"
        return f"{name} {doing} for {unreported_secs:.0f} s"
    return ""


def _child_failing(facts: Facts) -> Trouble | None:
    failing = failing_processes(facts)
    return Trouble(f"{named(failing)} failing", named(failing.values())) if failing else None


def _stream_silent(facts: Facts) -> Trouble | None:
    if not facts.silent:
        return None
    names = describe_streams([silence.key for silence in facts.silent], facts.configured)
    headline = f"{len(facts.silent)} of {len(facts.configured)} streams silent: {names}"
    never_spoke = sum(not silence.ever_spoke for silence in facts.silent)
    unheard = f"; {never_spoke} without a row since the start" if never_spoke else ""
    return Trouble(headline, headline + unheard)


def _feed_silent(facts: Facts) -> Trouble | None:
    feeds = facts.silent_feeds
    if not feeds:
        return None
    text = named(f"{feed} ({secs:.0f} s)" for feed, secs in feeds.items())
    return Trouble(f"no data of {named(feeds)}", f"no connection brings data: {text}")


def _symbols_unknown(facts: Facts) -> Trouble | None:
    feeds = facts.without_symbols
    if not feeds:
        return None
    text = named(f"{feed}: {trouble}" for feed, trouble in feeds.items())
    return Trouble(f"no list to choose symbols from: {named(feeds)}", f"symbols cannot be chosen: {text}")


def _writer_behind(facts: Facts) -> Trouble | None:
    if not facts.stores:
        return None
    limits_secs: dict[str, float] = {}
    for stream in facts.unstored:
        limits_secs[stream.feed] = min(stream.limit_secs, limits_secs.get(stream.feed, WRITER_BEHIND_SECS))
    behind = [each for each in facts.journals if each.lag_secs > limits_secs.get(each.feed, WRITER_BEHIND_SECS)]
    if not behind:
        return None
    worst_secs = max(journal.lag_secs for journal in behind)
    feeds = named(journal.feed for journal in behind)
    return Trouble("the writer is behind", f"the writer is {worst_secs:.0f} s behind the journal: {feeds}")


def _journal_over_budget(facts: Facts) -> Trouble | None:
    if not facts.refusing:
        return None
    feeds = named(facts.refusing)
    return Trouble(f"frames refused: {feeds}", f"new frames are refused, the disk budget is spent: {feeds}")


def _store_unreachable(facts: Facts) -> Trouble | None:
    if not facts.store_error:
        return None
    return Trouble("segments wait for the store", f"segments wait for the archive's store: {facts.store_error}")


def _disk_filling(facts: Facts) -> Trouble | None:
    secs = facts.disk_full_in_secs
    if secs is None or secs > DISK_FILLING_SECS:
        return None
    if not secs:
        return Trouble("the disk is full", "the disk is full")
    left = f"{secs / 3600:.0f} hours" if secs >= 2 * 3600 else f"{secs / 60:.0f} minutes"
    return Trouble("the disk is filling", f"the disk is full in {left} at the present rate")


def _clock_off(facts: Facts) -> Trouble | None:
    asked = facts.asked_clocks_secs.items()
    known = [_off_as_asked(feed, secs) for feed, (secs, within) in asked if abs(secs) - within > CLOCK_OFF_SECS]
    seen = [_off_as_seen(feed, secs) for feed, secs in facts.clock_offsets_secs.items() if abs(secs) > CLOCK_OFF_SECS]
    return Trouble("the clock is off", named([*known, *seen])) if known or seen else None


def _off_as_asked(feed: str, secs: float) -> str:
    return f"this machine's clock is {abs(secs):.1f} s {'fast' if secs > 0 else 'slow'} according to the exchange of {feed}"


def _off_as_seen(feed: str, secs: float) -> str:
    if secs < 0:
        return f"messages of {feed} arrive {-secs:.1f} s before they were sent: this machine's clock is slow"
    return (
        f"every message of {feed} arrives {secs:.1f} s or more after it was sent: "
        "this machine's clock is fast, or the exchange sends late"
    )


def _frames_undecodable(facts: Facts) -> Trouble | None:
    exchanges = {exchange: share for exchange, share in facts.undecodable.items() if share.is_too_large}
    if not exchanges:
        return None
    parts = (
        f"{share.undecodable:,} of {share.total:,} frames of {printable(exchange)} in the last "
        f"{WINDOW_SECS / 60:.0f} minutes could not be decoded"
        for exchange, share in exchanges.items()
    )
    return Trouble(f"undecodable frames: {named(map(printable, exchanges))}", named(parts))


def _segment_quarantined(facts: Facts) -> Trouble | None:
    count = facts.quarantined
    text = f"segments in quarantine/ that could not be archived: {count}"
    return Trouble(f"{count} {'segment' if count == 1 else 'segments'} in quarantine", text) if count else None


def _seal_delayed(facts: Facts) -> Trouble | None:
    excess = facts.open_segment_excess
    if excess < SEAL_DELAYED_EXCESS:
        return None
    text = (
        f"the open segment is {excess:.1f} times segment.max_bytes: a program keeps reading it, so it cannot be sealed"
    )
    return Trouble("the open segment cannot be sealed", text)


def _data_removed(facts: Facts) -> Trouble | None:
    text = f"files were removed while the recorder was running: {named(facts.removed)}"
    return Trouble("files were removed", text) if facts.removed else None


def _between_hosts(rule: Callable[[HostFacts], Trouble | None]) -> Rule:
    return lambda facts: rule(facts.hosts)


RULES: Final[Mapping[str, Rule]] = {
    "journal_over_budget": _journal_over_budget,
    "child_failing": _child_failing,
    "symbols_unknown": _symbols_unknown,
    "stream_silent": _stream_silent,
    "feed_silent": _feed_silent,
    "symbols_uncovered": _between_hosts(host_health.symbols_uncovered),
    "edge_silent": _between_hosts(host_health.edge_silent),
    "frames_undecodable": _frames_undecodable,
    "relay_refused": _between_hosts(host_health.relay_refused),
    "relay_hole": _between_hosts(host_health.relay_hole),
    "nats_away": _between_hosts(host_health.nats_away),
    "publish_behind": _between_hosts(host_health.publish_behind),
    "writer_behind": _writer_behind,
    "disk_filling": _disk_filling,
    "store_unreachable": _store_unreachable,
    "tables_behind": _between_hosts(host_health.tables_behind),
    "host_unhealthy": _between_hosts(host_health.host_unhealthy),
    "hosts_differ": _between_hosts(host_health.hosts_differ),
    "clock_off": _clock_off,
    "segment_quarantined": _segment_quarantined,
    "seal_delayed": _seal_delayed,
    "data_removed": _data_removed,
}
"""Every code with its rule, the most urgent first: what loses data, then what may, then what waits."""
