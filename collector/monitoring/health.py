"""What is wrong, as stable codes with a sentence each: a table of rules over the status. No I/O, no clock."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from collector.domain.redact import printable
from collector.monitoring.silences import Silence

WRITER_BEHIND_SECS: Final = 60.0

DISK_FILLING_SECS: Final = 24 * 3600.0
"""A disk that will be full sooner is filling."""

CLOCK_OFF_SECS: Final = 0.5
"""Further than this from the exchange's time, the way of a message explains nothing any more."""

RESTART_LOOP: Final = 3
RESTART_LOOP_SECS: Final = 300.0
"""A process restarted so often within this time is failing, also while it happens to run."""

UNREPORTED_SECS: Final = 30.0
"""A process that runs and reports nothing for so long stands still; its numbers are old."""

SEAL_DELAYED_EXCESS: Final = 2.0
"""An open segment so many times its limit would have been sealed, if nobody read it."""

_NAMED: Final = 3
"""Streams or processes a sentence names; the rest are counted."""


class Facts(NamedTuple):
    """What the rules look at."""

    processes: Sequence[Mapping[str, Any]]
    """As in the status."""
    journals: Sequence[Mapping[str, Any]]
    """As in the status."""
    store_error: str | None
    """Why the archive's store does not take objects, or those of some segments; None while it takes all."""
    quarantined: int
    """Sealed segments that could not be archived and lie in `quarantine/`."""
    refusing: Sequence[str]
    """Feeds that refuse frames because their disk budget is spent."""
    silent: Sequence[Silence]
    """Configured streams without a durable row for longer than each may be."""
    restarts_lately: Mapping[str, int] = {}
    """Restarts of each process within RESTART_LOOP_SECS."""
    disk_full_in_secs: float | None = None
    """When the disk will be full, as things go; 0 if it is, None if it is not filling."""
    clock_offsets_secs: Mapping[str, float] = {}
    """Of each feed, the smallest receive time minus exchange time of the last minutes."""

    open_segment_excess: float = 0.0
    """How many times its `segment.max_bytes` the open segment is."""

    asked_clocks_secs: Mapping[str, tuple[float, float]] = {}
    """Of each feed whose exchange was asked over REST: this machine's time minus its own, and how exact that is."""

    removed: Sequence[str] = ()
    """Folders of the recorder that somebody has removed files from lately, while it was running."""


Rule = Callable[[Facts], str]
"""The sentence, or nothing where all is well."""


def reasons(facts: Facts) -> list[dict[str, str]]:
    """Why the recorder is not healthy, `code` and `text` each; empty when it is."""
    found = [(code, rule(facts)) for code, rule in RULES.items()]
    return [{"code": code, "text": text} for code, text in found if text]


def _child_failing(facts: Facts) -> str:
    return _list(filter(None, (_failing(process, facts.restarts_lately) for process in facts.processes)))


def _failing(process: Mapping[str, Any], restarts_lately: Mapping[str, int]) -> str:
    name, lately = process["name"], restarts_lately.get(process["name"], 0)
    if process["state"] in {"backoff", "failed"}:
        return f"{name} is in state {process['state']} after {process['restarts']} restarts"
    if lately >= RESTART_LOOP:
        return f"{name} was restarted {lately} times in {RESTART_LOOP_SECS / 60:.0f} minutes"
    unreported_secs = process["unreported_secs"]
    if unreported_secs is not None and unreported_secs > UNREPORTED_SECS:
        doing = "has waited for the disk" if process["waits_for_disk"] else "has reported nothing"
        return f"{name} {doing} for {unreported_secs:.0f} s"
    return ""


def _stream_silent(facts: Facts) -> str:
    longest_first = sorted(facts.silent, key=lambda silence: silence.secs / silence.limit_secs, reverse=True)
    return _list(
        f"no durable row of {printable(' '.join(key))} for {secs:.0f} s (its limit is {limit_secs:.0f} s)"
        + ("" if ever_spoke else ", and none since the start")
        for key, secs, limit_secs, ever_spoke in longest_first
    )


def _writer_behind(facts: Facts) -> str:
    behind = [journal for journal in facts.journals if journal["lag_secs"] > WRITER_BEHIND_SECS]
    return _list(f"the journal of {journal['feed']} is {journal['lag_secs']:.0f} s ahead" for journal in behind)


def _journal_over_budget(facts: Facts) -> str:
    return f"new frames are refused, the disk budget is spent: {_list(facts.refusing)}" if facts.refusing else ""


def _store_unreachable(facts: Facts) -> str:
    return f"segments wait for the archive's store: {facts.store_error}" if facts.store_error else ""


def _disk_filling(facts: Facts) -> str:
    secs = facts.disk_full_in_secs
    if secs is None or secs > DISK_FILLING_SECS:
        return ""
    return f"the disk is full in {secs / 3600:.1f} hours at the present rate" if secs else "the disk is full"


def _clock_off(facts: Facts) -> str:
    asked = facts.asked_clocks_secs.items()
    known = [_off_as_asked(feed, secs) for feed, (secs, within) in asked if abs(secs) - within > CLOCK_OFF_SECS]
    seen = (_off(feed, secs) for feed, secs in facts.clock_offsets_secs.items() if abs(secs) > CLOCK_OFF_SECS)
    return _list([*known, *seen])


def _off_as_asked(feed: str, secs: float) -> str:
    return f"this machine's clock is {abs(secs):.1f} s {'fast' if secs > 0 else 'slow'}, as the exchange of {feed} says"


def _off(feed: str, secs: float) -> str:
    if secs < 0:
        return f"messages of {feed} come {-secs:.1f} s before they were sent: this machine's clock is slow"
    return (
        f"every message of {feed} comes {secs:.1f} s or more after it was sent: "
        "this machine's clock is fast, or the exchange late"
    )


def _segment_quarantined(facts: Facts) -> str:
    return f"segments in quarantine/ that could not be archived: {facts.quarantined}" if facts.quarantined else ""


def _seal_delayed(facts: Facts) -> str:
    times = facts.open_segment_excess
    if times < SEAL_DELAYED_EXCESS:
        return ""
    return f"the open segment is {times:.1f} times segment.max_bytes: somebody reads it without end, so it cannot be sealed"


def _data_removed(facts: Facts) -> str:
    return f"files were removed under the running recorder: {_list(facts.removed)}" if facts.removed else ""


def _list(parts: Iterable[str]) -> str:
    known = list(parts)
    more = f" and {len(known) - _NAMED} more" if len(known) > _NAMED else ""
    return ", ".join(known[:_NAMED]) + more


RULES: Final[Mapping[str, Rule]] = {
    "child_failing": _child_failing,
    "stream_silent": _stream_silent,
    "writer_behind": _writer_behind,
    "journal_over_budget": _journal_over_budget,
    "store_unreachable": _store_unreachable,
    "disk_filling": _disk_filling,
    "clock_off": _clock_off,
    "segment_quarantined": _segment_quarantined,
    "seal_delayed": _seal_delayed,
    "data_removed": _data_removed,
}
"""Every code there is, each with its rule."""
