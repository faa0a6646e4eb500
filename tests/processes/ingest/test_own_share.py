"""An edge records its share of the symbols, and streams join and leave without a hole in any other."""

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from collector.config import Config, FeedConfig
from collector.config.model import NatsConfig
from collector.domain.sharing import Share, View
from collector.processes.ingest.own_share import OwnShare
from collector.storage.share_files import share_file, write_share
from tests.processes.ingest.changing import Exchange, Feed, chosen_symbols, is_unbroken, listed
from tests.processes.ingest.ingest_harness import wait_for

Start = Callable[..., Feed]

SYMBOLS = ("AUSDT", "BUSDT", "CUSDT", "DUSDT")
BOTH = View(("me", "other"), 1)
ALONE = View(("me",), 0)
OWN = tuple(symbol for symbol in SYMBOLS if BOTH.owners("f", symbol) == ("me",))
GIVEN = tuple(symbol for symbol in SYMBOLS if symbol not in OWN)
EDGE = {"role": "edge", "host_name": "me", "nats": NatsConfig(urls=("nats://127.0.0.1:4222",))}


def recording(start: Start, *symbols: str) -> Feed:
    feed = start("*USDT", settings=EDGE)
    wait_for(lambda: all(map(feed.trades, symbols)))
    return feed


def follows(feed: Feed, number: int) -> bool:
    return bool(feed.reports) and feed.reports[-1].share_number == number


def test_the_symbols_of_the_tests_go_to_both_edges() -> None:
    assert OWN
    assert GIVEN


def test_an_edge_without_a_share_records_everything(start: Start, tmp_path: Path, exchange: Exchange) -> None:
    listed(tmp_path, *SYMBOLS)
    feed = recording(start, *SYMBOLS)
    assert feed.reports[-1].share_number == 0
    assert sorted(exchange.asked) == ["AUSDT,BUSDT,CUSDT", "DUSDT"]


def test_an_edge_records_its_share_of_what_the_patterns_match(start: Start, tmp_path: Path, exchange: Exchange) -> None:
    listed(tmp_path, *SYMBOLS)
    write_share(tmp_path, 1, Share("me", BOTH))
    feed = recording(start, *OWN)
    wait_for(lambda: follows(feed, 1))
    assert sorted(",".join(exchange.asked).split(",")) == sorted(OWN)
    wait_for(lambda: chosen_symbols(tmp_path) == SYMBOLS)


def test_what_an_edge_takes_over_is_begun_beside_what_it_has(start: Start, tmp_path: Path, exchange: Exchange) -> None:
    listed(tmp_path, *SYMBOLS)
    write_share(tmp_path, 1, Share("me", BOTH))
    feed = recording(start, *OWN)
    asked = list(exchange.asked)
    write_share(tmp_path, 2, Share("me", ALONE))
    wait_for(lambda: all(map(feed.trades, GIVEN)))
    wait_for(lambda: follows(feed, 2))
    assert exchange.asked[: len(asked)] == asked
    assert feed.disconnects() == []
    for symbol in SYMBOLS:
        assert is_unbroken(feed.trades(symbol))


def test_what_an_edge_gives_away_it_brings_until_told_and_then_no_more(
    start: Start, tmp_path: Path, exchange: Exchange
) -> None:
    listed(tmp_path, *SYMBOLS)
    write_share(tmp_path, 1, Share("me", ALONE))
    feed = recording(start, *SYMBOLS)
    write_share(tmp_path, 2, Share("me", BOTH, held=(ALONE,)))
    wait_for(lambda: follows(feed, 2))
    assert feed.event("symbols_changed") == []
    write_share(tmp_path, 3, Share("me", BOTH, held=(ALONE,), ready=("other",)))
    wait_for(lambda: follows(feed, 3))
    wait_for(lambda: {line.plan for line in feed.reports[-1].lines if line.state == "open"} and not late(exchange))
    assert [event["left"] for event in feed.event("symbols_changed")] == [sorted(GIVEN)]
    for symbol in OWN:
        assert is_unbroken(feed.trades(symbol))


def late(exchange: Exchange) -> set[str]:
    """Symbols given away that a connection still brings."""
    return exchange.open_symbols() & set(GIVEN)


def test_an_edge_may_have_nothing_to_record_at_first_and_later_again(
    start: Start, tmp_path: Path, exchange: Exchange
) -> None:
    listed(tmp_path, *GIVEN)
    write_share(tmp_path, 1, Share("me", BOTH))
    feed = start("*USDT", settings=EDGE)
    wait_for(lambda: follows(feed, 1))
    assert feed.event("waiting_for_symbols")[0]["reason"] == "other edges record all its symbols"
    assert exchange.asked == []
    wait_for(lambda: chosen_symbols(tmp_path) == GIVEN)
    write_share(tmp_path, 2, Share("me", ALONE))
    wait_for(lambda: all(map(feed.trades, GIVEN)) and follows(feed, 2))
    write_share(tmp_path, 3, Share("me", BOTH))
    wait_for(lambda: follows(feed, 3) and not exchange.open_symbols())


def test_an_edge_whose_symbols_are_quiet_follows_its_share_all_the_same(
    start: Start, tmp_path: Path, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.processes.ingest.feed_lines.QUIET_SECS", 0.2)
    exchange.silent.update(SYMBOLS)
    listed(tmp_path, *SYMBOLS)
    write_share(tmp_path, 1, Share("me", BOTH))
    feed = start("*USDT", settings=EDGE)
    wait_for(lambda: exchange.asked and feed.reports)
    wait_for(lambda: follows(feed, 1))


def config(tmp_path: Path, **settings: object) -> Config:
    return replace(Config(data_dir=tmp_path, feed=(FeedConfig(name="f"),)), **{**EDGE, **settings})


def test_a_share_of_another_edge_or_a_torn_one_changes_nothing(tmp_path: Path) -> None:
    own = OwnShare(config(tmp_path), "f")
    write_share(tmp_path, 1, Share("somebody", View(("somebody", "me"), 1)))
    own.look()
    assert (own.number, own.of(SYMBOLS)) == (0, SYMBOLS)
    write_share(tmp_path, 2, Share("me", BOTH))
    own.look()
    assert (own.number, own.of(SYMBOLS)) == (2, OWN)
    share_file(tmp_path).with_name("torn").write_bytes(b"{")
    share_file(tmp_path).with_name("torn").replace(share_file(tmp_path))
    own.look()
    assert (own.number, own.of(SYMBOLS)) == (2, OWN)


def test_a_host_that_is_no_edge_records_everything(tmp_path: Path) -> None:
    write_share(tmp_path, 1, Share("me", BOTH))
    own = OwnShare(config(tmp_path, role="all"), "f")
    own.look()
    assert own.of(SYMBOLS) == SYMBOLS
