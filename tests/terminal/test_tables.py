import io

import pytest
from rich.console import Console

from collector.terminal import tables


@pytest.mark.parametrize(
    ("encoding", "line", "bar"), [("utf-8", "▁▅█▁", "███░░░░░░░"), ("ascii", "_~#_", "###.......")]
)
def test_lines_and_bars_suit_the_terminal(encoding: str, line: str, bar: str) -> None:
    signs = tables.Signs(Console(file=io.TextIOWrapper(io.BytesIO(), encoding)))
    assert signs.spark([9.0, 0.0, 5.0, 10.0, 0.0], 4) == line
    assert signs.bar(0.3).plain == bar
    assert signs.spark([], 10) == ""
    assert signs.spark([0.0, 0.0], 10) == line[0] * 2


@pytest.mark.parametrize(
    ("encoding", "drawn"),
    [("utf-8", ["", "█▎", "██▌", "████▉", "█████"]), ("ascii", ["", "#", "##", "#####", "#####"])],
)
def test_the_length_of_a_bar_is_exact_as_far_as_the_terminal_can_show_it(encoding: str, drawn: list[str]) -> None:
    signs = tables.Signs(Console(file=io.TextIOWrapper(io.BytesIO(), encoding)))
    assert [signs.length(part, 5) for part in (0.0, 0.25, 0.49, 0.97, 7.0)] == drawn


@pytest.mark.parametrize(("part", "style"), [(0.2, "green"), (0.5, "yellow"), (1.0, "red"), (9.0, "red")])
def test_a_bar_turns_yellow_and_then_red(part: float, style: str) -> None:
    bar = tables.Signs(Console(file=io.StringIO())).bar(part)
    assert len(bar.plain) == 10
    assert bar.spans[0].style == style


@pytest.mark.parametrize(
    ("per_sec", "shown"), [(None, "-"), (0.0, "0/s"), (0.25, "0.2/s"), (9.96, "10.0/s"), (20_000.4, "20,000/s")]
)
def test_a_rate_has_a_decimal_while_that_says_something(per_sec: float | None, shown: str) -> None:
    assert tables.rate(per_sec) == shown


@pytest.mark.parametrize(
    ("secs", "shown"),
    [(None, "-"), (0, "0 ms"), (0.0204, "20 ms"), (1, "1.0 s"), (119.9, "119.9 s"), (120, "2 min"), (7_200, "2 h"),
     (90_000, "25 h"), (864_000, "10 d")],
)  # fmt: skip
def test_a_span_has_the_unit_that_suits_it(secs: float | None, shown: str) -> None:
    assert tables.span(secs) == shown


@pytest.mark.parametrize(
    ("size_bytes", "shown"),
    [(None, "-"), (0, "0 B"), (1_023, "1023 B"), (1_024, "1.0 KiB"), (5 * 2**30, "5.0 GiB"), (2**51, "2,048.0 TiB")],
)
def test_a_size_has_the_unit_that_suits_it(size_bytes: float | None, shown: str) -> None:
    assert tables.size(size_bytes) == shown
