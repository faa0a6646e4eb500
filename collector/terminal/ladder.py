"""A book as a ladder: asks above, bids below, the best of both in the middle, and sizes as bars."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import accumulate
from typing import Final, NamedTuple

from rich.console import Console, Group, RenderableType
from rich.text import Text

from collector.terminal.tables import BEHIND_SECS, Signs, number, shown, span

Level = tuple[float, float]
"""Price and size."""

MOST_LEVELS: Final = 40
USUAL_LEVELS: Final = 10
"""Levels a side where nobody said how many, and the terminal sets no bound."""

_WIDEST: Final = 120
_LONGEST_BAR: Final = 60
_LINES_BESIDE: Final = 5
"""Lines of a screen that hold no level."""
_HEADS: Final = ("price", "size", "total")
_BASIS_POINTS: Final = 10_000
_FEW: Final = 0.1


class Ladder(NamedTuple):
    """What is shown of a book."""

    name: str
    """Exchange and symbol."""
    at: datetime
    """The moment that was asked for."""
    updated_at: datetime | None = None
    """When the newest update in it was received."""
    bids: Sequence[Level] | None = None
    """Best first; None if the book is not known."""
    asks: Sequence[Level] | None = None
    last_id: int | None = None
    verified: bool | None = None
    known_depth: tuple[int, int] | None = None
    because: Sequence[str] = ()
    """Why it is not known."""
    foot: str = ""
    """A remark below all."""


def room_for(console: Console) -> int:
    """The levels a side that a screen of this size has room for."""
    return max(1, min(MOST_LEVELS, (console.height - _LINES_BESIDE - 1) // 2))


def ladder(book: Ladder, console: Console, levels: int, now: datetime | None = None) -> RenderableType:
    """The book with at most so many levels a side; `now` is given where its age matters.

    Levels beyond those of the last whole book are dim: others may be missing between them.
    """
    signs, width = Signs(console), min(console.width, _WIDEST)
    head = [_title(book, width), _joined(_state(book, now), f" {signs.dot} ", width)]
    is_known = book.bids is not None and book.asks is not None
    lines = _steps(book, signs, width, levels) if is_known else _unknown(book, signs, width)
    foot = [shown(book.foot, "dim")] if book.foot else []
    for line in [*head, *lines, *foot]:
        line.no_wrap, line.overflow = True, "crop"
    return Group(*head, *lines, *foot)


def _title(book: Ladder, width: int) -> Text:
    time = f"{book.at:%H:%M:%S}.{book.at.microsecond // 1_000:03} UTC"
    long, short = f"{book.at:%Y-%m-%d} {time}", time
    name = shown(book.name, "bold")
    return Text.assemble(name, "  ", long if len(name) + 2 + len(long) <= width else short)


def _state(book: Ladder, now: datetime | None) -> list[Text]:
    """How old it is, whether it is proven, and how deep it is known: what matters most first."""
    if book.bids is None:
        return [Text("unknown", "bold red")]
    parts = [Text("verified", "green") if book.verified else Text("unverifiable", "yellow")]
    if now is not None and book.updated_at is not None:
        secs = max(0.0, (now - book.updated_at).total_seconds())
        parts.append(Text(f"{span(secs)} old", "yellow" if secs > BEHIND_SECS else ""))
    if book.known_depth is not None:
        parts.append(Text(f"known to {number(book.known_depth[0])} bids, {number(book.known_depth[1])} asks"))
    if book.last_id is not None:
        parts.append(Text(f"id {book.last_id}"))
    return parts


def _joined(parts: Sequence[Text], between: str, width: int) -> Text:
    """As many of the first parts as have room on a line."""
    line = Text.assemble(parts[0])
    for part in parts[1:]:
        if len(line) + len(between) + len(part) <= width:
            line.append(between)
            line.append_text(part)
    return line


def _unknown(book: Ladder, signs: Signs, width: int) -> list[Text]:
    reasons = [shown(f"  {text}", "yellow") for text in book.because] or [
        Text("  no whole book was recorded that it would follow from", "yellow")
    ]
    return [Text(signs.rule * width, "dim"), *reasons, Text("  It is known again from the next whole book on.")]


def _steps(book: Ladder, signs: Signs, width: int, levels: int) -> list[Text]:
    asks, bids = list((book.asks or ())[:levels]), list((book.bids or ())[:levels])
    form = _Form([*asks, *bids], width, signs)
    known_bids, known_asks = book.known_depth or (len(bids), len(asks))
    above = [form.line(*line, "red" if place < known_asks else "dim red") for place, line in _with_totals(asks)]
    below = [form.line(*line, "green" if place < known_bids else "dim green") for place, line in _with_totals(bids)]
    empty = Text("  no levels", "dim")
    return [form.heads(), *(reversed(above) if above else [empty]), _middle(book, form, signs), *(below or [empty])]


def _with_totals(levels: Sequence[Level]) -> Iterator[tuple[int, tuple[Level, float]]]:
    """Each level with its place and the size up to it."""
    return enumerate(zip(levels, accumulate(size for _, size in levels), strict=True))


class _Form:
    """How wide columns are, and how many decimals numbers have: those of the levels that are shown."""

    def __init__(self, levels: Sequence[Level], width: int, signs: Signs) -> None:
        self.prices = max((_decimals(price) for price, _ in levels), default=0)
        self._sizes = max((_decimals(size) for _, size in levels), default=0)
        self._largest = max((size for _, size in levels), default=0.0)
        total = sum(size for _, size in levels)
        highest = max((price for price, _ in levels), default=0.0)
        self._widths = [
            max(len(head), len(_grouped(value, decimals)))
            for head, value, decimals in zip(
                _HEADS, (highest, total, total), (self.prices, self._sizes, self._sizes), strict=True
            )
        ]
        # Where there is no room for all, the bars go first, then the totals.
        self._with_totals = sum(self._widths) + 2 * len(self._widths) <= width
        columns = self._widths if self._with_totals else self._widths[:2]
        self.width = width
        self._bar = max(0, min(_LONGEST_BAR, width - sum(columns) - 2 * len(columns) - 2))
        self._signs = signs

    def heads(self) -> Text:
        return Text(self._columns(_HEADS), "dim")

    def line(self, level: Level, total: float, style: str) -> Text:
        price, size = level
        bar = self._signs.length(size / self._largest if self._largest else 0.0, self._bar)
        cells = _grouped(price, self.prices), _grouped(size, self._sizes), _grouped(total, self._sizes)
        line = Text(self._columns(cells))
        line.stylize(style, 0, self._widths[0] + 2)
        line.append(f"  {bar}" if bar else "", style)
        return line

    def _columns(self, cells: Sequence[str]) -> str:
        there = zip(cells, self._widths, strict=True)
        texts = [text.rjust(width) for text, width in there]
        return "  " + "  ".join(texts if self._with_totals else texts[:2])


def _middle(book: Ladder, form: _Form, signs: Signs) -> Text:
    """The middle of the best prices, and how far they are apart."""
    if not book.bids or not book.asks:
        return Text(signs.rule * form.width, "dim")
    bid, ask = book.bids[0][0], book.asks[0][0]
    mid, spread = (bid + ask) / 2, ask - bid
    texts = [f"mid {_grouped(mid, form.prices + 1)}", f"spread {_grouped(spread, form.prices)}"]
    points = spread / mid * _BASIS_POINTS if mid > 0 else None
    texts += [] if points is None else [f"{points:,.2f} bp" if abs(points) >= _FEW else f"{points:.4f} bp"]
    parts = [Text(text, "bold" if spread > 0 else "bold red") for text in texts]
    line = Text.assemble((f"{signs.rule * 2} ", "dim"))
    line.append_text(_joined(parts, f" {signs.dot} ", form.width - 4))
    line.append(f" {signs.rule * (form.width - len(line) - 1)}", "dim")
    return line


def _decimals(value: float) -> int:
    exponent = Decimal(repr(value)).normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _grouped(value: float, decimals: int) -> str:
    return f"{value:,.{decimals}f}"
