"""The heatmap shows each day of each stream, says what it means, and needs nothing else."""

import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from collector.certificates.heatmap import LOOKS, Cell, length_text, svg
from collector.certificates.heatmap_page import MOST_LISTED, page
from collector.domain.records import StreamKey
from tests.browser import Visitor, browser

DAY_US = 86_400_000_000
TRADES = StreamKey("binance", "BTCUSDT", "trade")
FIRST = date(2026, 11, 23)
SHAPE = "{http://www.w3.org/2000/svg}line"


def cell(day: int, **changed: Any) -> Cell:
    """A verified day."""
    return Cell(TRADES, FIRST + timedelta(days=day), "available", 1_000, DAY_US, 0, 0, 0, 0)._replace(**changed)


def shapes(cells: list[Cell]) -> list[ET.Element]:
    return [shape for shape in ET.fromstring(svg(cells)).iter() if shape.tag == SHAPE]


def title(shape: ET.Element) -> str:
    return "".join(shape.itertext())


def days(shape: ET.Element) -> int:
    return round((int(shape.get("x2", "")) - int(shape.get("x1", "")) + 2) / 14)


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({}, "verified"),
        ({"verified_us": 0, "unverifiable_us": DAY_US}, "unproven"),
        ({"state": "degraded", "broken_us": DAY_US // 200}, "scratched"),
        ({"state": "degraded", "broken_us": DAY_US // 2}, "degraded"),
        ({"state": "degraded", "absent_us": DAY_US // 2}, "degraded"),
        ({"state": "pending"}, "pending"),
        ({"state": "missing"}, "missing"),
    ],
)
def test_a_day_has_the_colour_of_its_condition(changed: dict[str, Any], name: str) -> None:
    (shape,) = shapes([cell(0, **changed)])
    assert shape.get("stroke") == {look.name: look.colour for look in LOOKS}[name]


def test_good_days_in_a_row_are_one_shape_and_all_others_have_their_own() -> None:
    cells = [cell(day, state="degraded" if day in {5, 6} else "available", gaps=1) for day in range(400) if day != 9]
    found = shapes(cells)
    assert [days(shape) for shape in found] == [5, 1, 1, 2, 390]
    assert title(found[0]) == "2026-11-23 to 2026-11-27: available, 5,000 messages"
    assert title(found[1]) == "2026-11-28: degraded, 1,000 messages, 1 unrepaired gap"
    assert len(svg(cells)) < len(svg(cells[:20])) + 20_000


def test_the_same_cells_give_the_same_picture_in_any_order() -> None:
    cells = [cell(day, stream=TRADES._replace(symbol=symbol)) for day in range(3) for symbol in ("B", "A")]
    assert svg(cells) == svg(cells[::-1])
    assert page(cells) == page(cells[::-1])


def test_the_days_at_the_top_begin_with_the_first() -> None:
    texts = [text.text for text in ET.fromstring(svg([cell(day) for day in range(39)])).iter() if text.get("class")]
    assert texts[:9] == ["Nov 2026", "23", "29", "Dec", "1", "8", "15", "22", "29"]
    assert texts[9:11] == ["binance", LOOKS[0].name]


def test_text_of_an_exchange_is_escaped() -> None:
    odd = TRADES._replace(symbol="<script>alert(1)</script>&\x1b\u202e")
    text = page([cell(0, stream=odd, state="missing")])
    assert "<script" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "&lt;script&gt;" in text


def test_lengths_are_told_as_people_do() -> None:
    lengths = (1, 1_250_000, 59_000_000, 60_000_000, 243_000_000, 3_600_000_000, 12_000_000_000, DAY_US)
    assert [length_text(length) for length in lengths] == [
        "1e-06 s", "1.25 s", "59 s", "1 min", "4 min 3 s", "1 h", "3 h 20 min", "24 h",
    ]  # fmt: skip


def test_the_page_names_the_newest_bad_days_and_counts_the_others() -> None:
    text = page([cell(day, state="missing") for day in range(MOST_LISTED + 2)])
    assert text.count("<td><a href=") == MOST_LISTED
    assert "And 2 earlier days; the heatmap has all." in text
    assert "None: every day that is over is available." in page([cell(0)])
    assert 'href="exchange=binance/data_type=trade/symbol=A%252FB/date=2026-11-23.json"' in page(
        [cell(0, state="missing", stream=TRADES._replace(symbol="A/B"))]
    )


def test_without_certificates_there_is_a_page_that_says_so() -> None:
    assert "0 streams, no day yet" in page([])


def test_a_browser_shows_it_without_asking_for_anything_else(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(
        page([cell(-900), cell(0), cell(1, state="missing"), cell(2, state="pending")]), "utf-8"
    )
    with browser() as running:
        visitor = Visitor(running)
        shown = visitor.open((tmp_path / "index.html").as_uri())
        boxes = [one.bounding_box() for one in shown.locator("svg line").all()]
        width = shown.evaluate("innerWidth")
        asked = shown.evaluate("performance.getEntriesByType('resource').length")
        words = shown.locator("body").inner_text()
        visitor.leave()
    assert (visitor.said, asked) == ([], 0)
    assert len(boxes) == 4
    assert all(box is not None and box["width"] > 0 for box in boxes)
    oldest, *newest = [box["x"] for box in boxes if box is not None]
    assert oldest < 0, "it opens at the newest days"
    assert all(0 < left < width for left in newest)
    assert re.search(r"binance BTCUSDT trade\s+2026-11-24: missing", words)
