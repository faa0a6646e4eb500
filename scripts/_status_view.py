"""The status as a terminal shows it. Every text is escaped and none is read as markup: names may come from an exchange."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from collector.domain.redact import printable

BEHIND_SECS = 10.0
"""A lag or an age that is worth a second look."""

_NOT_KNOWN = "-"
_UNITS = (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))
_SPANS = (("d", 86_400), ("h", 3_600), ("min", 60))


def whole(status: Mapping[str, Any], now: datetime) -> RenderableType:
    """The status from top to bottom, with every stream."""
    return Group(_above(status), _streams(status["streams"], now))


def fitted(status: Mapping[str, Any], now: datetime, console: Console, height: int) -> RenderableType:
    """The status in `height` lines: where not all streams fit, those that have waited longest for a durable row."""
    above = _above(status)
    left = height - len(console.render_lines(above)) - 1
    streams = status["streams"]
    if len(streams) <= left:
        return Group(above, _streams(streams, now))
    shown = sorted(streams, key=lambda stream: stream["last_durable_at"] or "")[: max(1, left - 1)]
    more = Text(f"and {len(streams) - len(shown)} streams with newer rows", "dim")
    return Group(above, _streams(shown, now), more)


def _above(status: Mapping[str, Any]) -> Group:
    parts = _heading(status), _processes(status["processes"]), _waiting(status), _counts(status)
    return Group(*(shown for part in parts for shown in (part, Text())))


def _heading(status: Mapping[str, Any]) -> Text:
    state = Text("healthy", "bold green") if status["healthy"] else Text("NOT HEALTHY", "bold red")
    host = _shown(status["host"], "bold")
    line = Text.assemble(state, "  ", host, f"  up {span(status['uptime_secs'])}  run ", _shown(status["run_id"]))
    for reason in status["reasons"]:
        line.append_text(Text.assemble("\n  ", _shown(reason["code"], "red"), "  ", _shown(reason["text"])))
    return line


def _processes(processes: Sequence[Mapping[str, Any]]) -> Table:
    table = _table("process", "state", ">pid", ">restarts", ">memory", ">cpu")
    for process in processes:
        cpu = process["cpu_percent"]
        table.add_row(
            _shown(process["name"]),
            _shown(process["state"], "" if process["state"] in {"running", "draining"} else "yellow"),
            _shown(process["pid"]),
            _number(process["restarts"]),
            size(process["rss_bytes"]),
            _NOT_KNOWN if cpu is None else f"{cpu:.1f} %",
        )
    return table


def _waiting(status: Mapping[str, Any]) -> Table:
    """What waits where: notices in the queue of each hop, data in each journal and before the archive."""
    table = _table("waiting in", ">notices", ">data", ">time", ">files")
    for hop in status["channels"]:
        name = _shown(f"queue {hop['from']} > {hop['to']}")
        table.add_row(name, f"{_number(hop['depth'])} of {_number(hop['capacity'])}")
    for journal in status["journals"]:
        lag = Text(span(journal["lag_secs"]), "yellow" if journal["lag_secs"] > BEHIND_SECS else "")
        name = _shown(f"journal {journal['feed']}")
        table.add_row(name, "", size(journal["lag_bytes"]), lag, _number(journal["files"]))
    archive = status["archive"]
    files = _number(archive["backlog_segments"])
    table.add_row("archiver", "", size(archive["backlog_bytes"]), span(archive["eta_secs"]), files)
    return table


def _counts(status: Mapping[str, Any]) -> Table:
    writer, archive = status["writer"], status["archive"]
    messages = {name: writer[name] for name in ("messages", "duplicates", "undecodable", "refused")}
    batch = f"{_number(writer['batch_size'])} of at most {_number(writer['batch_limit'])} rows"
    table = Table.grid(padding=(0, 2))
    table.add_row("writer", _list(messages))
    table.add_row("batch", f"{batch}, last commit took {span(writer['commit_secs'])}")
    table.add_row("segments", _list(status["segments"]))
    table.add_row("archive", f"{_number(archive['uploaded_objects'])} objects uploaded")
    if archive["last_error"]:
        table.add_row("", _shown(f"last error: {archive['last_error']}", "red"))
    return table


def _streams(streams: Sequence[Mapping[str, Any]], now: datetime) -> Table:
    table = _table("stream", "", "", ">messages", ">gaps", ">received", ">durable")
    for stream in streams:
        table.add_row(
            *(_shown(stream[name]) for name in ("exchange", "symbol", "data_type")),
            _number(stream["messages"]),
            Text(_number(stream["gaps"]), "yellow" if stream["gaps"] else ""),
            _age(stream["last_received_at"], now),
            _age(stream["last_durable_at"], now),
        )
    return table


def _table(*columns: str) -> Table:
    """A table without lines; a `>` before a name sets the column to the right."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        right = column.startswith(">")
        table.add_column(column.removeprefix(">"), justify="right" if right else "left", no_wrap=right, overflow="fold")
    return table


def _shown(value: Any, style: str = "") -> Text:
    return Text(_NOT_KNOWN if value is None else printable(str(value)), style)


def _list(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{_number(number)} {name}" for name, number in numbers.items())


def _number(number: int | None) -> str:
    return _NOT_KNOWN if number is None else f"{number:,}"


def _age(time: str | None, now: datetime) -> Text:
    if time is None:
        return Text("never", "yellow")
    age_secs = max(0.0, (now - datetime.fromisoformat(time)).total_seconds())
    return Text(f"{span(age_secs)} ago", "yellow" if age_secs > BEHIND_SECS else "")


def size(size_bytes: float | None) -> str:
    """Bytes in the unit that suits them."""
    if size_bytes is None:
        return _NOT_KNOWN
    for unit, unit_bytes in _UNITS:
        if size_bytes >= unit_bytes:
            return f"{size_bytes / unit_bytes:,.1f} {unit}"
    return f"{size_bytes:.0f} B"


def span(secs: float | None) -> str:
    """A stretch of time in the unit that suits it."""
    if secs is None:
        return _NOT_KNOWN
    for unit, unit_secs in _SPANS:
        if secs >= 2 * unit_secs:
            return f"{secs / unit_secs:,.0f} {unit}"
    return f"{secs:.1f} s" if secs >= 1 else f"{secs * 1000:.0f} ms"
