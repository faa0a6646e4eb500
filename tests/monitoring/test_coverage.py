import zlib
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.domain.records import UNKNOWN, Gap, StreamKey
from collector.monitoring.coverage import CELL_SECS, CELLS, GAPS_OF_A_STREAM, NEWEST_GAPS, Coverage, CoveredGap
from collector.monitoring.coverage_cells import LOST, REPAIRED, ROWS, SETTLED, SILENT, proves_continuity, runs
from collector.monitoring.coverage_file import SAVE_GAPS_SECS, SAVE_SECS, CoverageFile
from collector.reports import StreamNumbers

CELL_US = CELL_SECS * 1_000_000
NOW_CELL = 6_000_000
NOW_US = NOW_CELL * CELL_US + CELL_US // 2
TRADES = StreamKey("binance", "BTCUSDT", "trade")
BOOKS = StreamKey("binance", "BTCUSDT", "book_snapshot")


def at(cells_ago: float) -> int:
    return NOW_US - round(cells_ago * CELL_US)


def row(key: StreamKey, received_us: int, durable_us: int | None = None) -> StreamNumbers:
    return StreamNumbers(*key, last_received_us=received_us, last_durable_us=durable_us or received_us)


def gap(
    key: StreamKey, started_us: int, ended_us: int | None, kind: str = "sequence", status: str = "unrepairable"
) -> CoveredGap:
    name, detected_us = f"{key}{started_us}", ended_us or started_us
    made = Gap(
        name, key.data_type, kind, "disconnect", None, None, None, started_us, ended_us, None, status, None, detected_us
    )
    return CoveredGap(key.exchange, key.symbol, made)


class Day:
    """A coverage and the clock it is looked at with."""

    def __init__(self, *keys: StreamKey) -> None:
        self.coverage = Coverage(keys or (TRADES, BOOKS))

    def look(
        self,
        now_us: int,
        rows: Iterable[StreamNumbers] = (),
        gaps: Iterable[CoveredGap] = (),
        silent: Iterable[StreamKey] = (),
    ) -> None:
        self.coverage.update(now_us, rows, [(g.exchange, g.symbol, g.gap) for g in gaps], [*silent])

    def record(self, key: StreamKey, first_ago: int, last_ago: int = 0) -> None:
        for ago in range(first_ago, last_ago - 1, -1):
            self.look(at(ago), [row(key, at(ago))])

    def runs(self, key: StreamKey = TRADES) -> str:
        """From the first cell on in which anything is known."""
        return runs(self.coverage.strips().cells[key].lstrip(b"\0"), proves=proves_continuity(key))


def test_nothing_is_known_before_the_recorder_ran() -> None:
    day = Day()
    day.look(NOW_US)
    assert day.runs() == ""
    assert day.coverage.strips().ended_us == (NOW_CELL + 1) * CELL_US


def test_rows_without_proving_ids_are_unverifiable() -> None:
    day = Day()
    day.record(TRADES, 5)
    day.record(BOOKS, 2)
    assert (day.runs(), day.runs(BOOKS)) == ("r6", "u3")


def test_the_day_moves_on_with_the_clock() -> None:
    day = Day()
    day.record(TRADES, CELLS + 20, CELLS - 10)
    day.look(NOW_US)
    assert day.runs() == f"r10.{CELLS - 10}"
    day.look(NOW_US + 2 * CELLS * CELL_US)
    assert day.runs() == ""


def test_a_clock_set_back_far_clears_the_cells() -> None:
    day = Day()
    day.record(TRADES, 2)
    day.look(at(5), [row(TRADES, at(5))])
    assert day.runs() == "r1.2r3"
    day.look(at(100), [row(TRADES, at(100))])
    assert day.runs() == "r1"


def test_cells_between_two_rows_are_recorded() -> None:
    day = Day()
    day.look(at(9), [row(TRADES, at(9))])
    day.look(NOW_US, [row(TRADES, at(3), NOW_US)])
    assert day.runs() == "r7.3"


def test_the_time_between_two_recorders_is_unknown() -> None:
    before, after = Day(), Day()
    before.record(TRADES, 20, 10)
    after.coverage.restore(before.coverage.saved())
    after.record(TRADES, 3)
    assert after.runs() == "r11.6r4"


def test_a_row_that_is_not_durable_does_not_count() -> None:
    day = Day()
    day.look(NOW_US, [StreamNumbers(*TRADES, last_received_us=NOW_US)])
    assert day.runs() == ""


@pytest.mark.parametrize("status", ["open", "unrepairable", "partly_repaired"])
def test_a_gap_shows_in_every_cell_it_overlaps(status: str) -> None:
    day = Day()
    day.record(TRADES, 9)
    day.look(NOW_US, gaps=[gap(TRADES, at(5), at(4), status=status)])
    assert day.runs() == "r4g2r4"


