"""Moments as people write them; the tools take them all alike."""

import argparse
from time import time_ns

import pytest

from collector.cli import main
from collector.tools import moments

NOON_US = 1_795_435_200_000_000  # 2026-11-23T12:00:00Z


@pytest.mark.parametrize(
    ("text", "time_us"),
    [
        ("2026-11-23T12:00", NOON_US),
        ("2026-11-23T14:00+02:00", NOON_US),
        ("2026-11-23T12:00:00.000001Z", NOON_US + 1),
        ("2026-11-23", NOON_US - 12 * 3_600_000_000),
        ("0001-01-01", -62_135_596_800_000_000),
        ("9999-12-31T23:59:59.999999", 253_402_300_799_999_999),
    ],
)
def test_a_time_is_utc_unless_it_says_otherwise(text: str, time_us: int) -> None:
    assert moments.moment_us(text) == time_us


def test_a_moment_may_be_given_as_time_ago() -> None:
    before_us = time_ns() // 1_000
    for text, ago_secs in (("30min", 1_800), ("24h", 86_400), ("7d", 604_800)):
        assert before_us <= moments.moment_us(text) + ago_secs * 1_000_000 <= time_ns() // 1_000


def test_a_moment_is_written_as_in_manifests() -> None:
    assert moments.moment("2026-11-23T14:00+02:00") == "2026-11-23T12:00:00.000000Z"
    assert moments.moment("0001-01-01") == "0001-01-01T00:00:00.000000Z"


@pytest.mark.parametrize("text", ["999999d", "0001-01-01T00:00+02:00", "9999-12-31T23:59-02:00"])
def test_a_moment_outside_the_calendar_is_refused(text: str) -> None:
    for parse in (moments.moment_us, moments.moment):
        with pytest.raises(argparse.ArgumentTypeError, match="lies outside the years 1 to 9999"):
            parse(text)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "24", "-1d", "1234567d", "٣d"])
def test_a_text_that_is_not_a_moment_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is neither a time like 2026-11-23T14:00 nor 30min, 24h, 7d"):
        moments.moment_us(text)


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("gaps", ["--since", "999999d"]),
        ("books", ["--from", "999999d"]),
        ("restore", ["--from", "999999d"]),
    ],
)
def test_every_tool_refuses_a_moment_outside_the_calendar_with_exit_2(
    tool: str, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main([tool, *arguments])
    assert end.value.code == 2
    assert capsys.readouterr().err.endswith("'999999d' lies outside the years 1 to 9999\n")
