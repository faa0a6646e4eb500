"""The newest log lines as a terminal shows them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.text import Text

from collector.terminal.tables import number, shown

_LEVELS: Final = {"warning": ("WARN", "yellow"), "error": ("ERROR", "red"), "critical": ("ERROR", "red")}


def log_lines(events: Sequence[Mapping[str, Any]], count: int, width: int) -> list[Text]:
    """The newest `count` events, oldest first, each cut to a line of `width` columns."""
    return [_line(event, width) for event in events[max(0, len(events) - count) :]] if count > 0 else []


def _line(event: Mapping[str, Any], width: int) -> Text:
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
