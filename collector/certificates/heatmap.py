"""Draws certificates as a heatmap: a line a stream, a column a day, as SVG that needs nothing else. Rules without I/O."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from html import escape
from itertools import groupby
from typing import Final, NamedTuple

from collector.domain.names import DAY_US
from collector.domain.records import StreamKey
from collector.domain.redact import printable


class Look(NamedTuple):
    """How a day is shown."""

    name: str
    colour: str
    meaning: str


LOOKS: Final = (
    Look("verified", "#2f8f6b", "available, and proven to be whole"),
    Look("unproven", "#a9d3c0", "available; nothing is known to be missing, and nothing proves it"),
    Look("scratched", "#f2c14e", "degraded: less than a hundredth of the day is missing, or a doubt"),
    Look("degraded", "#e0782f", "degraded: more of the day is missing, or was not recorded"),
    Look("pending", "#b9c3cc", "the day is not over, or not all of it is archived"),
    Look("missing", "#a3213f", "no row of it is there"),
)
"""From good to bad. They differ in lightness too, for eyes that do not tell red from green."""

_OF: Final = {look.name: look for look in LOOKS}
_CELL: Final = 12
_GAP: Final = 2
_STEP: Final = _CELL + _GAP
_TOP: Final = 40
_LETTER: Final = 6.7
_MARGIN: Final = 16
_LEGEND: Final = 48
_LEGEND_STEP: Final = 96
_SCRATCH_US: Final = DAY_US // 100
_SEC_US: Final = 1_000_000
_MONTH_COLUMNS: Final = 3

_STYLE: Final = (
    "text{font:12px ui-sans-serif,system-ui,'Segoe UI',Helvetica,Arial,sans-serif;fill:#1c2421}"
    ".m{fill:#5d6863;font-size:11px}.x{font-weight:600}"
)


class Cell(NamedTuple):
    """What is shown of one certificate."""

    stream: StreamKey
    day: date
    state: str
    messages: int
    verified_us: int
    unverifiable_us: int
    broken_us: int
    absent_us: int
    gaps: int

    @property
    def look(self) -> Look:
        """How the day is shown."""
        if self.state == "available":
            return _OF["verified" if self.verified_us >= self.unverifiable_us else "unproven"]
        if self.state == "degraded" and self.broken_us + self.absent_us < _SCRATCH_US:
            return _OF["scratched"]
        return _OF[self.state]

    @property
    def text(self) -> str:
        """The day in words."""
        lengths = ((self.broken_us, "broken"), (self.absent_us, "not recorded"), (self.unverifiable_us, "unverifiable"))
        said = [f"{self.day}: {self.state}", f"{self.messages:,} messages"]
        said += [f"{length_text(length)} {name}" for length, name in lengths if length]
        if self.gaps:
            said.append(f"{self.gaps:,} unrepaired gap{'' if self.gaps == 1 else 's'}")
        return ", ".join(said)


def length_text(length_us: int) -> str:
    """A length for people: `3 h 20 min`, `4 min 3 s`, `1.25 s`."""
    minutes, seconds = divmod(length_us // _SEC_US, 60)
    if minutes == 0:
        return f"{length_us / _SEC_US:.3g} s"
    hours, over = divmod(minutes, 60)
    if hours:
        return f"{hours} h {over} min" if over else f"{hours} h"
    return f"{minutes} min {seconds} s" if seconds else f"{minutes} min"


def svg(cells: Iterable[Cell]) -> str:
    """The heatmap as an SVG document; of the same cells always the same text. Days without a cell are left blank."""
    of_stream: dict[StreamKey, list[Cell]] = defaultdict(list)
    for cell in sorted(cells):
        of_stream[cell.stream].append(cell)
    days = _days(of_stream)
    left = _MARGIN + 10 + round(_LETTER * max((len(_name(stream)) for stream in of_stream), default=0))
    lines = list(_lines(of_stream))
    below = max((top for top, _, _ in lines), default=_TOP) + _STEP
    height = below + _LEGEND
    width = max(left + len(days) * _STEP, left + len(LOOKS) * _LEGEND_STEP) + _MARGIN
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    label = 'role="img" aria-label="The condition of each day of each stream"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {label}>',
        f"<style>{_STYLE}</style>",
        f'<rect width="{width}" height="{height}" fill="#fffefa"/>',
        *_months(days, left),
    ]
    for top, stream, name in lines:
        if stream is None:
            parts.append(_text(_MARGIN, top + 10, name, "x"))
        else:
            parts.append(_text(left - 8, top + 10, name, "", "end"))
            parts += _runs(of_stream[stream], days[0], left, top)
    parts += [*_legend(left, below + 18), "</svg>\n"]
    return "\n".join(parts)


def _lines(of_stream: Iterable[StreamKey]) -> Iterator[tuple[int, StreamKey | None, str]]:
    """The lines and where they begin: the name of each exchange, and below it its streams."""
    top = _TOP
    for exchange, streams in groupby(sorted(of_stream), key=lambda stream: stream.exchange):
        yield top, None, printable(exchange)
        for stream in streams:
            top += _STEP
            yield top, stream, _name(stream)
        top += _STEP + _STEP // 2


def _name(stream: StreamKey) -> str:
    return printable(f"{stream.symbol} {stream.data_type}")


def _days(of_stream: dict[StreamKey, list[Cell]]) -> list[date]:
    if not of_stream:
        return []
    first = min(cells[0].day for cells in of_stream.values())
    last = max(cells[-1].day for cells in of_stream.values())
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _runs(cells: Sequence[Cell], first: date, left: int, top: int) -> Iterator[str]:
    """Good days in a row are one shape, cut by the page's ground: the file grows with what is wrong, not with the time."""
    for key, group in groupby(enumerate(cells), key=lambda one: _alike(*one)):
        run = [cell for _, cell in group]
        x = left + (run[0].day - first).days * _STEP
        look = run[0].look
        title = run[0].text
        if len(run) > 1:
            messages = sum(cell.messages for cell in run)
            title = f"{run[0].day} to {run[-1].day}: {run[0].state}, {messages:,} messages"
        dashes = "" if key[0] is None else f' stroke-dasharray="{_CELL} {_GAP}"'
        yield (
            f'<line x1="{x}" y1="{top + _CELL / 2:g}" x2="{x + len(run) * _STEP - _GAP}" y2="{top + _CELL / 2:g}"'
            f' stroke="{look.colour}" stroke-width="{_CELL}"{dashes}><title>{escape(title)}</title></line>'
        )