def test_a_repair_clears_its_own_gap_and_no_other() -> None:
    day = Day()
    day.record(TRADES, 9)
    first, second = gap(TRADES, at(5), at(3)), gap(TRADES, at(4), at(4))
    day.look(NOW_US, gaps=[first, second])
    assert day.runs() == "r4g3r3"
    mended = first.gap._replace(status="repaired", detected_at=NOW_US)
    day.look(NOW_US, gaps=[first, second, first._replace(gap=mended)])
    assert day.runs() == "r4p1g1p1r3"
    day.look(NOW_US, gaps=[first, second, first._replace(gap=mended)])
    assert day.runs() == "r4p1g1p1r3"
    assert [row.gap.status for row in day.coverage.strips().gaps] == ["unrepairable", "repaired"]


def test_an_open_gap_extends_into_each_new_cell() -> None:
    day = Day()
    lasting = gap(BOOKS, at(4), None, kind="silence", status="open")
    day.look(at(4), gaps=[lasting])
    day.look(at(1))
    assert day.runs(BOOKS) == "g4"
    day.look(NOW_US, gaps=[lasting._replace(gap=lasting.gap._replace(ended_at=at(2), detected_at=NOW_US))])
    assert day.runs(BOOKS) == "g3.2"


def test_an_older_gap_than_the_day_shows_only_where_it_reaches_in() -> None:
    day = Day()
    day.look(NOW_US, gaps=[gap(TRADES, at(CELLS + 50), at(CELLS - 2)), gap(BOOKS, at(CELLS + 50), at(CELLS + 1))])
    assert (day.runs(), day.runs(BOOKS)) == (f"g2.{CELLS - 2}", "")


@pytest.mark.parametrize("kind", ["reset", "out_of_order", "duplicate_conflict"])
def test_a_row_of_the_ledger_in_which_nothing_is_missing_is_no_gap(kind: str) -> None:
    day = Day()
    day.record(TRADES, 2)
    day.look(NOW_US, gaps=[gap(TRADES, at(1), at(1), kind=kind)])
    assert day.runs() == "r3"
    assert len(day.coverage.strips().gaps) == 1


def test_a_gap_of_unknown_stream_shows_at_streams_without_proof() -> None:
    day = Day()
    day.record(TRADES, 2)
    day.record(BOOKS, 2)
    unknown = StreamKey("binance", UNKNOWN, UNKNOWN)
    day.look(
        NOW_US, gaps=[gap(unknown, at(1), at(1), kind="undecodable"), gap(unknown._replace(exchange="x"), at(2), at(2))]
    )
    assert (day.runs(), day.runs(BOOKS)) == ("r3", "u1g1u1")


def test_a_stream_that_should_have_spoken_and_did_not_has_a_gap() -> None:
    day = Day()
    day.record(BOOKS, 3, 2)
    day.look(at(1), silent=[BOOKS])
    day.look(NOW_US, silent=[BOOKS])
    assert day.runs(BOOKS) == "u2g2"


def test_a_later_row_clears_a_silence_only_if_ids_prove_it() -> None:
    day = Day()
    for key in (TRADES, BOOKS):
        day.record(key, 3, 2)
        day.look(at(1), silent=[key])
        day.look(NOW_US, [row(key, NOW_US)])
    assert (day.runs(), day.runs(BOOKS)) == ("r4", "u2g1u1")


def test_many_gaps_of_a_stream_are_all_shown_and_few_remembered() -> None:
    day = Day(TRADES)
    day.look(NOW_US)
    gaps = [gap(TRADES, at(ago), at(ago)) for ago in range(CELLS - 1, -1, -1)]
    day.look(NOW_US, gaps=gaps)
    assert day.runs() == f"g{CELLS}"
    saved = day.coverage.saved()
    assert (len(saved.holes), len(saved.newest)) == (GAPS_OF_A_STREAM, NEWEST_GAPS)
    day.look(NOW_US, gaps=[gaps[-1]._replace(gap=gaps[-1].gap._replace(status="repaired", detected_at=1))])
    assert day.runs() == f"g{CELLS - 1}p1"


def test_unconfigured_streams_appear_with_their_first_row() -> None:
    day, other = Day(), StreamKey("binance", "ETHUSDT", "trade")
    day.look(NOW_US, [row(other, NOW_US), row(StreamKey("binance", UNKNOWN, "undecoded"), NOW_US)])
    assert set(day.coverage.strips().cells) == {TRADES, BOOKS, other}


