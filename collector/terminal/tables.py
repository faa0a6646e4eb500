"""Building blocks of a screen: numbers with units, bars, sparklines, tables without borders."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from collector.domain.redact import printable

BEHIND_SECS = 10.0
"""A lag or an age above this is marked."""

WIDE = 100
"""Terminals at least this wide have room for bars in the table of streams."""

NARROW = 80
"""Terminals narrower than this show fewer columns, so that those shown are whole."""

NOT_KNOWN = "-"
BAR = 10
_UNITS = (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))
_SPANS = (("d", 86_400), ("h", 3_600), ("min", 60))


class Signs:
    """The characters for sparklines and bars that this terminal's encoding has."""

    def __init__(self, console: Console) -> None:
        fine = (console.encoding or "").lower().startswith("utf")
        self._heights = "▁▂▃▄▅▆▇█" if fine else "_.,-~=+#"
        self._full, self._empty = ("█", "░") if fine else ("#", ".")
        self._parts = "▏▎▍▌▋▊▉" if fine else ""
        self.rule, self.dot = ("─", "·") if fine else ("-", "|")
        """A line across, and what stands between words that belong to one line."""

    def spark(self, values: Sequence[float], width: int) -> str:
        """A sparkline of the newest `width` values, scaled to the highest."""
        newest = values[max(0, len(values) - width) :]
        highest = max(newest, default=0.0)
        last = len(self._heights) - 1
        return "".join(self._heights[round(last * value / highest) if highest > 0 else 0] for value in newest)

    def length(self, part: float, width: int) -> str:
        """A bar whose length is this part of `width`, to an eighth of a character where the encoding has them."""
        steps = len(self._parts) + 1
        whole, rest = divmod(round(min(1.0, max(0.0, part)) * width * steps), steps)
        return self._full * whole + (self._parts[rest - 1] if rest else "")

    def bar(self, part: float) -> Text:
        """A bar for the used part of a limit: green, from one half yellow, from 1 red."""
        part = min(1.0, max(0.0, part))
        filled = round(BAR * part)
        style = "red" if part >= 1 else "yellow" if part >= 0.5 else "green"  # noqa: PLR2004 (as the docstring says)
        return Text.assemble((self._full * filled, style), (self._empty * (BAR - filled), "dim"))


def table(*columns: str, header: bool = True) -> Table:
    """A table without borders; a `>` before a name aligns the column to the right."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", show_header=header)
    for column in columns:
        right = column.startswith(">")
        made.add_column(column.removeprefix(">"), justify="right" if right else "left", no_wrap=right, overflow="fold")
    return made


def shown(value: Any, style: str = "") -> Text:
    """Any value as plain text: control characters are escaped, and nothing is read as markup."""
    return Text(NOT_KNOWN if value is None else printable(str(value)), style)


def on_one_line(text: Text) -> Text:
    """Cut the text where its column ends, so that the figures beside it stay whole."""
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def uncut(text: str) -> RenderableType:
    """A line that the terminal itself breaks, so that a path or a command in it can be copied."""
    return Group(Text(text, no_wrap=True, overflow="ignore"))  # in a group, because print() joins bare texts anew


def counts(numbers: Mapping[str, int]) -> str:
    """Several numbers with their names: `3 open, 1 sealed`."""
    return ", ".join(f"{number(value)} {name}" for name, value in numbers.items())


def number(value: int | None) -> str:
    """A count with thousands separators."""
    return NOT_KNOWN if value is None else f"{value:,}"


def rate(per_sec: float | None) -> str:
    """A rate per second; below 10 with one decimal."""
    if per_sec is None:
        return NOT_KNOWN
    return f"{per_sec:,.0f}/s" if per_sec >= 10 or per_sec == 0 else f"{per_sec:.1f}/s"  # noqa: PLR2004 (from here on a decimal says nothing)


def age_secs(time: str | None, now: datetime) -> float | None:
    """Seconds since `time` (ISO 8601); None for never."""
    return None if time is None else max(0.0, (now - datetime.fromisoformat(time)).total_seconds())


def age(time: str | None, now: datetime) -> Text:
    """Such as `3 min ago`; marked when that is more than BEHIND_SECS."""
    secs = age_secs(time, now)
    if secs is None:
        return Text("never", "yellow")
    return Text(f"{span(secs)} ago", "yellow" if secs > BEHIND_SECS else "")


def size(size_bytes: float | None) -> str:
    """Bytes with a unit that keeps the number short."""
    if size_bytes is None:
        return NOT_KNOWN
    for unit, unit_bytes in _UNITS:
        if size_bytes >= unit_bytes:
            return f"{size_bytes / unit_bytes:,.1f} {unit}"
    return f"{size_bytes:.0f} B"


def span(secs: float | None) -> str:
    """Seconds with a unit that keeps the number short."""
    if secs is None:
        return NOT_KNOWN
    for unit, unit_secs in _SPANS:
        if secs >= 2 * unit_secs:
            return f"{secs / unit_secs:,.0f} {unit}"
    return f"{secs:.1f} s" if secs >= 1 else f"{secs * 1000:.0f} ms"
