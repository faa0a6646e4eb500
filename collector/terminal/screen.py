"""The status as a terminal shows it: trouble first, streams last, and as much of the rest as there is room for.

Every text is escaped and none is read as markup: names may come from an exchange.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from collector.terminal.flow import flow_below, flow_beside, waiting, waiting_in_one_line
from collector.terminal.heading import About, foot, heading
from collector.terminal.hosts import hosts, hosts_in_one_line, stores
from collector.terminal.log_lines import log_lines
from collector.terminal.processes import processes, processes_in_trouble
from collector.terminal.speed import Rates
from collector.terminal.streams import streams_in_lines, streams_table
from collector.terminal.tables import NARROW, Signs
from collector.terminal.totals import feeds_in_one_line, totals

TWO_COLUMNS: Final = 150
"""Columns from which on processes stand beside the flow."""

EVENTS: Final = 6
"""Log lines below a status that is printed once."""

_LOG_SHARE: Final = 3
"""Log lines get a third of the lines that streams and log share."""


class _Detail(NamedTuple):
    """How much is told above the streams, and the lines this must leave for streams and log."""

    needed: int
    spaced: bool = False
    brief: bool = False
    """Without what is seldom looked at."""
    short: bool = False
    """Only those processes, feeds and journals that are in trouble, and how many the others are."""


_DETAILS: Final = (_Detail(14, spaced=True), _Detail(12), _Detail(4, brief=True), _Detail(0, brief=True, short=True))


def whole(status: Mapping[str, Any], now: datetime, console: Console) -> RenderableType:
    """The status from top to bottom, with every stream and the newest log lines, for printing once."""
    above = _above(status, now, console, _Detail(0, spaced=True), About())
    table: list[RenderableType] = [streams_table(status["streams"], now, console, {}), Text()] if stores(status) else []
    return Group(above, *table, *log_lines(status["events"], EVENTS, console.width))


def fitted(
    status: Mapping[str, Any],
    now: datetime,
    console: Console,
    rates: Rates,
    about: About,
    height: int | None = None,
) -> RenderableType:
    """The status in `height` lines (else as many as the console has), of which the last is the foot."""
    lines = (height or console.height) - 1
    for detail in _DETAILS:
        above = _above(status, now, console, detail, about)
        room = lines - _height(above, console)
        if room >= detail.needed:
            break
    below = _below(status, now, console, rates, room, spaced=detail.spaced)
    used = lines - room + sum(_height(part, console) for part in below)
    return Group(above, *below, *[Text()] * (lines - used), foot(status, about, now, console.width))


def _above(status: Mapping[str, Any], now: datetime, console: Console, detail: _Detail, about: About) -> RenderableType:
    parts = [heading(status, about, console)]
    if console.width >= TWO_COLUMNS and not detail.brief:
        parts += _two_columns(status, now, console)
    else:
        parts += _one_column(status, now, console, detail)
    spaced = [line for part in parts for line in (part, Text())]
    return Group(*(spaced if detail.spaced else parts))


def _two_columns(status: Mapping[str, Any], now: datetime, console: Console) -> list[RenderableType]:
    half, signs = console.width // 2 - 2, Signs(console)
    grid = Table.grid(padding=(0, 4, 0, 0))
    grid.add_column(width=half)
    grid.add_column(width=half)
    grid.add_row(processes(status["processes"]), flow_below(status["flow"], signs, half))
    grid.add_row(Text(), Text())
    grid.add_row(waiting(status, signs), totals(status, now))
    return [*hosts(status), grid]


def _one_column(status: Mapping[str, Any], now: datetime, console: Console, detail: _Detail) -> list[RenderableType]:
    signs, narrow = Signs(console), console.width < NARROW
    if detail.short:
        trouble = [processes_in_trouble(status["processes"], narrow=narrow), flow_beside(status["flow"])]
        return [*hosts_in_one_line(status), *trouble, feeds_in_one_line(status, now), waiting_in_one_line(status)]
    rows = processes(status["processes"], narrow=narrow)
    if detail.brief:
        one_line = [*hosts_in_one_line(status), waiting_in_one_line(status)]
        return [rows, flow_beside(status["flow"]), *one_line, totals(status, now, brief=True)]
    return [
        *hosts(status, narrow=narrow),
        rows,
        flow_below(status["flow"], signs, console.width),
        waiting(status, signs, narrow=narrow),
        totals(status, now),
    ]


def _below(
    status: Mapping[str, Any], now: datetime, console: Console, rates: Rates, room: int, *, spaced: bool
) -> list[RenderableType]:
    """The streams, then the newest log lines, in `room` lines."""
    events: Sequence[Mapping[str, Any]] = status["events"]
    for_log = min(len(events), max(3, room // _LOG_SHARE), max(0, room - 1))
    if not stores(status):
        return [*log_lines(events, room, console.width)]
    gap = int(spaced and for_log > 0)
    streams = streams_in_lines(status["streams"], now, console, rates, room - for_log - gap)
    rest = room - _height(streams, console) - gap
    return [streams, *[Text()] * gap, *log_lines(events, rest, console.width)]


def _height(part: RenderableType, console: Console) -> int:
    return len(console.render_lines(part))