def _alike(number: int, cell: Cell) -> tuple[str | None, int]:
    """Equal for available days of one look that follow one another, different for all others."""
    if cell.state == "available":
        return cell.look.name, cell.day.toordinal() - number
    return None, number


def _months(days: Sequence[date], left: int) -> Iterator[str]:
    free = 0
    for number, day in enumerate(days):
        if number >= free and (number == 0 or day.day == 1):
            yield _text(
                left + number * _STEP, 16, day.strftime("%b %Y" if number == 0 or day.month == 1 else "%b"), "x"
            )
            # The year takes more room than a day or two that are left of its month.
            free = number + _MONTH_COLUMNS
        # The first day says where the line begins, unless the next one has a number too.
        if day.day % 7 == 1 or (number == 0 and day.day % 7):
            yield _text(left + number * _STEP, 32, str(day.day), "m")


def _legend(left: int, top: int) -> Iterator[str]:
    for number, look in enumerate(LOOKS):
        x = left + number * _LEGEND_STEP
        yield (
            f'<g><title>{escape(look.meaning)}</title><rect x="{x}" y="{top}" width="{_CELL}" height="{_CELL}" fill="{look.colour}"/>'
            f"{_text(x + _CELL + 6, top + 11, look.name, 'm')}</g>"
        )


def _text(x: float, y: float, text: str, style: str, anchor: str = "start") -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{style}" text-anchor="{anchor}">{escape(text)}</text>'
