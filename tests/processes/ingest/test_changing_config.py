"""A newer configuration is taken while the feed is recorded, and only what it changes is touched."""

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from collector.channel.channel import CONFIG, Notice
from collector.config.model import BookConfig, SilenceConfig, WriterConfig
from collector.feed.connection_limit import ConnectionBudget
from collector.processes.context import SystemClock
from collector.storage.journal.files import journal_path
from collector.storage.journal.format import PlanShare, RecordKind
from tests.processes.ingest.changing import Exchange, Feed, is_unbroken, listed, no_new_journal
from tests.processes.ingest.ingest_harness import records_of, wait_for

Start = Callable[..., Feed]


def wait_for_more(feed: Feed, *topics: str) -> None:
    """Wait until each has brought some more."""
    seen = {topic: len(feed.trades(topic)) for topic in topics}
    wait_for(lambda: all(len(feed.trades(topic)) > count + 5 for topic, count in seen.items()), f"more than {seen}")


def take(feed: Feed, **changes: Any) -> None:
    """Hand on these settings of the feed and wait until it works by them."""
    number = feed.configure(**changes)
    wait_for(lambda: feed.works_by(number), "the new configuration")


def stands(feed: Feed) -> set[int]:
    """The connections that stand."""
    return {number for number, _ in feed.connects()} - set(feed.disconnects())


def test_symbols_join_and_no_other_connection_is_touched(start: Start, exchange: Exchange) -> None:
    feed = start("A", "B")
    wait_for_more(feed, "A", "B")
    take(feed, symbols=("A", "B", "C"))
    wait_for_more(feed, "A", "B", "C")
    assert exchange.asked == ["A,B", "C"]
    assert feed.disconnects() == []
    assert is_unbroken(feed.trades("A"))
    assert feed.headers()[-1].identity.shares == ((0, ("A", "B"), ("trade",)), (1, ("C",), ("trade",)))
    (event,) = feed.event("config_taken")
    assert (event["number"], event["changed"]) == (1, ["feed.symbols"])


def test_a_symbol_that_the_configuration_drops_soon_ends_and_the_others_lose_nothing(
    start: Start, exchange: Exchange
) -> None:
    feed = start("A", "B")
    wait_for_more(feed, "A", "B")
    take(feed, symbols=("A",))
    wait_for(lambda: feed.disconnects() == [1])
    assert exchange.asked == ["A,B", "A"]
    ended = len(feed.trades("B"))
    wait_for_more(feed, "A")
    assert len(feed.trades("B")) == ended
    assert is_unbroken(feed.trades("A"))


def test_a_connection_whose_symbols_are_all_dropped_is_closed_and_no_other_one_touched(
    start: Start, exchange: Exchange
) -> None:
    feed = start("A", "B", streams_per_connection=1)
    wait_for_more(feed, "A", "B")
    take(feed, symbols=("A",))
    wait_for(lambda: len(feed.disconnects()) == 1)
    wait_for_more(feed, "A")
    assert len(exchange.asked) == 2
    assert {line.plan for line in feed.reports[-1].lines} == {0}
    assert feed.event("line_without_reader") == []


def test_a_data_type_joins_on_a_connection_of_its_own_and_leaves_again(start: Start, exchange: Exchange) -> None:
    feed = start("A", "B")
    wait_for_more(feed, "A", "B")
    take(feed, data_types=("trade", "book_ticker"))
    wait_for_more(feed, "A", "A@best", "B@best")
    assert exchange.asked == ["A,B", "A@best,B@best"]
    assert feed.headers()[-1].identity.data_types == ("trade", "book_ticker")
    take(feed, data_types=("trade",))
    wait_for(lambda: feed.disconnects() == [2])
    wait_for_more(feed, "A", "B")
    assert len(exchange.asked) == 2
    assert is_unbroken(feed.trades("A"))
    assert is_unbroken(feed.trades("B"))
    assert feed.headers()[-1].identity.data_types == ("trade",)
    assert feed.event("symbols_changed") == []


