"""What is wrong, as stable codes with a sentence each: a table of rules over the status. No I/O, no clock."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from collector.domain.records import StreamKey
from collector.domain.redact import printable

WRITER_BEHIND_SECS: Final = 60.0

_NAMED: Final = 3
"""Streams or processes a sentence names; the rest are counted."""


class Facts(NamedTuple):
    """What the rules look at."""

    processes: Sequence[Mapping[str, Any]]
    """As in the status."""
    journals: Sequence[Mapping[str, Any]]
    """As in the status."""
    store_error: str | None
    """Why the archive's store does not take objects; None while it does."""
    quarantined: int
    """Sealed segments that could not be archived and lie in `quarantine/`."""
    refusing: Sequence[str]
    """Feeds that refuse frames because their disk budget is spent."""
    silent: Sequence[StreamKey]
    """Configured streams without a durable row for `silent_after_secs`."""
    silent_after_secs: float


Rule = Callable[[Facts], str]
"""The sentence, or nothing where all is well."""


def reasons(facts: Facts) -> list[dict[str, str]]:
    """Why the recorder is not healthy, `code` and `text` each; empty when it is."""
    found = [(code, rule(facts)) for code, rule in RULES.items()]
    return [{"code": code, "text": text} for code, text in found if text]


def _child_failing(facts: Facts) -> str:
    failing = [process for process in facts.processes if process["state"] in {"backoff", "failed"}]
    return _list(
        f"{process['name']} is in state {process['state']} after {process['restarts']} restarts" for process in failing
    )


def _stream_silent(facts: Facts) -> str:
    if not facts.silent:
        return ""
    names = _list(printable(" ".join(stream)) for stream in facts.silent)
    return f"no durable row for {facts.silent_after_secs:.0f} s: {names}"


def _writer_behind(facts: Facts) -> str:
    behind = [journal for journal in facts.journals if journal["lag_secs"] > WRITER_BEHIND_SECS]
    return _list(f"the journal of {journal['feed']} is {journal['lag_secs']:.0f} s ahead" for journal in behind)


def _journal_over_budget(facts: Facts) -> str:
    return f"new frames are refused, the disk budget is spent: {_list(facts.refusing)}" if facts.refusing else ""


def _store_unreachable(facts: Facts) -> str:
    return f"the archive's store takes no objects: {facts.store_error}" if facts.store_error else ""


def _segment_quarantined(facts: Facts) -> str:
    return f"segments in quarantine/ that could not be archived: {facts.quarantined}" if facts.quarantined else ""


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
    "segment_quarantined": _segment_quarantined,
}
"""Every code there is, each with its rule."""