def test_strips_do_not_change_when_more_is_known() -> None:
    day = Day()
    day.look(NOW_US)
    before = day.coverage.strips()
    copy = {**before.cells}
    day.record(TRADES, 0)
    assert before.cells == copy != day.coverage.strips().cells


@given(st.binary(max_size=CELLS).map(lambda cells: bytes(flags & 31 for flags in cells)), st.booleans())
def test_runs_tell_the_verdict_of_every_cell(cells: bytes, proves: bool) -> None:
    def verdict(flags: int) -> str:
        if flags & (LOST | SETTLED) or (flags & SILENT and not (proves and flags & ROWS)):
            return "g"
        return "p" if flags & REPAIRED else ("r" if proves else "u") if flags & ROWS else "."

    found = runs(cells, proves=proves)
    letters = [part for part in found if not part.isdigit()]
    counts = [int(part) for part in "".join(c if c.isdigit() else " " for c in found).split()]
    assert "".join(letter * count for letter, count in zip(letters, counts, strict=True)) == "".join(
        map(verdict, cells)
    )
    assert all(one != other for one, other in pairwise(letters))


def test_the_file_brings_back_what_was_known_and_repairs_go_on(tmp_path: Path) -> None:
    day, path = Day(), tmp_path / "run" / "coverage.json"
    day.record(TRADES, 9)
    lost = gap(TRADES, at(5), at(4))
    day.look(NOW_US, gaps=[lost])
    CoverageFile(path, day.coverage).save()
    again = Day()
    assert CoverageFile(path, again.coverage).load() == ""
    assert again.coverage.strips() == day.coverage.strips()
    again.look(NOW_US, gaps=[lost._replace(gap=lost.gap._replace(status="repaired", detected_at=NOW_US))])
    assert again.runs() == "r4p2r4"


def test_a_file_with_fewer_cells_is_carried_over(tmp_path: Path) -> None:
    """Such as one of a version that kept a single day."""
    day, path, width = Day(), tmp_path / "coverage.json", 288
    day.record(TRADES, 9)
    lost = gap(TRADES, at(5), at(4))
    day.look(NOW_US, gaps=[lost])
    saved = day.coverage.saved()
    cells = b"".join(cells[-width:] for cells in day.coverage.strips().cells.values())
    saved.cells, saved.first = zlib.compress(cells), saved.first + CELLS - width
    path.write_bytes(msgspec.json.encode(saved))
    again = Day()
    assert CoverageFile(path, again.coverage).load() == ""
    assert again.coverage.strips() == day.coverage.strips()


def test_the_first_known_cell_is_that_of_all_streams() -> None:
    day = Day()
    assert day.coverage.strips().known_cells == 0
    day.record(BOOKS, 30, 28)
    day.record(TRADES, 3)
    assert day.coverage.strips().known_cells == 31
    again = Day()
    again.coverage.restore(day.coverage.saved())
    assert again.coverage.strips().known_cells == 31
    day.look(NOW_US + (CELLS - 31) * CELL_US)
    assert day.coverage.strips().known_cells == CELLS
    day.look(NOW_US + 3 * CELLS * CELL_US)
    assert day.coverage.strips().known_cells == 0


def test_a_recorder_without_the_file_begins_with_nothing(tmp_path: Path) -> None:
    assert CoverageFile(tmp_path / "coverage.json", Day().coverage).load() == ""


@pytest.mark.parametrize(
    "damage", [lambda b: b"", lambda b: b[: len(b) // 2], lambda b: b"\xff" + b, lambda b: b.replace(b"300", b"60"), lambda b: b"{}"]
)  # fmt: skip
def test_a_file_that_makes_no_sense_is_said_and_passed_over(tmp_path: Path, damage: object) -> None:
    day, path = Day(), tmp_path / "coverage.json"
    day.record(TRADES, 9)
    CoverageFile(path, day.coverage).save()
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    again = Day()
    assert CoverageFile(path, again.coverage).load()
    again.look(NOW_US)
    assert again.runs() == ""


def test_it_is_saved_each_minute_and_sooner_with_new_gaps(tmp_path: Path) -> None:
    day, path, now_secs = Day(), tmp_path / "coverage.json", [0.0]
    file = CoverageFile(path, day.coverage, lambda: now_secs[0])
    for at_secs, gaps, expected in (
        (SAVE_SECS - 1, [], False),
        (SAVE_SECS, [], True),
        (SAVE_SECS + SAVE_GAPS_SECS, [], False),
        (SAVE_SECS + SAVE_GAPS_SECS + 1, [gap(TRADES, at(1), at(1))], True),
        (2 * SAVE_SECS, [], False),
    ):
        now_secs[0] = at_secs
        day.look(NOW_US, gaps=gaps)
        file.save_if_due()
        assert path.exists() == expected, at_secs
        path.unlink(missing_ok=True)