def test_a_data_type_that_comes_with_another_one_renews_that_connection_without_a_hole(
    start: Start, exchange: Exchange
) -> None:
    feed = start("A", data_types=("mark_price",))
    wait_for_more(feed, "A@mark")
    take(feed, data_types=("mark_price", "funding_rate"))
    wait_for(lambda: feed.disconnects() == [1])
    wait_for_more(feed, "A@mark")
    assert exchange.asked == ["A@mark", "A@mark"]
    assert [plan for _, plan in feed.connects()] == [0, 0]
    assert is_unbroken(feed.trades("A@mark"))
    assert feed.headers()[-1].identity.shares == ((0, ("A",), ("mark_price", "funding_rate")),)


def test_a_data_type_that_returns_is_never_brought_by_two_connections(start: Start, exchange: Exchange) -> None:
    feed = start("A", data_types=("trade", "book_ticker"))
    wait_for_more(feed, "A", "A@best")
    feed.configure(data_types=("trade",))
    wait_for(lambda: len(feed.headers()) == 2)
    take(feed, data_types=("trade", "book_ticker"))
    wait_for_more(feed, "A", "A@best")
    assert sorted(set(exchange.asked)) == ["A", "A,A@best", "A@best"]
    assert is_unbroken(feed.trades("A"))
    best = feed.trades("A@best")
    assert len(set(best)) == len(best)


def test_a_stream_that_returns_while_another_one_is_still_dropped_is_left_alone(
    start: Start, exchange: Exchange
) -> None:
    feed = start("A", "B", "C", "D", streams_per_connection=2)
    wait_for_more(feed, "A", "B", "C", "D")
    exchange.refused.add("D")
    take(feed, symbols=("A", "D"))
    wait_for(lambda: "A" in exchange.asked)
    take(feed, symbols=("A", "B", "D"))
    wait_for_more(feed, "B")
    seen = len(feed.reports)
    wait_for(lambda: len(feed.reports) > seen + 20)
    assert exchange.asked.count("B") == 1
    exchange.refused.clear()
    wait_for(lambda: "D" in exchange.asked)
    wait_for_more(feed, "A", "B", "D")
    assert is_unbroken(feed.trades("A"))
    assert is_unbroken(feed.trades("D"))


def test_a_second_line_is_added_and_let_go_without_touching_the_first(start: Start, exchange: Exchange) -> None:
    feed = start("A", "B", streams_per_connection=1)
    wait_for_more(feed, "A", "B")
    take(feed, lines=2)
    wait_for(lambda: len([line for line in feed.reports[-1].lines if line.state == "open"]) == 4)
    assert sorted(exchange.asked) == ["A", "A", "B", "B"]
    take(feed, lines=1)
    wait_for(lambda: len(feed.disconnects()) == 2)
    wait_for_more(feed, "A", "B")
    assert stands(feed) == {1, 2}
    assert {(line.line, line.plan) for line in feed.reports[-1].lines} == {(0, 0), (0, 1)}
    assert is_unbroken(feed.trades("A"))
    assert len(feed.event("line_let_go")) == 2
    assert feed.event("line_without_reader") == []


def test_a_line_that_is_let_go_stays_until_the_others_bring_data(start: Start, exchange: Exchange) -> None:
    exchange.silent.add("A")
    feed = start("A", lines=2)
    wait_for(lambda: len(stands(feed)) == 2)
    take(feed, lines=1)
    seen = len(feed.reports)
    wait_for(lambda: len(feed.reports) > seen + 5)
    assert stands(feed) == {1, 2}, "line 0 has brought nothing yet"
    exchange.silent.clear()
    wait_for(lambda: len(stands(feed)) == 1)
    wait_for_more(feed, "A")


def test_a_line_that_is_let_go_while_the_exchange_bans_this_address_is_never_opened(
    start: Start, exchange: Exchange, tmp_path: Path
) -> None:
    feed = start("A")
    wait_for_more(feed, "A")
    ConnectionBudget(tmp_path / "run/connections-plain.json", 1, 1.0, SystemClock.now_ns).ban(3.0)
    take(feed, lines=2)
    wait_for(lambda: "line 1" in threads())
    take(feed, lines=1)
    wait_for(lambda: feed.event("line_let_go"))
    wait_for(lambda: "line 1" not in threads(), "the end of its wait")
    assert exchange.asked == ["A"]
    assert is_unbroken(feed.trades("A"))


