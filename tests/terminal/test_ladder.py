import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from collector.terminal.ladder import Ladder, ladder, room_for

AT = datetime(2026, 11, 23, 14, 0, 0, 123_456, tzinfo=UTC)
ASKS = [(64_000.5 + step, 0.25 * (step + 1)) for step in range(60)]
BIDS = [(64_000.25 - step, 0.125) for step in range(60)]
BOOK = Ladder("binance BTCUSDT", AT, AT - timedelta(seconds=2), BIDS, ASKS, 81_402_976_835, True, (1_000, 998))


def console_of(columns: int, lines: int, encoding: str = "utf-8") -> Console:
    file = io.TextIOWrapper(io.BytesIO(), encoding)
    return Console(width=columns, height=lines, record=True, file=file, force_terminal=True)


def drawn(book: Ladder, columns: int, lines: int = 24, levels: int = 60, encoding: str = "utf-8") -> list[str]:
    console = console_of(columns, lines, encoding)
    console.print(ladder(book, console, min(levels, room_for(console)), AT))
    return [line.rstrip() for line in console.export_text().splitlines()]


def test_asks_stand_above_bids_and_the_best_of_both_in_the_middle() -> None:
    frame = drawn(BOOK, 80, levels=2)
    assert [line.split()[:3] for line in frame[3:5]] == [
        ["64,001.50", "0.500", "0.750"],
        ["64,000.50", "0.250", "0.250"],
    ]
    assert frame[5].startswith("── mid 64,000.375 · spread 0.25 · 0.0391 bp ──")
    assert [line.split()[:3] for line in frame[6:]] == [
        ["64,000.25", "0.125", "0.125"],
        ["63,999.25", "0.125", "0.250"],
    ]


def test_the_head_says_how_old_how_deep_and_whether_proven() -> None:
    assert drawn(BOOK, 80)[:2] == [
        "binance BTCUSDT  2026-11-23 14:00:00.123 UTC",
        "verified · 2.0 s old · known to 1,000 bids, 998 asks · id 81402976835",
    ]
    assert drawn(BOOK._replace(verified=False, last_id=None, known_depth=None), 80)[1] == "unverifiable · 2.0 s old"


@pytest.mark.parametrize(("columns", "lines"), [(140, 50), (80, 24), (40, 20), (24, 14), (12, 8)])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_ladder_fits_every_terminal(columns: int, lines: int, encoding: str) -> None:
    frame = drawn(BOOK._replace(foot="Ctrl-C ends this view"), columns, lines, encoding=encoding)
    assert max(map(len, frame)) <= columns
    assert len(frame) <= lines
    assert len(frame) >= lines - 2
    assert "64,000.50" in "\n".join(frame)
    assert encoding == "utf-8" or "\n".join(frame).isascii()


def test_the_longest_bar_is_that_of_the_largest_size() -> None:
    lengths = [len(line) - len(line.rstrip("█▏▎▍▌▋▊▉")) for line in drawn(BOOK, 80, levels=4)[3:7]]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] > 3 * lengths[3] > 0


def test_a_book_that_is_not_known_shows_why_and_no_number() -> None:
    unknown = Ladder("binance BTCUSDT", AT, because=["14:00 to now: sequence, cause disconnect"])
    frame = drawn(unknown, 80)
    assert frame[1] == "unknown"
    assert frame[3:] == [
        "  14:00 to now: sequence, cause disconnect",
        "  It is known again from the next whole book on.",
    ]
    assert "0.0" not in "\n".join(frame[1:])
    assert drawn(unknown._replace(because=()), 80)[3] == "  no whole book was recorded that it would follow from"


def test_a_side_without_levels_is_said_and_has_no_middle() -> None:
    frame = drawn(BOOK._replace(asks=[]), 40, levels=1)
    assert frame[3:5] == ["  no levels", "─" * 40]


def test_what_an_exchange_names_cannot_steer_the_terminal() -> None:
    assert "\x1b" not in "\n".join(drawn(BOOK._replace(name="binance B\x1b]0;owned\x07T"), 80))
