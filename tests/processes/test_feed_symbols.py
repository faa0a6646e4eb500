"""What other processes than ingest know of a feed's symbols."""

from pathlib import Path

from collector.config import Config, FeedConfig
from collector.domain.records import StreamKey
from collector.domain.symbol_choice import Choice
from collector.processes.feed_symbols import FeedSymbols
from collector.processes.repair.book_checkpoints import BookCheckpoints
from collector.processes.rest_adapters import feeds_of_streams
from collector.storage.chosen_files import chosen_file, write_choice

PAIRS = FeedConfig(name="pairs", symbols=("SOLUSDC", "*USDT"), exclude=("X*",), data_types=("trade",))
EXACT = FeedConfig(symbols=("BTCUSDC",), data_types=("trade",))


def trade(symbol: str) -> StreamKey:
    return StreamKey("binance", symbol, "trade")


def test_the_symbols_are_those_that_ingest_chose_last(tmp_path: Path) -> None:
    symbols = FeedSymbols(tmp_path, PAIRS)
    assert symbols.now() == ("SOLUSDC",)
    write_choice(tmp_path, "pairs", Choice(("SOLUSDC", "BTCUSDT")))
    known = symbols.now()
    assert known == ("SOLUSDC", "BTCUSDT")
    write_choice(tmp_path, "pairs", Choice(("SOLUSDC", "BTCUSDT"), 5, {"BTCUSDT": 7}))
    assert symbols.now() is known
    write_choice(tmp_path, "pairs", Choice(("SOLUSDC",)))
    assert symbols.now() == ("SOLUSDC",)


def test_a_choice_of_nothing_is_a_choice(tmp_path: Path) -> None:
    symbols = FeedSymbols(tmp_path, PAIRS)
    write_choice(tmp_path, "pairs", Choice(("BTCUSDT",)))
    assert symbols.now() == ("BTCUSDT",)
    write_choice(tmp_path, "pairs", Choice())
    assert symbols.now() == ()


def test_a_choice_that_cannot_be_read_changes_nothing(tmp_path: Path) -> None:
    symbols = FeedSymbols(tmp_path, PAIRS)
    write_choice(tmp_path, "pairs", Choice(("BTCUSDT",)))
    known = symbols.now()
    chosen_file(tmp_path, "pairs").unlink()
    chosen_file(tmp_path, "pairs").write_bytes(b"{")
    assert symbols.now() is known


def test_a_feed_of_exact_symbols_has_those_whatever_a_file_says(tmp_path: Path) -> None:
    write_choice(tmp_path, "binance", Choice(("ETHUSDT",)))
    assert FeedSymbols(tmp_path, EXACT).now() == ("BTCUSDC",)


def test_a_stream_belongs_to_the_feed_that_may_bring_it_listed_or_not() -> None:
    feed_of = feeds_of_streams(Config(feed=(PAIRS, EXACT)))
    assert [feed_of.get(trade(symbol)) for symbol in ("BTCUSDT", "SOLUSDC", "BTCUSDC", "XUSDT", "ETHUSDC")] == [
        "pairs", "pairs", "binance", None, None,
    ]  # fmt: skip
    assert feed_of.get(StreamKey("binance", "BTCUSDT", "book_delta")) is None
    assert feed_of.get(StreamKey("kraken", "BTCUSDT", "trade")) is None
    assert trade("GONEUSDT") in feed_of


def test_books_of_new_symbols_are_fetched_at_their_own_times(tmp_path: Path) -> None:
    symbols = ["A"]
    checkpoints = BookCheckpoints(tmp_path / "checkpoints.json", lambda: tuple(symbols), 3_600.0, 0)
    hour_us = 3_600_000_000
    assert checkpoints.due(hour_us) == ["A"]
    checkpoints.note("A", hour_us)
    symbols.append("B")
    assert checkpoints.due(hour_us) == []
    assert sorted(checkpoints.due(3 * hour_us)) == ["A", "B"]
