"""A feed of patterns records what the exchange lists, and takes up what it lists later without touching the rest."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.processes.ingest.changing import Exchange, Feed, chosen_symbols, is_unbroken, listed, no_new_journal
from tests.processes.ingest.ingest_harness import records_of, wait_for

Start = Callable[..., Feed]


def recording(start: Start, tmp_path: Path, *symbols: str) -> Feed:
    """A feed of all that ends in USDT, once it has recorded each of these symbols, which the exchange lists."""
    listed(tmp_path, *symbols)
    feed = start("*USDT")
    wait_for(lambda: all(map(feed.trades, symbols)))
    return feed


def test_a_feed_records_what_its_patterns_match(start: Start, tmp_path: Path, exchange: Exchange) -> None:
    listed(tmp_path, "AUSDT", "BUSDT", "CUSDT", "DUSDT", "AUSDC", "XUSDT", halted=("XUSDT",))
    feed = start("*USDT", exclude=("C*",))
    wait_for(lambda: feed.trades("AUSDT") and feed.trades("DUSDT"))
    assert sorted(exchange.asked) == ["AUSDT,BUSDT,DUSDT"]
    (header,) = feed.headers()
    assert (header.identity.symbols, header.identity.shares) == (("AUSDT", "BUSDT", "DUSDT"), ())
    assert chosen_symbols(tmp_path) == ("AUSDT", "BUSDT", "DUSDT")


def test_a_new_listing_is_recorded_and_no_other_connection_is_touched(
    start: Start, tmp_path: Path, exchange: Exchange
) -> None:
    feed = recording(start, tmp_path, "AUSDT", "BUSDT")
    listed(tmp_path, "AUSDT", "BUSDT", "NEWUSDT")
    wait_for(lambda: feed.trades("NEWUSDT"))
    seen = len(feed.trades("AUSDT"))
    wait_for(lambda: len(feed.trades("AUSDT")) > seen + 5)
    assert exchange.asked == ["AUSDT,BUSDT", "NEWUSDT"]
    assert feed.connects() == [(1, 0), (2, 1)]
    assert feed.disconnects() == []
    assert is_unbroken(feed.trades("AUSDT"))
    first, second = feed.headers()
    assert first.writer_id == second.writer_id
    assert second.identity.symbols == ("AUSDT", "BUSDT", "NEWUSDT")
    assert second.identity.shares == ((0, ("AUSDT", "BUSDT"), ("trade",)), (1, ("NEWUSDT",), ("trade",)))
    (event,) = feed.event("symbols_changed")
    assert (event["joined"], event["left"]) == (["NEWUSDT"], [])
    wait_for(lambda: chosen_symbols(tmp_path) == ("AUSDT", "BUSDT", "NEWUSDT"))


def test_many_listings_share_few_connections(start: Start, tmp_path: Path, exchange: Exchange) -> None:
    names = ["AUSDT", "L1USDT", "L2USDT", "L3USDT", "L4USDT", "L5USDT", "L6USDT"]
    feed = recording(start, tmp_path, names[0])
    for count in range(2, len(names) + 1):
        listed(tmp_path, *names[:count])
        wait_for(partial(feed.trades, names[count - 1]))
    assert exchange.asked == ["AUSDT", "L1USDT", "L2USDT", "L3USDT", "L4USDT", "L1USDT,L5USDT", "L2USDT,L6USDT"]
    wait_for(lambda: len(feed.disconnects()) == 2)
    assert {plan for _, plan in feed.connects()} == {0, 1, 2, 3, 4}
    assert 1 not in feed.disconnects()
    for symbol in names:
        assert is_unbroken(feed.trades(symbol))
    assert feed.event("streams_overdue") == feed.event("stream_never_spoke") == []
    assert feed.headers()[-1].identity.shares[1] == (1, ("L1USDT", "L5USDT"), ("trade",))


def test_what_is_delisted_is_gone_from_the_next_connection(start: Start, tmp_path: Path, exchange: Exchange) -> None:
    feed = recording(start, tmp_path, "AUSDT", "BUSDT")
    listed(tmp_path, "AUSDT", "BUSDT", halted=("BUSDT",))
    wait_for(lambda: feed.event("symbols_changed"))
    seen = len(feed.trades("BUSDT"))
    wait_for(lambda: len(feed.trades("BUSDT")) > seen)
    assert feed.disconnects() == []
    assert feed.headers()[-1].identity.shares == ((0, ("AUSDT",), ("trade",)),)
    assert feed.headers()[-1].identity.symbols == ("AUSDT", "BUSDT"), "its frames still arrive, and can be read"

    exchange.renew()
    wait_for(lambda: 1 in feed.disconnects())
    assert exchange.asked[:2] == ["AUSDT,BUSDT", "AUSDT"]
    assert is_unbroken(feed.trades("AUSDT"))


def test_one_list_that_comes_short_breaks_nothing(start: Start, tmp_path: Path, exchange: Exchange) -> None:
    feed = recording(start, tmp_path, "AUSDT", "BUSDT")
    listed(tmp_path, "AUSDT", "CUSDT")
    wait_for(lambda: feed.trades("CUSDT"))
    listed(tmp_path, "AUSDT", "BUSDT", "CUSDT", "DUSDT")
    wait_for(lambda: feed.trades("DUSDT"))
    assert exchange.asked == ["AUSDT,BUSDT", "CUSDT", "DUSDT"]
    assert feed.disconnects() == []
    assert [change["left"] for change in feed.event("symbols_changed")] == [[], []]
    assert is_unbroken(feed.trades("BUSDT"))


def test_a_delisted_stream_that_falls_silent_is_not_tried_anew(
    start: Start, tmp_path: Path, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.processes.ingest.line_silence.CHECK_SECS", 0.05)
    feed = recording(start, tmp_path, "AUSDT", "BUSDT")
    listed(tmp_path, "AUSDT", "BUSDT", halted=("BUSDT",))
    wait_for(lambda: feed.event("symbols_changed"))
    exchange.silent.add("BUSDT")
    seen = len(feed.trades("AUSDT"))
    wait_for(lambda: len(feed.trades("AUSDT")) > seen + 100)
    assert feed.event("streams_overdue") == feed.event("stream_never_spoke") == []
    assert feed.connects() == [(1, 0)]


def test_a_plan_whose_symbols_all_left_ends_with_its_connection(
    start: Start, tmp_path: Path, exchange: Exchange
) -> None:
    feed = recording(start, tmp_path, "AUSDT", "BUSDT", "CUSDT", "DUSDT")
    listed(tmp_path, "AUSDT", "BUSDT", "CUSDT", "DUSDT", halted=("DUSDT",))
    wait_for(lambda: feed.event("symbols_changed"))
    assert feed.disconnects() == []
    exchange.close()
    wait_for(lambda: len(feed.disconnects()) >= 2)
    wait_for(lambda: {line.plan for line in feed.reports[-1].lines} == {0})
    assert feed.event("line_without_reader") == []


def test_a_symbol_that_returns_is_never_brought_by_two_connections(
    start: Start, tmp_path: Path, exchange: Exchange
) -> None:
    feed = recording(start, tmp_path, "AUSDT", "BUSDT")
    listed(tmp_path, "AUSDT", "BUSDT", halted=("BUSDT",))
    wait_for(lambda: len(feed.event("symbols_changed")) == 1)
    listed(tmp_path, "AUSDT", "BUSDT")
    wait_for(lambda: len(exchange.asked) == 3)
    assert exchange.asked == ["AUSDT,BUSDT", "AUSDT", "BUSDT"]
    wait_for(lambda: feed.connects() == [(1, 0), (2, 0), (3, 1)])
    assert feed.disconnects() == [1]
    seen = len(feed.trades("BUSDT"))
    wait_for(lambda: len(feed.trades("BUSDT")) > seen)
    trades = feed.trades("BUSDT")
    assert len(set(trades)) == len(trades)
    assert is_unbroken(feed.trades("AUSDT"))


def test_a_plan_that_all_symbols_left_is_closed_before_one_returns(
    start: Start, tmp_path: Path, exchange: Exchange
) -> None:
    feed = recording(start, tmp_path, "AUSDT", "BUSDT", "CUSDT", "DUSDT")
    listed(tmp_path, "AUSDT", "BUSDT", "CUSDT", "DUSDT", halted=("DUSDT",))
    wait_for(lambda: len(feed.event("symbols_changed")) == 1)
    listed(tmp_path, "AUSDT", "BUSDT", "CUSDT", "DUSDT")
    wait_for(lambda: len(exchange.asked) == 3)
    assert exchange.asked[2] == "DUSDT"
    assert len(feed.disconnects()) == 1
    trades = feed.trades("DUSDT")
    assert len(set(trades)) == len(trades)


def test_a_new_plan_is_connected_on_every_line_and_again_after_a_loss(
    start: Start, tmp_path: Path, exchange: Exchange
) -> None:
    feed = recording(start, tmp_path, "AUSDT")
    listed(tmp_path, "AUSDT", "BUSDT")
    wait_for(lambda: feed.trades("BUSDT"))
    exchange.renew()
    wait_for(lambda: {1, 2} <= set(feed.disconnects()))
    assert {plan for _, plan in feed.connects()[2:]} == {0, 1}
    assert is_unbroken(feed.trades("AUSDT"))
    assert is_unbroken(feed.trades("BUSDT"))


def test_without_a_list_the_feed_waits_says_so_and_then_goes_on(start: Start, tmp_path: Path) -> None:
    feed = start("*USDT")
    wait_for(lambda: feed.trouble() == "the exchange's list of instruments is not there yet")
    assert not feed.folder.exists()
    listed(tmp_path, "AUSDC")
    wait_for(lambda: feed.trouble() == "no instrument of the exchange's list matches")
    listed(tmp_path, "AUSDT")
    wait_for(lambda: feed.trades("AUSDT"))
    assert feed.trouble() == ""


def test_without_a_list_symbols_given_by_name_are_recorded_at_once(start: Start, tmp_path: Path) -> None:
    feed = start("AUSDC", "*USDT")
    wait_for(lambda: feed.trades("AUSDC"))
    assert feed.trouble() != ""
    listed(tmp_path, "BUSDT")
    wait_for(lambda: feed.trades("BUSDT"))
    assert [plan for _, plan in feed.connects()] == [0, 1]


def test_the_last_choice_serves_at_a_start_without_a_list(start: Start, tmp_path: Path, exchange: Exchange) -> None:
    listed(tmp_path, "AUSDT", "BUSDT", "AUSDC")
    feed = start("*USDT", "*USDC")
    wait_for(lambda: feed.trades("BUSDT"))
    wait_for(lambda: chosen_symbols(tmp_path))
    feed.stop()
    (tmp_path / "run" / "instruments" / "plain.json").unlink()
    again = start("*USDT")
    wait_for(lambda: len(exchange.asked) == 2)
    assert exchange.asked[1] == "AUSDT,BUSDT"
    again.stop()


def test_a_restart_divides_the_symbols_of_the_newest_list_anew(
    start: Start, tmp_path: Path, exchange: Exchange
) -> None:
    feed = recording(start, tmp_path, "AUSDT")
    listed(tmp_path, "AUSDT", "BUSDT")
    wait_for(lambda: feed.trades("BUSDT"))
    feed.stop()
    listed(tmp_path, "AUSDT", "BUSDT", "CUSDT", halted=("AUSDT",))
    start("*USDT")
    wait_for(lambda: len(exchange.asked) == 3)
    assert exchange.asked[2] == "BUSDT,CUSDT"
    newest = feed.headers()[-1]
    assert (newest.identity.symbols, newest.identity.shares) == (("BUSDT", "CUSDT"), ())


def test_a_change_that_the_disk_does_not_take_is_made_later(
    start: Start, tmp_path: Path, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = recording(start, tmp_path, "AUSDT")
    with no_new_journal(monkeypatch):
        listed(tmp_path, "AUSDT", "BUSDT")
        wait_for(lambda: feed.event("symbols_not_changed"))
        assert exchange.asked == ["AUSDT"]
    wait_for(lambda: feed.trades("BUSDT"))


def test_a_thousand_symbols_share_as_few_connections_as_the_exchange_allows(
    start: Start, tmp_path: Path, exchange: Exchange
) -> None:
    exchange.speak_secs = 1.0
    symbols = [f"S{number:03}USDT" for number in range(1_000)]
    listed(tmp_path, *symbols)
    feed = start("*USDT", streams_per_connection=100)
    wait_for(lambda: len(exchange.asked) == 10)
    assert sorted(symbol for asked in exchange.asked for symbol in asked.split(",")) == symbols
    assert {len(asked.split(",")) for asked in exchange.asked} == {100}
    wait_for(lambda: len({frame.split()[0] for record in records_of(feed.folder) for frame in record.frames}) == 1_000)


def test_a_feed_of_exact_symbols_reads_and_writes_no_list(start: Start, tmp_path: Path) -> None:
    listed(tmp_path, "BUSDT")
    feed = start("AUSDT")
    wait_for(lambda: feed.trades("AUSDT"))
    assert feed.trouble() == ""
    feed.stop()
    assert [path.name for path in (tmp_path / "run" / "instruments").iterdir()] == ["plain.json"]
    assert len(feed.headers()) == 1
