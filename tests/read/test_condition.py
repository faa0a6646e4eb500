"""Each day of a stream has its condition: available, degraded, pending or missing, and what is proven of its seconds."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import collector.read
from collector.domain.records import StreamKey
from collector.read.condition import CONDITION_SCHEMA, conditions, day_condition, extent
from collector.read.ledger.gaps import LedgerRow
from collector.read.pieces import Piece
from collector.read.spans import clipped, secs, union, without
from collector.read.window import Window
from collector.storage.store.deleting import DeletingDirectoryStore
from tests.read.recorded_world import Frame, RecordedWorld
from tests.storage.archive import old_archive
from tests.storage.segment.segment_files import DAY_US, NOON_US, make_gap

TRADES = StreamKey("binance", "BTCUSDT", "trade")
TICKER = TRADES._replace(data_type="book_ticker")
MIDNIGHT_US = NOON_US - DAY_US // 2
LATER_US = MIDNIGHT_US + 30 * DAY_US
HOUR_US = 3_600_000_000

SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=8)


def piece(start_us: int, end_us: int, **changed: Any) -> Piece:
    """Rows from the one time to the other."""
    made = Piece(
        TRADES,
        "host-1",
        "20261123T120000Z-4f2a9c",
        "archive",
        "key",
        10,
        100,
        start_us,
        end_us - 1,
        "2026-11-23",
        None,
        "",
    )
    return made._replace(**changed)


def whole_day(**changed: Any) -> Piece:
    return piece(MIDNIGHT_US, MIDNIGHT_US + DAY_US, **changed)


def gap(start_us: int, end_us: int | None, **changed: Any) -> LedgerRow:
    made = make_gap(started_at=start_us, ended_at=end_us, stream_type="trade", **changed)
    return LedgerRow("binance", "BTCUSDT", made)


def the_day(
    *rows: LedgerRow, pieces: list[Piece] | None = None, stream: StreamKey = TRADES, now_us: int = LATER_US
) -> Any:
    """Its state, and verified, unverifiable, broken and absent seconds."""
    asked = Window(MIDNIGHT_US, MIDNIGHT_US + DAY_US)
    (row,) = conditions(stream, [whole_day()] if pieces is None else pieces, rows, asked, now_us)
    return row["state"], *(row[f"{name}_secs"] for name in ("verified", "unverifiable", "broken", "absent"))


def test_a_whole_day_is_verified_where_ids_prove_it() -> None:
    assert the_day() == ("available", 86_400, 0, 0, 0)
    assert the_day(stream=TICKER) == ("available", 0, 86_400, 0, 0)


def test_a_loss_breaks_its_seconds_and_a_silence_leaves_them_unverifiable() -> None:
    lost = gap(NOON_US, NOON_US + HOUR_US)
    assert the_day(lost) == ("degraded", 82_800, 0, 3_600, 0)
    assert the_day(gap(NOON_US, NOON_US + HOUR_US, status="repaired")) == ("available", 86_400, 0, 0, 0)
    assert the_day(gap(NOON_US, NOON_US + HOUR_US, kind="reset")) == ("available", 86_400, 0, 0, 0)
    silence = gap(NOON_US, None, kind="silence")
    assert the_day(silence) == ("degraded", 43_200, 43_200, 0, 0)
    assert the_day(gap(NOON_US, NOON_US, missing=1)) == ("degraded", 86_400, 0, 0, 0)


def test_before_the_first_and_behind_the_last_row_nothing_is_known() -> None:
    half = piece(NOON_US - HOUR_US, NOON_US + HOUR_US)
    assert the_day(pieces=[half]) == ("degraded", 7_200, 0, 0, 79_200)


def test_a_day_that_is_not_over_or_not_archived_is_pending() -> None:
    assert the_day(now_us=MIDNIGHT_US + DAY_US // 2)[0] == "pending"
    assert the_day(pieces=[whole_day(place="staged")])[0] == "pending"
    assert the_day(pieces=[whole_day(place="sealed", date="")])[0] == "pending"


def test_a_day_without_rows_is_missing_unless_none_were_to_be_had() -> None:
    around = [piece(MIDNIGHT_US - DAY_US, MIDNIGHT_US, date="2026-11-22"),
              piece(MIDNIGHT_US + DAY_US, MIDNIGHT_US + 2 * DAY_US, date="2026-11-24")]  # fmt: skip
    assert the_day(pieces=around) == ("available", 86_400, 0, 0, 0)
    lost = gap(MIDNIGHT_US - HOUR_US, MIDNIGHT_US + 2 * DAY_US, kind="budget")
    assert the_day(lost, pieces=around) == ("missing", 0, 0, 86_400, 0)


def test_days_are_those_of_the_window_or_of_the_rows() -> None:
    rows = list(conditions(TRADES, [whole_day()], [], Window(), LATER_US))
    assert [row["date"] for row in rows] == [MIDNIGHT_US // DAY_US]
    asked = Window(MIDNIGHT_US - DAY_US, MIDNIGHT_US + 2 * DAY_US)
    states = [row["state"] for row in conditions(TRADES, [whole_day()], [], asked, LATER_US)]
    assert states == ["missing", "available", "missing"]
    assert list(conditions(TRADES, [], [], Window(), LATER_US)) == []


def test_one_day_is_judged_whole_also_where_no_row_is_left() -> None:
    half = [piece(NOON_US, MIDNIGHT_US + DAY_US)]
    row = day_condition(TRADES, half, extent(half), [], MIDNIGHT_US // DAY_US, LATER_US)
    assert (row["state"], row["verified_secs"], row["absent_secs"]) == ("degraded", 43_200, 43_200)
    pruned = gap(MIDNIGHT_US, MIDNIGHT_US + DAY_US, kind="pruned", status="unrepairable")
    row = day_condition(TRADES, [], [], [pruned], MIDNIGHT_US // DAY_US, LATER_US)
    assert (row["state"], row["broken_secs"], row["absent_secs"]) == ("missing", 86_400, 0)


@given(SPANS, SPANS)
def test_stretches_are_what_their_moments_are(spans: list[tuple[int, int]], others: list[tuple[int, int]]) -> None:
    def moments(of: list[tuple[int, int]]) -> set[int]:
        return {moment for start, end in of for moment in range(start, end)}

    assert moments(union(spans)) == moments(spans)
    assert moments(without(spans, others)) == moments(spans) - moments(others)
    assert moments(clipped(spans, 10, 20)) == moments(spans) & set(range(10, 20))
    assert secs(spans) == len(moments(spans)) / 1e6


def test_an_archive_tells_the_condition_of_what_was_recorded(world: RecordedWorld, frames: list[Frame]) -> None:
    world.receive(frames[:1_000])
    world.seal()
    world.archive()
    found = collector.read.open(world.data_dir / "archive", data_dir=world.data_dir)
    (row,) = found.condition(data_type="trade").arrow().to_pylist()
    assert (row["date"], row["state"], row["unverifiable_secs"], row["gaps"]) == (date(2024, 8, 8), "available", 0, 0)
    assert row["verified_secs"] == pytest.approx(9.2, abs=1)
    world.receive(frames[1_000:2_000])
    world.commit()
    states = {row["data_type"]: row["state"] for row in found.condition().arrow().to_pylist()}
    assert states == dict.fromkeys(("book_delta", "book_ticker", "trade"), "pending")
    assert found.condition(symbol="ETHUSDT").arrow().schema.equals(CONDITION_SCHEMA)


def test_pruned_days_are_missing(tmp_path: Path) -> None:
    store = DeletingDirectoryStore(tmp_path / "archive")
    old_archive.fill(store, tmp_path / "made")
    old_archive.pruned(store)
    table = collector.read.open(tmp_path / "archive").condition("2026-11-23", "2026-11-26", data_type="trade").arrow()
    assert table["state"].to_pylist() == ["missing", "missing", "degraded"]
