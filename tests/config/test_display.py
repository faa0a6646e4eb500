import pickle
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.config.display import display, shown_name
from collector.config.load import load
from collector.domain.errors import ConfigError

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
    assert display(value) == text


def test_a_number_too_long_to_write_is_described() -> None:
    assert display(1 << 20_000) == "a number of 20001 bits"


def test_a_long_value_is_cut() -> None:
    assert len(display("x" * 10_000)) < 130
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
def test_only_the_scheme_is_shown_of_an_address_with_a_secret(url: str) -> None:
    for value in (url, [url], [[url]]):
        assert SECRET not in display(value)
        assert "***" in display(value)


def test_the_scheme_is_shown_in_errors() -> None:
    assert display(f"htp://u:{SECRET}@h") == '"htp://***"'


@given(st.text() | st.lists(st.text(), max_size=3) | st.floats() | st.integers())
def test_whatever_was_given_is_shown_on_one_printable_line(value: object) -> None:
    assert display(value).isprintable()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("COLLECTOR_HTTP__TOKEN", "planted"),
        ("COLLECTOR_HTTP__TOKEN", "planted with a space in it"),
        ("COLLECTOR_HTTP__PING_URL", "ftp://planted/planted"),
        ("COLLECTOR_HTTP__PING_URL", "https://planted@host/planted"),
    ],
)
def test_a_secret_that_is_refused_is_not_shown(variable: str, value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, {variable: value}, {"binance": ("book_snapshot", "book_delta", "trade")})
    (line,) = caught.value.problems
    assert f"*** (from {variable})" in line
    assert "planted" not in line


def test_a_secret_of_the_wrong_type_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[http]\ntoken = 123456789\n", "utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path, {}, {"binance": ("book_snapshot", "book_delta", "trade")})
    assert caught.value.problems == [
        f'http.token = *** (from {path}): must be 16 to 256 printable ASCII characters without spaces, or ""'
    ]


def test_a_configuration_does_not_show_its_secrets() -> None:
    config = load(
        None,
        {"COLLECTOR_HTTP__TOKEN": "planted-planted-", "COLLECTOR_HTTP__PING_URL": "https://host/planted?a=planted"},
        {"binance": ("book_snapshot", "book_delta", "trade")},
    )
    assert "planted" not in f"{config} {config!r}"
    assert pickle.loads(pickle.dumps(config)).http.token.value == "planted-planted-"
