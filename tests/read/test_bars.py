"""Bars are what their trades are; where trades are missing they say so."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import collector.read
from collector.read.bar_gaps import reaches_of, with_gaps
from collector.read.bars import BAR_SCHEMA, bars
from collector.read.clock_skew import ClockSkew
from collector.read.every import every_us
from collector.read.ledger.gaps import LedgerRow
from collector.read.window import Window
from collector.storage.store.directory import DirectoryStore
from tests.read.recorded_world import Frame, RecordedWorld
from tests.read.test_reading_gaps import gap, recorded_with_holes, toy
from tests.storage.archive.archive_files import archive
from tests.storage.segment.segment_files import NOON_US, message, trade

TRADES = st.lists(
    st.tuples(st.integers(0, 50), st.integers(1, 9), st.integers(1, 9), st.sampled_from(["buy", "sell", None])),
    max_size=40,
)
TIME = pa.timestamp("us", tz="UTC")


def table(trades: list[tuple[int, int, int, str | None]]) -> pa.Table:
    times = pa.array([at for at, *_ in trades], pa.int64()).cast(TIME)
    return pa.table(
        {
            "received_at": times,
            "exchange_at": times,
            "line": pa.array([0] * len(trades), pa.int8()),
            "price": pa.array([price for _, price, _, _ in trades], pa.float64()),
            "size": pa.array([size for *_, size, _ in trades], pa.float64()),
            "side": pa.array([side for *_, side in trades], pa.string()),
        }
    )


def expected(trades: list[tuple[int, int, int, str | None]], length: int) -> list[dict[str, Any]]:
    found: dict[int, list[tuple[int, int, int, str | None]]] = {}
    for one in trades:
        found.setdefault(one[0] // length * length, []).append(one)
    return [
        {
            "start": start,
            "open": own[0][1],
            "high": max(trade[1] for trade in own),
            "low": min(trade[1] for trade in own),
            "close": own[-1][1],
            "volume": sum(trade[2] for trade in own),
            "turnover": sum(trade[1] * trade[2] for trade in own),
            "buy_volume": sum(trade[2] for trade in own if trade[3] == "buy")
            if any(trade[3] for trade in own)
            else None,
            "trades": len(own),
        }
        for start, own in sorted(found.items())
    ]


@given(trades=TRADES, length=st.integers(1, 20), size=st.integers(1, 10))
def test_a_bar_is_its_trades_however_they_come(
    trades: list[tuple[int, int, int, str | None]], length: int, size: int
) -> None:
    parts = [table(trades[start : start + size]) for start in range(0, len(trades), size)]
    found = bars(parts, length)
    assert found.schema.equals(BAR_SCHEMA)
    as_numbers = found.set_column(0, "start", found["start"].cast(pa.int64()))
    assert as_numbers.to_pylist() == expected(trades, length)


def test_bars_of_a_recording_hold_all_its_trades(world: RecordedWorld, frames: list[Frame]) -> None:
    world.receive(frames)
    world.seal()
    world.archive()
    found = collector.read.open(world.data_dir / "archive")
    trades, made = found.trades("BTCUSDT").arrow(), found.bars("BTCUSDT", every="1s").arrow()
    assert sum(made["trades"].to_pylist()) == trades.num_rows
    assert sum(made["volume"].to_pylist()) == pytest.approx(sum(trades["size"].to_pylist()))
    assert (made["open"][0].as_py(), made["close"][-1].as_py()) == (
        trades["price"][0].as_py(),
        trades["price"][-1].as_py(),
    )
    assert set(made["gap_id"].to_pylist()) == {None}


def test_bars_refuse_mark_and_split_as_rows_do(world: RecordedWorld, frames: list[Frame]) -> None:
    found = recorded_with_holes(world, frames, b"@trade", slice(100, 110))
    (row,) = found.trades("BTCUSDT").gaps
    with pytest.raises(collector.read.GapError):
        found.bars("BTCUSDT", gaps="raise").arrow()
    marked = found.bars("BTCUSDT", every="1h").arrow()
    assert marked["gap_id"].to_pylist() == [row.gap.gap_id]
    pieces = found.bars("BTCUSDT", every="1h", gaps="split").arrow()
    assert (pieces["piece"].to_pylist(), pieces["trades"].to_pylist()) == ([0, 1], [100, len(found.trades(
        "BTCUSDT", gaps="ignore").arrow()) - 100])  # fmt: skip
    assert found.bars("BTCUSDT", gaps="ignore").schema.equals(BAR_SCHEMA)


def test_a_bar_of_a_gap_without_trades_is_unknown_and_not_empty(tmp_path: Path) -> None:
    found = toy(tmp_path, gap(3, 8, kind="silence", expected_id=None, actual_id=None), numbers=(1, 20))
    rows = found.bars("BTC/USD", every="2s").arrow().to_pylist()
    starts = [(second_of(row), row["trades"], row["gap_id"] is not None) for row in rows]
    assert starts == [(0, 1, False), (2, None, True), (4, None, True), (6, None, True), (18, 1, False)]


def test_a_gap_that_lasts_reaches_to_the_last_bar_or_to_the_end_asked_for(tmp_path: Path) -> None:
    lasting = gap(3, None, kind="silence", expected_id=None, actual_id=None)
    found = toy(tmp_path, lasting, numbers=(1, 9))
    rows = found.bars("BTC/USD", every="2s").arrow().to_pylist()
    assert [(second_of(row), row["trades"]) for row in rows] == [(0, 1), (2, None), (4, None), (6, None), (8, 1)]
    assert [row["gap_id"] for row in rows] == [None, *[lasting.gap_id] * 4]
    longer = found.bars("BTC/USD", end=NOON_US + 13_000_000, every="2s").arrow().to_pylist()
    assert [second_of(row) for row in longer] == [0, 2, 4, 6, 8, 10, 12]


def test_a_gap_that_lasts_reaches_no_farther_than_now() -> None:
    lasting = LedgerRow("toy", "BTC/USD", gap(3, None))
    made = bars([table([(NOON_US, 1, 1, None)])], 1_000_000)
    window = Window(0, NOON_US + 10**12)
    (reach,) = reaches_of([lasting], ClockSkew([]), made, 1_000_000, window, NOON_US + 5_500_000)
    assert (reach.first_us, reach.until_us) == (NOON_US + 3_000_000, NOON_US + 6_000_000)


def test_bars_of_a_long_gap_are_made_some_thousand_at_a_time() -> None:
    """Of these gaps the first has 2.6 million bars, and the second lies within it."""
    gaps = [LedgerRow("toy", "BTC/USD", one) for one in (gap(0, 259_200, gap_id="a"), gap(1, 2, gap_id="b"))]
    made = bars([table([(NOON_US, 1, 1, None), (NOON_US + 1_500_000, 1, 1, None)])], 100_000)
    found = with_gaps(made, reaches_of(gaps, ClockSkew([]), made, 100_000, Window(), NOON_US), 100_000)
    first, second = next(found), next(found)
    assert first.num_rows == second.num_rows < 20_000
    assert first["gap_id"].to_pylist()[:21] == ["a"] * 10 + ["a b"] * 10 + ["a"]
    assert [row for row, count in enumerate(first["trades"].to_pylist()) if count] == [0, 15]
    starts = pa.concat_tables([first, second])["start"].cast(pa.int64()).to_pylist()
    assert starts == list(range(NOON_US, NOON_US + 100_000 * len(starts), 100_000))


@pytest.mark.parametrize(("ahead_us", "marked"), [(1_270_000, [3, 4, 5, 6]), (-1_270_000, [1, 2, 3, 4]), (0, [3, 4])])
def test_a_gap_reaches_farther_where_the_clocks_differ(tmp_path: Path, ahead_us: int, marked: list[int]) -> None:
    """What was fetched later tells nothing of the clocks."""
    times = [(id_, NOON_US + id_ * 1_000_000) for id_ in (1, 2, 3, 5, 6, 7)]
    messages = [message(0, id_, trade(id_), exchange_us=at_us + ahead_us) for id_, at_us in times]
    late = message(0, 4, trade(4), line=-1, received_us=NOON_US + 20_000_000, exchange_us=NOON_US + 4_500_000)
    between = gap(3, 5, missing=1, expected_id="4", actual_id="5")
    archive(DirectoryStore(tmp_path / "archive"), tmp_path / "a", [*messages, late], gaps=[("toy", "BTC/USD", between)])
    rows = collector.read.open(tmp_path / "archive").bars("BTC/USD", every="1s").arrow().to_pylist()
    assert [second_of(row) for row in rows if row["gap_id"]] == marked


def second_of(row: dict[str, Any]) -> float:
    """When a bar starts, in seconds after noon."""
    return float(row["start"].timestamp() - NOON_US / 1e6)


@pytest.mark.parametrize(("text", "length"), [("100ms", 100_000), ("1m", 60_000_000), ("2d", 172_800_000_000)])
def test_a_length_is_a_number_and_a_unit(text: str, length: int) -> None:
    assert every_us(text) == length


@pytest.mark.parametrize("text", ["", "1", "m", "0s", "-1s", "1.5s", "1 s", "1M"])
def test_anything_else_is_no_length(text: str) -> None:
    with pytest.raises(collector.read.QuestionError, match="such as 100ms or 1m"):
        every_us(text)
