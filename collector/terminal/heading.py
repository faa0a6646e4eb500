"""The first lines of the live view, which say whether all is well and what is wrong, and the last one."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from collector.terminal.tables import number, on_one_line, shown, span

_DRAINING: Final = "draining"
_DEMO: Final = "It records the built-in exchange, not a real one."
_REASON_LINES: Final = 3
"""Lines of one reason that are shown."""


class About(NamedTuple):
    """What the live view says besides the status."""

    note: str = ""
    """A remark for the person who looks."""
    demo: str = ""
    """What the demonstration says of itself; empty where real data is recorded."""
    page: str = ""
    """Where the page is served."""
    page_problem: str = ""
    """Why no page is served."""
    log: str = ""
    """Where the log file is."""
    stop: str = "Ctrl-C ends this view; the recorder goes on"
    """What Ctrl-C does."""
    hurry: str = ""
    """What it does while the recorder stops; empty where that is the same."""


def heading(status: Mapping[str, Any], about: About, console: Console) -> RenderableType:
    """The verdict, whose it is, and as many reasons of ill health as a third of the screen has room for.

    A reason that the verdict already gives in full is not repeated.
    """
    parts: list[RenderableType] = [_verdict(status), _whose(status)]
    if demo := about.demo or (_DEMO if status.get("demo") else ""):
        parts.insert(0, Text.assemble(("DEMO", "bold reverse"), " ", shown(demo)))
    parts += [Text(text, "yellow") for text in (about.page_problem, about.note) if text]
    reasons = [reason for reason in status["reasons"] if reason["text"] not in status.get("headline", "")]
    return Group(*parts, *_reasons(reasons, console, max(2, console.height // 3)))


def foot(status: Mapping[str, Any], about: About, now: datetime, width: int) -> Text:
    """Where to look further and what Ctrl-C does: as much as one line has room for, that to the last."""
    clock, page = f"{now:%H:%M:%S} UTC", about.page and f"page {about.page}"
    stop = about.hurry if about.hurry and _stopping(status) else about.stop
    ways = ((clock, page, about.log, stop), (page, about.log, stop), (page, stop), (stop,))
    lines = ["   ".join(filter(None, way)) for way in ways]
    return on_one_line(shown(next((line for line in lines if len(line) <= width), lines[-1]), "dim"))


def _verdict(status: Mapping[str, Any]) -> Text:
    headline = shown(status.get("headline", ""))
    if _stopping(status):
        waits_for = _waits_for(status)
        return Text.assemble(("STOPPING", "bold yellow"), shown(f"  waiting for {waits_for}" if waits_for else ""))
    if not status["healthy"]:
        return Text.assemble(("NOT HEALTHY", "bold red"), "  ", headline)
    if not status["ready"]:
        return Text.assemble(shown(headline.plain or "Nothing stored yet", "yellow"))
    return Text.assemble(("healthy", "bold green"), "  ", headline)


def _stopping(status: Mapping[str, Any]) -> bool:
    return any(process["state"] == _DRAINING for process in status["processes"])


def _waits_for(status: Mapping[str, Any]) -> str:
    """The processes that a stop waits for."""
    draining = [process for process in status["processes"] if process["state"] == _DRAINING]
    return ", ".join(process["name"] for process in draining if process["pid"] is not None)


def _whose(status: Mapping[str, Any]) -> Text:
    host = shown(status["host"], "bold")
    role = "" if status.get("role", "all") == "all" else f" ({status['role']})"
    line = Text.assemble(host, shown(role), f"  up {span(status['uptime_secs'])}  run ", shown(status["run_id"]))
    if gaps := sum(stream["gaps"] for stream in status["streams"]):
        line.append(f"  {number(gaps)} gap rows", "yellow")
    return line


def _reasons(reasons: list[Mapping[str, Any]], console: Console, room: int) -> list[RenderableType]:
    """As many reasons as fit into `room` lines, at least one, and how many more there are."""
    made: list[RenderableType] = []
    for index, reason in enumerate(reasons):
        part = _reason(reason, console)
        lines = len(console.render_lines(part))
        if made and lines + 1 > room:
            return [*made, Text(f"  and {len(reasons) - index} more reasons", "red")]
        made.append(part)
        room -= lines
    return made


def _reason(reason: Mapping[str, Any], console: Console) -> RenderableType:
    text = Text.assemble(shown(reason["code"], "red"), "  ", shown(reason["text"]))
    lines = text.wrap(console, max(20, console.width - 4))
    if len(lines) > _REASON_LINES:
        lines[_REASON_LINES - 1].append(" …")
    return Padding(Group(*lines[:_REASON_LINES]), (0, 0, 0, 2))