def test_a_line_that_was_let_go_while_it_waited_can_come_again_at_once(start: Start) -> None:
    feed = start("A", longest_delay_secs=600.0)
    wait_for_more(feed, "A")
    for lines in (2, 1, 2):
        take(feed, lines=lines)
        wait_for(partial(has_lines, feed, lines))


def has_lines(feed: Feed, count: int) -> bool:
    return len(feed.reports[-1].lines) == count


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


def test_another_address_is_taken_without_a_hole(start: Start, exchange: Exchange) -> None:
    feed = start("A", "B", streams_per_connection=1)
    wait_for_more(feed, "A", "B")
    other = exchange.beside()
    take(feed, ws_url=other.url)
    wait_for(lambda: len(feed.disconnects()) == 2)
    wait_for_more(feed, "A", "B")
    assert sorted(other.asked) == ["A", "B"]
    assert is_unbroken(feed.trades("A"))
    assert is_unbroken(feed.trades("B"))
    assert stands(feed) == {3, 4}
    feed.stop()
    other.close()


def test_an_address_of_its_own_is_for_every_line_and_without_it_each_has_its_host_again(
    start: Start, exchange: Exchange
) -> None:
    second, own = exchange.beside(), exchange.beside()
    feed = start("A", url="", lines=2, hosts=(exchange.url, second.url))
    wait_for(lambda: (exchange.asked, second.asked) == (["A"], ["A"]))
    wait_for_more(feed, "A")
    take(feed, ws_url=own.url)
    wait_for(lambda: len(feed.disconnects()) == 2)
    assert own.asked == ["A", "A"]
    take(feed, ws_url="")
    wait_for(lambda: len(feed.disconnects()) == 4)
    assert (exchange.asked, second.asked) == (["A", "A"], ["A", "A"])
    assert is_unbroken(feed.trades("A"))
    assert feed.event("connect_failed") == []
    feed.stop()
    second.close()
    own.close()


def test_while_another_address_does_not_answer_the_old_connection_records_on(start: Start, exchange: Exchange) -> None:
    feed = start("A")
    wait_for_more(feed, "A")
    nobody = Exchange()
    nobody.close()
    take(feed, ws_url=nobody.url)
    wait_for(lambda: feed.event("connect_failed"))
    wait_for_more(feed, "A")
    assert feed.disconnects() == []
    take(feed, ws_url=exchange.url)
    wait_for(lambda: feed.disconnects() == [1])
    wait_for_more(feed, "A")
    assert is_unbroken(feed.trades("A"))


def test_a_line_that_waits_for_its_next_attempt_tries_another_address_at_once(start: Start, exchange: Exchange) -> None:
    nobody = Exchange()
    nobody.close()
    feed = start("A", url=nobody.url, longest_delay_secs=7_200.0)
    wait_for(lambda: feed.event("connect_failed"))
    take(feed, ws_url=exchange.url)
    wait_for_more(feed, "A")
    wait_for(lambda: [line.state for line in feed.reports[-1].lines] == ["open"])
    assert exchange.asked == ["A"]


def test_a_stream_that_comes_from_elsewhere_leaves_there_too(start: Start, exchange: Exchange) -> None:
    exchange.silent |= {"B", "C"}
    other = exchange.beside()
    feed = start("A", "B", "C", first_data_timeout_secs=0.2, other_urls=[f"{other.url}/B,C"])
    wait_for_more(feed, "A", "B", "C")
    take(feed, symbols=("A", "C"))
    wait_for(lambda: len(other.asked) == 2)
    wait_for(lambda: 2 in feed.disconnects())
    wait_for_more(feed, "A", "C")
    take(feed, symbols=("A",))
    wait_for(lambda: len(stands(feed)) == 1)
    wait_for_more(feed, "A")
    assert len(other.asked) == 2
    assert feed.event("line_without_reader") == []
    feed.stop()
    other.close()


