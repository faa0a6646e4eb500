"""The form that numba compiles, that of NumPy and the plain one follow the same book through any rows."""

import importlib.util
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.domain.errors import UndecodableError
from collector.domain.records import BookRow, StreamKey
from collector.read.books import depth as book_depth
from collector.read.books import forms
from collector.read.books.course import depth_of
from collector.read.books.forms import Form
from collector.read.frame import Frame
from collector.read.ledger.gaps import LedgerRow
from tests.conftest import Lines
from tests.exchanges.recorded_markets import MARKETS, RecordedMarket, recording
from tests.exchanges.rows import rows_of
from tests.read.book_tables import TimedRow, frame_of, gap, sampling
from tests.read.conftest import FORMS

MOST_ROWS: Final = 1_000
GAPS = (gap("one", 90, 110), gap("two", 300, 420), gap("three", 1_000, None))

Case = tuple[list[TimedRow], list[int], int | None, int]
"""Rows, where batches begin, the depth of the book, and how many levels to show."""


def optional(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A value, and seldom none."""
    return st.one_of(*[values] * 8, st.none())


def side(draw: st.DrawFn) -> tuple[tuple[float | None, ...], tuple[float | None, ...]]:
    numbers = st.tuples(st.integers(-2, 12).map(float), st.integers(0, 3).map(float))
    levels: list[tuple[float | None, float | None]] = [*draw(st.lists(numbers, max_size=6))]
    if draw(st.integers(0, 40)) == 0:
        levels = [*levels, draw(st.sampled_from([(None, 1.0), (1.0, None)]))]
    return tuple(price for price, _ in levels), tuple(size for _, size in levels)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A book that mostly goes on, and now and then is broken, begun anew, repeated or behind a gap."""
    rows: list[TimedRow] = []
    last_id = at_us = 0
    is_numbered = draw(st.booleans())
    for _ in range(draw(st.integers(0, 40))):
        at_us = max(0, at_us + draw(st.integers(-5, 40)))
        first_id = last_id + draw(st.sampled_from([1, 1, 1, 1, 1, 1, 0, -3, 2]))
        last_id = max(0, first_id + draw(st.integers(0, 3)))
        bids, asks = side(draw), side(draw)
        row = BookRow(
            draw(optional(st.just(first_id))) if is_numbered else None,
            draw(optional(st.just(last_id))) if is_numbered else None,
            draw(st.sampled_from([None, None, first_id - 1])) if is_numbered else None,
            draw(st.integers(0, 9)) == 0 or not rows,
            *(*bids, *asks),
        )
        names = draw(st.sampled_from([()] * 12 + [("one",), ("two", "one"), ("unheard of",)]))
        rows.append(TimedRow(at_us, row, names))
    cuts = draw(st.lists(st.integers(0, 40), max_size=4))
    return rows, cuts, draw(st.sampled_from([None, None, 1, 3])), draw(st.integers(1, 9))


def hold_together(
    form: Form,
    rows: list[TimedRow],
    cuts: list[int],
    depth: int | None,
    levels: int,
    every_us: int,
    gaps: tuple[LedgerRow, ...],
) -> None:
    """Both samples and the last book are those of the plain form."""
    asked = sampling(rows[0].at_us - 10 if rows else 0, rows[-1].at_us + 50 if rows else 100, levels, every_us, gaps)
    frame = frame_of(rows, gaps, cuts)
    plain = Frame("plain", asked.schema, lambda: book_depth.plain_tables(frame, depth, asked))
    found = Frame("fast", asked.schema, lambda: book_depth.fast_tables(form, frame, depth, asked))
    assert found.arrow().equals(plain.arrow())
    told = book_depth.fast_followed(form, frame.batches(), frame.gaps, depth)
    expected = book_depth.plainly_followed(frame.batches(), frame.gaps, depth)
    assert (told.exists, told.last_id, told.lost_by, told.updated_us) == (
        expected.exists,
        expected.last_id,
        expected.lost_by,
        expected.updated_us,
    )
    if expected.exists:
        assert (told.levels(), told.reach()) == (expected.levels(), expected.reach())


@settings(max_examples=120, deadline=None)
@given(cases(), st.integers(1, 3))
def test_any_rows_make_the_same_book_in_every_form(form: Form, case: Case, part_rows: int) -> None:
    rows, cuts, depth, levels = case
    if depth and not form.knows_depth:
        depth = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("collector.read.books.column_parts.PART_ROWS", part_rows * 5)
        patch.setattr("collector.read.books.depth_samples._MOST_SAMPLES", part_rows * 3)
        hold_together(form, rows, cuts, depth, levels, 7, GAPS)


def recorded_books(market: RecordedMarket, recorded: Lines) -> dict[StreamKey, list[TimedRow]]:
    """The books of a recording, by stream, as if the first row of each were whole."""
    found = recording(market, recorded)
    decode = market.adapter.decoder(found.subscription)
    payloads: dict[StreamKey, list[tuple[int, bytes]]] = {}
    for at_us, frame in found.frames:
        # Some frames of recordings are no messages; the adapters' tests say which.
        with suppress(UndecodableError):
            for one in decode(frame):
                if one.stream.data_type in {"book_delta", "book_snapshot"}:
                    payloads.setdefault(one.stream, []).append((at_us, one.payload))
    books = {}
    for stream, messages in payloads.items():
        found_rows = rows_of(market.adapter, stream.data_type, [payload for _, payload in messages[:MOST_ROWS]])
        timed = [
            TimedRow(at_us, row)
            for (at_us, _), row in zip(messages, found_rows, strict=False)
            if isinstance(row, BookRow)
        ]
        books[stream] = [timed[0]._replace(row=timed[0].row._replace(is_snapshot=True)), *timed[1:]]
    return books


def with_a_hole(rows: list[TimedRow]) -> tuple[list[TimedRow], tuple[LedgerRow, ...]]:
    """The rows without some in the middle, and the gap that says so."""
    middle = len(rows) // 2
    behind = rows[middle + 3 :]
    if not behind:
        return rows, ()
    hole = gap("hole", rows[middle].at_us, behind[0].at_us)
    return [*rows[:middle], behind[0]._replace(gaps=("hole",)), *behind[1:]], (hole,)


@pytest.mark.parametrize("market", MARKETS, ids=str)
def test_recorded_rows_make_the_same_book_in_every_form(form: Form, market: RecordedMarket, recorded: Lines) -> None:
    books = recorded_books(market, recorded)
    assert books, "every market has books"
    for stream, rows in sorted(books.items())[:3]:
        depth = depth_of(stream) if form.knows_depth else None
        hold_together(form, rows, [len(rows) // 3], depth, 20, 100_000, ())
        holed, gaps = with_a_hole(rows)
        hold_together(form, holed, [], depth, 5, 250_000, gaps)


@pytest.mark.parametrize("absent", [(), ("numba",), ("numba", "numpy")], ids=str)
def test_the_fastest_form_that_is_installed_is_chosen(monkeypatch: pytest.MonkeyPatch, absent: tuple[str, ...]) -> None:
    there = [name for name in FORMS if name not in absent and importlib.util.find_spec(name)]
    for name in absent:
        monkeypatch.setitem(sys.modules, name, None)
    for known in (forms.numba_form, forms.numpy_form):
        known.cache_clear()
    chosen = forms.fastest(None)
    assert (chosen.name if chosen else None) == next(iter(there), None)
    with_depth = forms.fastest(10)
    assert (with_depth.name if with_depth else None) == ("numba" if "numba" in there else None)
    for known in (forms.numba_form, forms.numpy_form):
        known.cache_clear()


def test_a_package_that_cannot_be_loaded_is_no_absent_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "numba.py").write_text("import a_package_that_numba_needs\n", "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "numba", raising=False)
    forms.numba_form.cache_clear()
    with pytest.raises(ModuleNotFoundError, match="a_package_that_numba_needs"):
        forms.numba_form()
    forms.numba_form.cache_clear()
