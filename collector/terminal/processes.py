"""The processes as a terminal shows them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from collector.terminal.tables import NOT_KNOWN, number, on_one_line, shown, size, table

_WELL: Final = frozenset({"running", "draining"})
_IN_TROUBLE: Final = 4
"""Processes that are named where there is no room for all."""


def processes(rows: Sequence[Mapping[str, Any]], *, narrow: bool = False) -> Table:
    """A row a process; `narrow` without pid and open files."""
    columns = ["process", "state", *([] if narrow else [">pid"]), ">restarts", ">memory", ">cpu"]
    made: Table = table(*columns, *([] if narrow else [">files"]))
    for row in rows:
        cpu = row["cpu_percent"]
        made.add_row(
            on_one_line(shown(row["name"])),
            _state(row),
            *([] if narrow else [shown(row["pid"])]),
            Text(number(row["restarts"]), "yellow" if row["restarts"] else ""),
            size(row["rss_bytes"]),
            NOT_KNOWN if cpu is None else f"{cpu:.1f} %",
            *([] if narrow else [number(row["open_files"])]),
        )
    return made


def processes_in_trouble(rows: Sequence[Mapping[str, Any]], *, narrow: bool) -> RenderableType:
    """Those that do not run or were restarted, and a line for all."""
    trouble = [row for row in rows if row["state"] not in _WELL or row["restarts"]]
    running = sum(row["state"] in _WELL for row in rows)
    rss_bytes = sum(row["rss_bytes"] or 0 for row in rows)
    cpu_percent = sum(row["cpu_percent"] or 0.0 for row in rows)
    total = Text(f"{running} of {len(rows)} processes running, {size(rss_bytes)}, {cpu_percent:.1f} % cpu")
    if not trouble:
        return total
    return Group(processes(trouble[:_IN_TROUBLE], narrow=narrow), total)


def _state(row: Mapping[str, Any]) -> Text:
    """A process that was draining and has no pid any more has stopped."""
    if row["state"] == "draining" and row["pid"] is None:
        return Text("stopped", "dim")
    return shown(row["state"], "" if row["state"] in _WELL else "yellow")
