"""Draws docs/images/bench.svg: the recorder and its peers on the same messages, as bars."""

from collections.abc import Callable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Final, NamedTuple

from tests.bench.figures import Figures
from tests.bench.results import Results, middle
from tests.bench.targets import CRYPTOFEED, NAIVE, PICOWS, RECEIVE, SINGLE
from tests.whole.running import ROOT

FILE: Final = ROOT / "docs/images/bench.svg"

LABEL_WIDTH, BAR_WIDTH, VALUE_WIDTH = 240, 330, 235
MARGIN, PANEL_GAP = 18, 26
TITLE_HEIGHT, BAR_HEIGHT, BAR_STEP = 30, 18, 27

STYLE: Final = """
  text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2933 }
  .title { font-size: 14.5px; font-weight: 650 }
  .name { text-anchor: end }
  .sheet { fill: #ffffff }
  .ours { fill: #2f6fb3 }
  .theirs { fill: #b8c2cc }
  @media (prefers-color-scheme: dark) {
    text { fill: #e4e7eb } .sheet { fill: #161b22 } .ours { fill: #5b9bdf } .theirs { fill: #52606d }
  }
"""


class Bar(NamedTuple):
    """A name and its value."""

    name: str
    value: float
    is_ours: bool = False


class Panel(NamedTuple):
    """Bars of one kind; the first is what the others are held against."""

    title: str
    bars: list[Bar]
    form: str
    whose: str = "the recorder's"
    """The first bar's."""


def picture(results: Results) -> str:
    """The SVG of what was compared."""
    panels = [panel for panel in _panels(results) if len(panel.bars) > 1]
    heights = [TITLE_HEIGHT + BAR_STEP * len(panel.bars) for panel in panels]
    tops = [MARGIN + sum(heights[:number]) + PANEL_GAP * number for number in range(len(panels))]
    parts = [part for panel, top in zip(panels, tops, strict=True) for part in _drawn(panel, top)]
    width = LABEL_WIDTH + BAR_WIDTH + VALUE_WIDTH + 2 * MARGIN
    height = tops[-1] + heights[-1] + MARGIN
    size = f'width="{width}" height="{height}"'
    label = "The recorder and its peers on the same messages"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {width} {height}" role="img" aria-label="{label}">',
            f"<style>{STYLE}</style>",
            f'<rect class="sheet" {size} rx="8"/>',
            *parts,
            "</svg>\n",
        ]
    )


def _panels(results: Results) -> Iterator[Panel]:
    ours, peers = results.recorder[results.transport], results.peers
    over = f"over {results.transport}"

    def bars(ours_is: str, value: Callable[[Figures], float], names: Sequence[str]) -> list[Bar]:
        theirs = [Bar(name, middle(peers[name], value)) for name in names if name in peers]
        return [Bar(ours_is, middle(ours, value), is_ours=True), *theirs]

    yield Panel(
        f"Processor time {over}, µs a message, to Parquet (cryptofeed: to lines of text)",
        bars("the recorder", lambda run: run.micros(), (SINGLE, NAIVE, CRYPTOFEED)),
        ".1f",
    )
    yield Panel(
        f"Messages a second {over} until they are durable",
        bars("the recorder", lambda run: run.durable_per_sec, (SINGLE, NAIVE, CRYPTOFEED)),
        ",.0f",
    )
    receive = [Bar(RECEIVE, middle(peers[RECEIVE], lambda run: run.micros()), is_ours=True)] if RECEIVE in peers else []
    naive = [Bar("naive ingest", middle(peers[NAIVE], lambda run: run.micros("ingest")))] if NAIVE in peers else []
    picows = [Bar("picows, receive only", middle(peers[PICOWS], lambda run: run.micros()))] if PICOWS in peers else []
    whole = Bar("the recorder's ingest, with journal", middle(ours, lambda run: run.micros("ingest")), is_ours=True)
    yield Panel(
        f"Processor time of receiving {over}, µs a message", [whole, *receive, *picows, *naive], ".2f", "the ingest's"
    )


def _drawn(panel: Panel, top: float) -> Iterator[str]:
    yield f'<text class="title" x="{MARGIN}" y="{top + 14}">{escape(panel.title)}</text>'
    first, most = panel.bars[0].value, max(bar.value for bar in panel.bars)
    left = MARGIN + LABEL_WIDTH
    for number, bar in enumerate(panel.bars):
        y = top + TITLE_HEIGHT + BAR_STEP * number
        width = max(2.0, BAR_WIDTH * bar.value / most)
        share = "" if number == 0 else f" ({bar.value / first:.2g} times {panel.whose})"
        yield f'<text class="name" x="{left - 10}" y="{y + 14}">{escape(bar.name)}</text>'
        kind = "ours" if bar.is_ours else "theirs"
        yield f'<rect class="{kind}" x="{left}" y="{y}" width="{width:.1f}" height="{BAR_HEIGHT}" rx="2"/>'
        yield f'<text x="{left + width + 8:.1f}" y="{y + 14}">{format(bar.value, panel.form)}{share}</text>'


def draw(results: Results, path: Path = FILE) -> None:
    """Write the picture."""
    path.write_text(picture(results), "utf-8")
