"""The gap ledger as text. Every text is escaped and none is read as markup: names may come from an exchange."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from collector.domain.records import UNKNOWN
from collector.read.ledger.gap_summary import RESET, StreamSummary
from collector.read.ledger.gaps import LedgerRow
from collector.read.ledger.incidents import LASTING, STATUSES, Incident
from collector.terminal.tables import NOT_KNOWN, number, shown, span, table
from collector.tools.moments import moment_text

WIDE: Final = 110
"""Narrower terminals have no room for the ids; they stand in `--json`."""

OUTAGES: Final = frozenset({"disconnect", "restart", "disk_budget"})
"""Causes that say by themselves what happened; of others the kinds of the rows say it."""

_STATES: Final = {"broken": "red", "unknown": "red", "unverifiable": "yellow", "verified": "green"}


def incident_line(incident: Incident, is_injected: Callable[[LedgerRow], bool]) -> Text:
    """One line: when, where, why, how long, how many streams and what became of their gaps (left out if all last)."""
    statuses = incident.outcomes
    named = [stream for stream in incident.streams if stream.symbol != UNKNOWN]
    parts = [
        f"{moment_text(incident.started_at)} {incident.exchange} {_trouble(incident)}",
        "not over yet" if incident.ended_at is None else span((incident.ended_at - incident.started_at) / 1e6),
        *([_counted(len(named), "stream")] if named else []),
        *([_counted(len(incident.rows), "gap")] if len(incident.rows) != len(named) else []),
        *([] if set(statuses) == {LASTING} else _status_counts(statuses)),
        *_purpose(incident, is_injected),
    ]
    return shown(", ".join(parts), "yellow" if statuses[LASTING] or statuses["open"] else "")


def shown_gaps(rows: Iterable[LedgerRow], width: int) -> Table:
    """A table of gap rows, one line each."""
    with_ids = width >= WIDE
    columns = ("started", ">lasted", "stream", "kind, cause", ">missing", "status")
    lines: Table = table(*columns, *(["expected, found"] if with_ids else []))
    for row in rows:
        gap = row.gap
        ids = [part for part in (gap.expected_id, gap.actual_id) if part is not None]
        lines.add_row(
            moment_text(gap.started_at),
            "still" if gap.ended_at is None else span((gap.ended_at - gap.started_at) / 1e6),
            shown(f"{row.exchange} {row.symbol} {gap.stream_type}"),
            shown(_plain(f"{gap.kind}, {gap.cause}")),
            "?" if gap.missing is None else number(gap.missing),
            shown(_plain(gap.status), "yellow" if gap.status == "open" else ""),
            *([shown(", ".join(ids))] if with_ids else []),
        )
    return lines


def shown_streams(streams: Iterable[StreamSummary], width: int) -> Table:
    """A table of streams, one line each."""
    wide = width >= WIDE
    columns = ("stream", "state", ">messages", "gaps", ">repaired", ">time", ">missing", ">per million")
    lines: Table = table(*(column for column in columns if wide or column not in {">messages", ">repaired"}))
    for summary in streams:
        repaired = number(summary.statuses["repaired"] + summary.statuses["partly_repaired"])
        cells: list[RenderableType] = [
            shown(" ".join(summary.stream)),
            _state(summary),
            *([number(summary.messages)] if wide else []),
            shown(_plain(", ".join(f"{count} {kind}" for kind, count in sorted(summary.kinds.items())))),
            *([repaired] if wide else []),
            span(summary.missing_secs) if summary.missing_secs else "",
            number(summary.missing_ids) + ("+?" if summary.uncounted else ""),
            NOT_KNOWN if summary.per_million is None else f"{summary.per_million:,.1f}",
        ]
        lines.add_row(*cells)
    return lines


def _status_counts(statuses: Mapping[str, int]) -> Iterator[str]:
    yield from (f"{number(statuses[name])} {_plain(name)}" for name in STATUSES if statuses.get(name))
    if statuses.get(RESET):
        yield _counted(statuses[RESET], RESET)


def _trouble(incident: Incident) -> str:
    if incident.cause in OUTAGES:
        return _plain(incident.cause)
    return _plain(f"{incident.cause} ({', '.join(sorted(incident.kinds))})")


def _purpose(incident: Incident, is_injected: Callable[[LedgerRow], bool]) -> list[str]:
    injected = sum(map(is_injected, incident.rows))
    if not injected:
        return []
    return ["on purpose (demo)" if injected == len(incident.rows) else f"{number(injected)} on purpose (demo)"]


def _state(summary: StreamSummary) -> Text:
    if summary.losses and summary.losses == summary.injected:
        return Text("broken on purpose (demo)", "yellow")
    return shown(summary.state, _STATES.get(summary.state, ""))


def _counted(count: int, name: str) -> str:
    return f"{number(count)} {name}{'' if count == 1 else 's'}"


def _plain(word: str) -> str:
    return word.replace("_", " ")