def test_intervals_and_limits_are_taken_without_touching_a_connection(start: Start, exchange: Exchange) -> None:
    feed = start("A", "B")
    wait_for_more(feed, "A")
    config = replace(
        feed.config,
        ingest=replace(feed.config.ingest, stale_timeout_secs=7.0, first_data_timeout_secs=3.0),
        journal=replace(feed.config.journal, file_bytes=1_024, fsync_interval_secs=0.01),
        silence=SilenceConfig(min_secs=5.0),
        book=BookConfig(checkpoint_interval_secs=60.0),
        writer=WriterConfig(batch_interval_secs=0.2, max_batch_size=7),
    )
    number = feed.hand_on(config)
    wait_for(lambda: feed.works_by(number))
    wait_for(lambda: len(feed.headers()) > 3, "files of the new size")
    assert exchange.asked == ["A,B"]
    assert feed.disconnects() == []
    assert is_unbroken(feed.trades("A"))
    (event,) = feed.event("config_taken")
    assert event["changed"] == [
        "book.checkpoint_interval_secs",
        "ingest.first_data_timeout_secs",
        "ingest.stale_timeout_secs",
        "journal.file_bytes",
        "journal.fsync_interval_secs",
        "silence.min_secs",
        "writer.batch_interval_secs",
    ], "what the writer alone reads is not named"


