"""--check compares symbols with what a server lists; it needs no list to be content."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.config import Config, FeedConfig, HttpConfig, JournalConfig, RepairConfig
from collector.domain.errors import ConfigError
from collector.supervision import symbol_check
from collector.supervision.preflight import check, require_usable
from tests.bybit_lists import BybitLists
from tests.ports import keep_port


@pytest.fixture
def server() -> Iterator[BybitLists]:
    with BybitLists() as server:
        yield server


def config(folder: Path, *feeds: FeedConfig) -> Config:
    return Config(data_dir=folder, feed=feeds, journal=JournalConfig(min_free_bytes=0), http=HttpConfig(port=0))


def feed(url: str, *symbols: str, exclude: tuple[str, ...] = (), name: str = "") -> FeedConfig:
    return FeedConfig(
        exchange="bybit_linear", symbols=symbols, exclude=exclude, data_types=("trade",), rest_url=url, name=name
    )


def told(lines: list[str], *kinds: str) -> list[str]:
    return [line for line in lines if line.split()[0] in kinds]


def test_listed_symbols_are_fine(tmp_path: Path, server: BybitLists) -> None:
    lines = check(config(tmp_path, feed(server.endpoint_url, "BTCUSDT", "ETHUSDT")))
    assert told(lines, "symbols", "warning") == ["symbols   bybit_linear: all are listed by bybit_linear"]


def test_every_unknown_symbol_is_an_error_with_the_nearest_spelling(tmp_path: Path, server: BybitLists) -> None:
    with pytest.raises(ConfigError) as caught:
        check(config(tmp_path, feed(server.endpoint_url, "BTCUSD", "BTCUSDT", "XXXXXXX")))
    assert caught.value.problems == [
        "feed[0].symbols = 'BTCUSD': is not listed by bybit_linear; did you mean BTCUSDT?",
        "feed[0].symbols = 'XXXXXXX': is not listed by bybit_linear",
    ]


def test_a_symbol_that_does_not_trade_is_a_warning(tmp_path: Path, server: BybitLists) -> None:
    lines = check(config(tmp_path, feed(server.endpoint_url, "LUNAUSDT")))
    assert told(lines, "warning") == ["warning   bybit_linear: listed, but not trading now: LUNAUSDT"]


def test_a_pattern_says_how_many_match_and_the_first_of_them(tmp_path: Path, server: BybitLists) -> None:
    lines = check(config(tmp_path, feed(server.endpoint_url, "BTC*", exclude=("*PERP",))))
    assert told(lines, "symbols") == ["symbols   bybit_linear: 2 of 5 match BTC*: BTC-26DEC26 BTCUSDT"]
    assert told(lines, "feed") == [
        "feed      bybit_linear: bybit_linear, 2 symbols x 1 data types = 2 streams on 1 connections"
    ]


@pytest.mark.parametrize(
    ("symbols", "exclude", "expected"),
    [
        (("*FOO",), (), "nothing that trades matches *FOO"),
        (("BTCUSDT", "*FOO"), (), "nothing that trades matches *FOO"),
        (("LUNA*",), (), "nothing that trades matches LUNA*"),
        (("*",), ("*",), "nothing that trades matches * but *"),
        (("top:3",), ("*USDT", "BTC*"), "nothing that trades matches top:3 but *USDT BTC*"),
    ],
)
def test_an_entry_that_would_record_nothing_is_a_warning(
    tmp_path: Path, server: BybitLists, symbols: tuple[str, ...], exclude: tuple[str, ...], expected: str
) -> None:
    lines = check(config(tmp_path, feed(server.endpoint_url, *symbols, exclude=exclude)))
    assert told(lines, "warning") == [f"warning   bybit_linear: {expected}"]
    (line,) = told(lines, "symbols")
    assert line.endswith(f" match {' '.join(symbols)}" if symbols != ("BTCUSDT", "*FOO") else ": BTCUSDT")


def test_the_most_traded_are_found(tmp_path: Path, server: BybitLists) -> None:
    lines = check(config(tmp_path, feed(server.endpoint_url, "top:2")))
    assert told(lines, "symbols") == ["symbols   bybit_linear: 2 of 5 match top:2: BTCUSDT ETHUSDT"]


def test_feeds_of_one_exchange_ask_it_once(tmp_path: Path, server: BybitLists) -> None:
    url = server.endpoint_url
    check(config(tmp_path, feed(url, "BTCUSDT"), feed(url, "ETHUSDT", name="more")))
    assert len(server.asked) == 3


def test_an_exchange_that_cannot_be_reached_is_a_warning(tmp_path: Path) -> None:
    with keep_port() as keeper:
        url = f"http://127.0.0.1:{keeper.getsockname()[1]}"
        lines = check(config(tmp_path, feed(url, "NOBODY"), feed(url, "*USDT", name="pairs")))
    first, second = told(lines, "warning")
    assert first.startswith(
        "warning   bybit_linear: symbols were not compared with the exchange's list: bybit_linear gave"
    )
    assert second.startswith("warning   pairs: symbols are not known: bybit_linear gave no answer: ")


def test_an_exchange_that_does_not_answer_in_time_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(symbol_check, "ANSWER_SECS", 0.1)
    with keep_port() as silent:
        silent.listen()
        lines = check(config(tmp_path, feed(f"http://127.0.0.1:{silent.getsockname()[1]}", "BTCUSDT")))
    (line,) = told(lines, "warning")
    assert line.endswith(": no answer within 0 s")


def test_the_real_exchange_is_not_asked_for_the_symbols_of_another_server(tmp_path: Path) -> None:
    elsewhere = FeedConfig(exchange="bybit_linear", data_types=("trade",), ws_url="ws://127.0.0.1:1")
    (line,) = told(check(config(tmp_path, elsewhere)), "warning")
    assert line.endswith(": not asked: feed.ws_url is set and feed.rest_url is not")


def test_a_check_leaves_no_folder_behind(tmp_path: Path, server: BybitLists) -> None:
    check(config(tmp_path / "deep" / "data", feed(server.endpoint_url, "BTCUSDT")))
    assert list(tmp_path.iterdir()) == []


def test_patterns_need_repair_which_fetches_the_list(tmp_path: Path) -> None:
    pairs = FeedConfig(exchange="bybit_linear", symbols=("*USDT",), data_types=("trade",))
    with pytest.raises(ConfigError) as caught:
        require_usable(Config(data_dir=tmp_path, feed=(pairs,), repair=RepairConfig(enabled=False)))
    assert caught.value.problems == [
        "feed[0].symbols: patterns and top:N need repair.enabled = true: repair fetches the exchange's list"
    ]
    elsewhere = FeedConfig(
        exchange="bybit_linear", symbols=("*USDT",), data_types=("trade",), ws_url="ws://127.0.0.1:1"
    )
    with pytest.raises(ConfigError) as caught:
        require_usable(Config(data_dir=tmp_path, feed=(elsewhere,)))
    assert caught.value.problems == [
        "feed[0].symbols: patterns and top:N need feed.rest_url beside feed.ws_url: repair fetches the exchange's list"
    ]


def test_polled_data_types_need_repair(tmp_path: Path) -> None:
    listed = FeedConfig(exchange="bybit_linear", symbols=("BTCUSDT",), data_types=("trade", "instrument"))
    with pytest.raises(ConfigError) as caught:
        require_usable(Config(data_dir=tmp_path, feed=(listed,), repair=RepairConfig(enabled=False)))
    assert caught.value.problems == [
        "feed[0].data_types = 'instrument': needs repair.enabled = true: repair polls it"
    ]  # fmt: skip
    require_usable(Config(data_dir=tmp_path, feed=(listed,)))
