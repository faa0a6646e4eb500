"""What flows from stage to stage, and what waits between them, as a terminal shows it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from collector.terminal.hosts import stores
from collector.terminal.tables import BEHIND_SECS, Signs, number, on_one_line, rate, shown, size, span, table

WRITER_BEHIND_SECS: Final = 60.0
"""What fills the bar of a journal: from here on the writer is behind."""

_HISTORY: Final = 60
_BESIDE_HISTORY: Final = 40


def flow_below(flow: Sequence[Mapping[str, Any]], signs: Signs, width: int) -> Table:
    """The stages below each other: total, rate now, and the last minutes."""
    made: Table = table("flow", ">total", ">now", "last 5 minutes")
    room = max(10, width - _BESIDE_HISTORY)
    for stage in flow:
        history = signs.spark(stage["history"], min(_HISTORY, room))
        made.add_row(shown(stage["stage"]), _total(stage), _rate(stage), Text(history, "cyan"))
    return made


def flow_beside(flow: Sequence[Mapping[str, Any]]) -> Table:
    """The stages beside each other in three lines: rate now and total."""
    made: Table = table("flow", *(f">{stage['stage']}" for stage in flow))
    made.add_row("now", *map(_rate, flow))
    made.add_row("total", *map(_total, flow))
    return made


def _total(stage: Mapping[str, Any]) -> str:
    return size(stage["total"]) if stage.get("unit") == "bytes" else number(stage["total"])


def _rate(stage: Mapping[str, Any]) -> str:
    per_sec = stage["per_sec"]
    return f"{size(per_sec)}/s" if stage.get("unit") == "bytes" and per_sec is not None else rate(per_sec)


def waiting(status: Mapping[str, Any], signs: Signs, *, narrow: bool = False) -> Table:
    """What waits where: notices in the queue of each hop, data in each journal and before the archive."""
    made: Table = table("waiting in", *([] if narrow else [""]), ">notices", ">data", ">time", ">files")

    def add(name: Text, bar: Text, *figures: str | Text) -> None:
        made.add_row(on_one_line(name), *([] if narrow else [bar]), *figures)

    for hop in status["channels"]:
        name = shown(f"queue {hop['from']} > {hop['to']}")
        add(name, signs.bar(hop["depth"] / hop["capacity"]), f"{number(hop['depth'])} of {number(hop['capacity'])}")
    for journal in status["journals"]:
        lag = Text(span(journal["lag_secs"]), "yellow" if journal["lag_secs"] > BEHIND_SECS else "")
        bar = signs.bar(journal["lag_secs"] / WRITER_BEHIND_SECS)
        files = number(journal["unread_files"])
        add(shown(f"journal {journal['feed']}"), bar, "", size(journal["lag_bytes"]), lag, files)
    for edge in status.get("edges", ()):
        lag = Text(span(edge["lag_secs"]), "yellow" if edge["lag_secs"] > BEHIND_SECS else "")
        bar = signs.bar(edge["lag_secs"] / WRITER_BEHIND_SECS)
        name = shown(f"nats {edge['edge']} {edge['feed']}", "yellow" if edge["hole"] else "")
        add(name, bar, f"{number(edge['pending'])} slices", size(edge["lag_bytes"]), lag)
    if not stores(status):
        return made
    archive = status["archive"]
    waits = span(archive["backlog_age_secs"]) if archive["backlog_segments"] else ""
    files = number(archive["backlog_segments"])
    add(Text("archiver"), Text(), "", size(archive["backlog_bytes"]), waits, files)
    return made


def waiting_in_one_line(status: Mapping[str, Any]) -> Text:
    """What waits in all journals, for how long at most, and what waits for the archive."""
    archive, journals = status["archive"], status["journals"]
    lag_secs = max((journal["lag_secs"] for journal in journals), default=0.0)
    for_archive = f"; for the archive {number(archive['backlog_segments'])} segments, {size(archive['backlog_bytes'])}"
    return Text.assemble(
        f"waiting in journals {size(sum(journal['lag_bytes'] for journal in journals))}, ",
        (span(lag_secs), "yellow" if lag_secs > BEHIND_SECS else ""),
        for_archive if stores(status) else "",
    )
