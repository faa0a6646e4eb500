"""The gap ledger as a terminal shows it. Every text is escaped and none is read as markup: names may come from an exchange."""

from collections.abc import Iterable

from rich.console import RenderableType
from rich.table import Table

from collector.domain.names import iso_time
from collector.read.gap_summary import Summary
from collector.read.gaps import Noted
from collector.terminal.tables import NOT_KNOWN, number, shown, span, table

WIDE = 110
"""A narrower terminal has no room for the ids; they stand in `--json`."""

_STATES = {"broken": "red", "unverifiable": "yellow", "verified": "green"}


def shown_gaps(rows: Iterable[Noted], width: int) -> Table:
    """A line a gap."""
    with_ids = width >= WIDE
    columns = ("started (UTC)", ">lasted", "stream", "kind, cause", ">missing", "status")
    made: Table = table(*columns, *(["expected, found"] if with_ids else []))
    for noted in rows:
        gap = noted.gap
        ids = [part for part in (gap.expected_id, gap.actual_id) if part is not None]
        made.add_row(
            iso_time(gap.started_at)[:19].replace("T", " "),
            "still" if gap.ended_at is None else span((gap.ended_at - gap.started_at) / 1e6),
            shown(f"{noted.exchange} {noted.symbol} {gap.stream_type}"),
            shown(f"{gap.kind}, {gap.cause}".replace("_", " ")),
            "?" if gap.missing is None else number(gap.missing),
            shown(gap.status.replace("_", " "), "yellow" if gap.status == "open" else ""),
            *([shown(", ".join(ids))] if with_ids else []),
        )
    return made


def shown_streams(streams: Iterable[Summary], width: int) -> Table:
    """A line a stream."""
    wide = width >= WIDE
    columns = ("stream", "state", ">messages", "gaps", ">repaired", ">time", ">missing", ">per million")
    made: Table = table(*(column for column in columns if wide or column not in {">messages", ">repaired"}))
    for summary in streams:
        repaired = number(summary.statuses["repaired"] + summary.statuses["partly_repaired"])
        cells: list[RenderableType] = [
            shown(" ".join(summary.stream)),
            shown(summary.state, _STATES.get(summary.state, "")),
            *([number(summary.messages)] if wide else []),
            shown(", ".join(f"{count} {kind}".replace("_", " ") for kind, count in sorted(summary.kinds.items()))),
            *([repaired] if wide else []),
            span(summary.missing_secs) if summary.missing_secs else "",
            number(summary.missing_ids) + ("+?" if summary.uncounted else ""),
            NOT_KNOWN if summary.per_million is None else f"{summary.per_million:,.1f}",
        ]
        made.add_row(*cells)
    return made
