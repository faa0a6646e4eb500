"""The status as a terminal shows it. Every text is escaped and none is read as markup: names may come from an exchange."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from collector.terminal.streams import Rates, streams_table
from collector.terminal.tables import (
    BEHIND_SECS,
    NARROW,
    NOT_KNOWN,
    Signs,
    age,
    counts,
    number,
    on_one_line,
    rate,
    shown,
    size,
    span,
    table,
)

WRITER_BEHIND_SECS = 60.0
"""What fills the bar of a journal: from here on the writer is behind."""

EVENTS = 6
TALL = 36
"""Lines from which on there is room for everything."""

_FEWEST_STREAMS = 3
_LEVELS = {"warning": ("WARN", "yellow"), "error": ("ERROR", "red"), "critical": ("ERROR", "red")}


def whole(status: Mapping[str, Any], now: datetime, console: Console) -> RenderableType:
    """The status from top to bottom, with every stream and the newest events."""
    parts = [*_above(status, now, console), streams_table(status["streams"], now, console, {})]
    return Group(*parts, *_below(status["events"], EVENTS, console))


def fitted(
    status: Mapping[str, Any], now: datetime, console: Console, height: int, rates: Rates | None = None
) -> RenderableType:
    """The status in `height` lines: where not all streams fit, those that have waited longest for a durable row."""
    streams, events = status["streams"], status["events"]
    for above in _ways_above(status, now, console, brief=height < TALL):
        left = height - len(console.render_lines(above)) - 1
        if len(streams) + min(len(events), EVENTS) + 1 <= left:
            break
    for_events = min(len(events), EVENTS, max(0, left - 1 - min(len(streams), _FEWEST_STREAMS) - 1))
    below = _below(events, for_events, console)
    left -= for_events + bool(for_events)
    if len(streams) <= left:
        return Group(above, streams_table(streams, now, console, rates or {}), *below)
    longest_first = sorted(streams, key=lambda stream: stream["last_durable_at"] or "")
    some = longest_first[: max(1, left - 1)]
    more = Text(f"and {len(streams) - len(some)} streams with newer rows", "dim")
    return Group(above, streams_table(some, now, console, rates or {}), more, *below)


def _ways_above(status: Mapping[str, Any], now: datetime, console: Console, *, brief: bool) -> Iterator[Group]:
    """The same from the roomiest to the last resort."""
    if not brief:
        yield Group(*_above(status, now, console))
    yield Group(*_above(status, now, console, brief=brief, spaced=False))


def _above(
    status: Mapping[str, Any], now: datetime, console: Console, *, brief: bool = False, spaced: bool = True
) -> list[RenderableType]:
    """Everything above the streams; `brief` without what is seldom worth a line."""
    signs = Signs(console)
    parts = (
        _heading(status),
        _flow(status["flow"], signs, console.width),
        _processes(status["processes"], narrow=console.width < NARROW),
        _waiting(status, signs, brief=brief, narrow=console.width < NARROW),
        _counts(status, now, brief=brief),
    )
    return [shown_part for part in parts for shown_part in ((part, Text()) if spaced else (part,))]


def _heading(status: Mapping[str, Any]) -> Text:
    state = Text("healthy", "bold green") if status["healthy"] else Text("NOT HEALTHY", "bold red")
    if not status["ready"]:
        state.append(", nothing stored yet", "yellow")
    host = shown(status["host"], "bold")
    line = Text.assemble(state, "  ", host, f"  up {span(status['uptime_secs'])}  run ", shown(status["run_id"]))
    if gaps := sum(stream["gaps"] for stream in status["streams"]):
        line.append(f"  {number(gaps)} gap rows", "yellow")
    for reason in status["reasons"]:
        line.append_text(Text.assemble("\n  ", shown(reason["code"], "red"), "  ", shown(reason["text"])))
    return line


def _flow(flow: Sequence[Mapping[str, Any]], signs: Signs, width: int) -> Table:
    """What went through each stage, its rate now, and the last minutes."""
    made: Table = table("flow", ">total", ">now", "last 5 minutes")
    room = max(10, width - 40)
    for stage in flow:
        history = signs.spark(stage["history"], min(60, room))
        made.add_row(shown(stage["stage"]), number(stage["total"]), rate(stage["per_sec"]), Text(history, "cyan"))
    return made


def _processes(processes: Sequence[Mapping[str, Any]], *, narrow: bool) -> Table:
    made: Table = table(
        "process",
        "state",
        *([] if narrow else [">pid"]),
        ">restarts",
        ">memory",
        ">cpu",
        *([] if narrow else [">files"]),
    )
    for process in processes:
        cpu = process["cpu_percent"]
        made.add_row(
            on_one_line(shown(process["name"])),
            shown(process["state"], "" if process["state"] in {"running", "draining"} else "yellow"),
            *([] if narrow else [shown(process["pid"])]),
            Text(number(process["restarts"]), "yellow" if process["restarts"] else ""),
            size(process["rss_bytes"]),
            NOT_KNOWN if cpu is None else f"{cpu:.1f} %",
            *([] if narrow else [number(process["open_files"])]),
        )
    return made


def _waiting(status: Mapping[str, Any], signs: Signs, *, brief: bool, narrow: bool) -> Table:
    """What waits where: notices in the queue of each hop, data in each journal and before the archive."""
    made: Table = table("waiting in", *([] if narrow else [""]), ">notices", ">data", ">time", ">files")

    def add(name: Text, bar: Text, *figures: str | Text) -> None:
        made.add_row(on_one_line(name), *([] if narrow else [bar]), *figures)

    for hop in (hop for hop in status["channels"] if hop["depth"] or not brief):
        name = shown(f"queue {hop['from']} > {hop['to']}")
        add(name, signs.bar(hop["depth"] / hop["capacity"]), f"{number(hop['depth'])} of {number(hop['capacity'])}")
    for journal in status["journals"]:
        lag = Text(span(journal["lag_secs"]), "yellow" if journal["lag_secs"] > BEHIND_SECS else "")
        bar = signs.bar(journal["lag_secs"] / WRITER_BEHIND_SECS)
        files = number(journal["unread_files"])
        add(shown(f"journal {journal['feed']}"), bar, "", size(journal["lag_bytes"]), lag, files)
    archive = status["archive"]
    waits = span(archive["backlog_age_secs"]) if archive["backlog_segments"] else ""
    files = number(archive["backlog_segments"])
    add(Text("archiver"), Text(), "", size(archive["backlog_bytes"]), waits, files)
    return made


def _counts(status: Mapping[str, Any], now: datetime, *, brief: bool) -> Table:
    archive, disk = status["archive"], status["disk"]
    made = Table.grid(padding=(0, 2))
    for feed in status["feeds"]:
        made.add_row(shown(f"feed {feed['feed']}"), _feed(feed, now))
    if not brief:
        _count_rows(made, status["writer"], status["segments"])
    repair = status["repair"]
    if repair["waiting"]:
        waiting, answered = sum(repair["waiting"].values()), sum(repair["answered"].values())
        asked = {"requests waiting": waiting, "answered": answered, "failed tries": repair["failed"]}
        made.add_row("repair", counts(asked))
    if not brief or archive["failed_uploads"]:
        uploads = counts({"objects uploaded": archive["uploaded_objects"], "failed tries": archive["failed_uploads"]})
        made.add_row("archive", uploads)
    if archive["backlog_segments"]:
        made.add_row("archive", _to_go(archive))
    if archive["last_error"]:
        made.add_row("archive", shown(f"last error: {archive['last_error']}", "red"))
    full = f"full in {span(disk['full_in_secs'])}" if disk["full_in_secs"] is not None else "not filling"
    made.add_row("disk", f"{size(disk['free_bytes'])} free, {full}")
    return made


def _to_go(archive: Mapping[str, Any]) -> str:
    """What is not in the archive yet, how fast it goes up, and how long that takes."""
    left = f"to go: {number(archive['backlog_segments'])} segments, {size(archive['backlog_bytes'])}"
    per_sec = f", {size(archive['bytes_per_sec'])}/s" if archive["bytes_per_sec"] else ""
    eta = f", done in {span(archive['eta_secs'])}" if archive["eta_secs"] else ""
    state = "" if archive["state"] == "there" else f", the store is {archive['state']}"
    return left + per_sec + eta + state


def _count_rows(made: Table, writer: Mapping[str, Any], segments: Mapping[str, int]) -> None:
    batch = f"{number(writer['batch_size'])} of at most {number(writer['batch_limit'])} rows"
    names = ("messages", "duplicates", "undecodable", "refused")
    made.add_row("writer", counts({name: writer[name] for name in names}))
    made.add_row("batch", f"{batch}, last commit took {span(writer['commit_secs'])}")
    made.add_row("segments", counts(segments))


def _feed(feed: Mapping[str, Any], now: datetime) -> Text:
    connections, opened = feed["connections"], feed["connections_open"]
    line = Text.assemble(
        (f"{opened} of {connections} lines open", "" if opened == connections else "yellow"),
        f", {number(feed['reconnects'])} reconnects, data ",
        age(feed["last_data_at"], now),
    )
    if feed["clock_offset_secs"] is not None:
        line.append(f", clock {feed['clock_offset_secs'] * 1000:+,.0f} ms")
    return line


def _below(events: Sequence[Mapping[str, Any]], count: int, console: Console) -> list[RenderableType]:
    newest = [_event(event, console.width) for event in events[len(events) - min(count, len(events)) :]]
    return [Text(), *newest] if newest else []


def _event(event: Mapping[str, Any], width: int) -> Text:
    level, style = _LEVELS.get(event["level"], ("", ""))
    line = Text.assemble(
        (event["at"][11:19], "dim"), "  ", shown(event["process"]), "  ", (level + " " if level else "", style),
        shown(event["event"], style or "bold"), "  ", _repeated(event), shown(event["text"], "dim"),
    )  # fmt: skip
    line.truncate(width, overflow="ellipsis")
    return line


def _repeated(event: Mapping[str, Any]) -> str:
    times, first_at = event["times"], event["first_at"]
    return f"{number(times)} times since {first_at[11:19]}  " if times > 1 else ""