def test_a_notice_lets_it_look_at_once(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.processes.ingest.process.REPORT_SECS", 3_600.0)
    feed = start("A")
    wait_for_more(feed, "A")
    number = feed.configure(symbols=("A", "B"))
    feed.bell.arrived = Notice("supervisor", CONFIG, number, 0)
    feed.bell.wake()
    wait_for_more(feed, "A", "B")
    (event,) = feed.event("config_taken")
    assert event["number"] == number


def test_a_disk_limit_that_is_taken_back_ends_a_refusal(start: Start) -> None:
    feed = start("A")
    wait_for_more(feed, "A")
    feed.hand_on(replace(feed.config, journal=replace(feed.config.journal, min_free_bytes=1 << 60)))
    wait_for(lambda: feed.reports[-1].refused > 5)
    feed.hand_on(replace(feed.config, journal=replace(feed.config.journal, min_free_bytes=0)))
    wait_for(lambda: feed.event("resumed"))
    wait_for_more(feed, "A")


def test_exact_symbols_give_way_to_a_pattern_and_back(start: Start, tmp_path: Path, exchange: Exchange) -> None:
    feed = start("AUSDT", "BUSDC")
    wait_for_more(feed, "AUSDT", "BUSDC")
    take(feed, symbols=("*USDT",))
    wait_for(lambda: feed.trouble() != "")
    wait_for(lambda: feed.disconnects() == [1])
    wait_for_more(feed, "AUSDT")
    assert exchange.asked == ["AUSDT,BUSDC", "AUSDT"], "without a list, what is still wanted stays"
    listed(tmp_path, "AUSDT", "CUSDT")
    wait_for_more(feed, "AUSDT", "CUSDT")
    take(feed, symbols=("*USDT",), exclude=("C*",))
    wait_for(lambda: stands(feed) == {2})
    take(feed, symbols=("AUSDT", "DUSDT"), exclude=())
    wait_for_more(feed, "AUSDT", "DUSDT")
    assert is_unbroken(feed.trades("AUSDT"))


@pytest.mark.parametrize("content", [b"", b"{", b'{"feed": 3}', b"\xff", b"[" * 100_000])
def test_a_file_that_cannot_be_read_changes_nothing_and_is_said_once(
    start: Start, tmp_path: Path, content: bytes
) -> None:
    feed = start("A")
    wait_for_more(feed, "A")
    (tmp_path / "run" / "config-7.json").write_bytes(content)
    wait_for(lambda: feed.event("config_not_taken"))
    wait_for_more(feed, "A")
    (event,) = feed.event("config_not_taken")
    assert event["number"] == 7
    assert feed.works_by(0)
    take(feed, symbols=("A", "B"))
    assert feed.works_by(8)


def test_a_folder_that_cannot_be_listed_changes_nothing_and_is_said_once(start: Start, tmp_path: Path) -> None:
    feed = start("A")
    wait_for_more(feed, "A")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("collector.processes.ingest.newest_config.newest_number", _failing)
        wait_for(lambda: feed.event("config_not_taken"))
        seen = len(feed.reports)
        wait_for(lambda: len(feed.reports) > seen + 5)
    assert len(feed.event("config_not_taken")) == 1
    take(feed, symbols=("A", "B"))
    wait_for_more(feed, "A", "B")


def _failing(_data_dir: Path) -> int:
    raise OSError(5, "Input/output error")


def test_a_configuration_without_the_feed_or_of_another_exchange_changes_nothing(start: Start) -> None:
    feed = start("A")
    wait_for_more(feed, "A")
    config = feed.config
    feed.hand_on(replace(config, feed=(replace(config.feed[0], name="other"),)))
    wait_for(lambda: len(feed.event("config_not_taken")) == 1)
    feed.hand_on(replace(config, feed=(replace(config.feed[0], exchange="binance"),)))
    wait_for(lambda: len(feed.event("config_not_taken")) == 2)
    wait_for_more(feed, "A")
    assert feed.works_by(0)
    assert feed.disconnects() == []


def test_the_newest_configuration_serves_at_a_start(start: Start, exchange: Exchange) -> None:
    first = start("A")
    wait_for_more(first, "A")
    first.stop()
    number = first.configure(symbols=("A", "B"))
    feed = start("A")
    wait_for_more(feed, "A", "B")
    assert feed.works_by(number)
    assert exchange.asked == ["A", "A,B"]
    assert feed.headers()[-1].identity.shares == ()


def test_a_configuration_that_came_before_the_start_is_not_taken_again(start: Start, tmp_path: Path) -> None:
    listed(tmp_path, "A")
    first = start("A")
    wait_for_more(first, "A")
    take(first, symbols=("A", "B"))
    first.stop()
    feed = start("A", "B", config_number=1)
    wait_for_more(feed, "A", "B")
    assert feed.works_by(1)
    assert feed.event("config_taken") == []


def test_a_feed_that_is_removed_says_so_before_its_connections_end(start: Start) -> None:
    feed = start("A")
    wait_for_more(feed, "A")
    other = replace(feed.config.feed[0], name="g")
    feed.hand_on(replace(feed.config, feed=(other,)))
    feed.stop()
    assert [header.identity.shares for header in feed.headers()] == [(), (PlanShare(0, (), ()),)]
    journal_path(feed.folder, 1).unlink()
    assert [record.kind for record in records_of(feed.folder)][-2:] == [RecordKind.DISCONNECT, RecordKind.CLOSE]


def test_a_feed_that_only_stops_ends_none_of_its_streams(start: Start) -> None:
    feed = start("A")
    wait_for_more(feed, "A")
    feed.configure(lines=2)
    feed.stop()
    assert len(feed.headers()) == 1


def test_a_change_that_the_disk_does_not_take_is_not_reported_before_it_is_made(
    start: Start, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = start("A")
    wait_for_more(feed, "A")
    with no_new_journal(monkeypatch):
        number = feed.configure(symbols=("A", "B"))
        wait_for(lambda: feed.event("symbols_not_changed"))
        assert feed.works_by(0)
        assert exchange.asked == ["A"]
    wait_for(lambda: feed.works_by(number))
    wait_for_more(feed, "B")


def test_fifty_of_two_hundred_symbols_come_and_go_and_the_rest_loses_nothing(start: Start, exchange: Exchange) -> None:
    exchange.speak_secs = 0.05
    symbols = tuple(f"S{number:03}" for number in range(200))
    feed = start(*symbols, streams_per_connection=100)
    wait_for(lambda: len(exchange.asked) == 2)
    wait_for_more(feed, "S000", "S199")
    for _ in range(3):
        take(feed, symbols=symbols[50:])
        take(feed, symbols=symbols)
    wait_for_more(feed, "S000", "S199")
    feed.stop()
    assert all(is_unbroken(feed.trades(symbol)) for symbol in symbols[50:])
    assert feed.event("line_without_reader") == feed.event("stream_never_spoke") == []
