from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.config.shown import shown, shown_name

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", '"a"'),
        ("币安", '"币安"'),
        ('say "x"', r'"say \"x\""'),
        (5, "5"),
        (0.5, "0.5"),
        (True, "true"),
        (float("nan"), "nan"),
        (["a", 1, False], '["a", 1, false]'),
        ({"a": 1}, "a table"),
        (date(2026, 1, 2), "2026-01-02"),
        ("a\x1b[31m\n", r'"a\u001b[31m\n"'),
        ("\udc80", r'"\udc80"'),
    ],
)
def test_a_value_is_written_much_as_in_the_file(value: object, text: str) -> None:
    assert shown(value) == text


def test_a_number_too_long_to_write_is_described() -> None:
    assert shown(1 << 20_000) == "a number of 20001 bits"


def test_a_long_value_is_cut() -> None:
    assert len(shown("x" * 10_000)) < 130
    assert len(shown_name("x" * 10_000)) < 130


@pytest.mark.parametrize(
    "url",
    [
        f"wss://bob:{SECRET}@host/ws",
        f"wss://{SECRET}@host",
        f"https://host/?key={SECRET}",
        f"https://host/x#{SECRET}",
        f"wss:/bob:{SECRET}@host",
        f"bob:{SECRET}@host",
        f"wss://bob:{SECRET}/x@host",
        f"wss://bob:a?{SECRET}@host?b=@c",
        f"wss://host:12/{SECRET}@x?a#b",
    ],
)
def test_of_an_address_with_a_secret_only_the_scheme_is_shown(url: str) -> None:
    for value in (url, [url], [[url]]):
        assert SECRET not in shown(value)
        assert "***" in shown(value)


def test_the_scheme_stays_because_it_may_be_what_is_wrong() -> None:
    assert shown(f"htp://u:{SECRET}@h") == '"htp://***"'


@given(st.text() | st.lists(st.text(), max_size=3) | st.floats() | st.integers())
def test_whatever_was_given_is_shown_on_one_printable_line(value: object) -> None:
    assert shown(value).isprintable()
