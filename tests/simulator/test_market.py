import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.simulator import market as market_module
from collector.simulator.market import Market, Message
from collector.simulator.replay import load

SEEDS = st.integers(0, 2**32)
STEPS = st.lists(st.integers(0, 12), min_size=1, max_size=60)
START_MS = 1_700_000_000_000


def run(market: Market, steps: list[int]) -> Iterator[list[Message]]:
    for number, events in enumerate(steps):
        yield market.step(START_MS + 100 * number, events)


def of(sent: list[Message], suffix: str) -> list[Any]:
    return [json.loads(data) for stream, data in sent if stream == f"btcusdt@{suffix}"]


class Rebuilt:
    """A book kept as the exchange's documentation tells its clients to."""

    def __init__(self, snapshot: Any) -> None:
        self.id: int = snapshot["lastUpdateId"]
        self.bids = {float(price): size for price, size in snapshot["bids"]}
        self.asks = {float(price): size for price, size in snapshot["asks"]}

    def apply(self, diff: Any) -> None:
        assert diff["U"] <= self.id + 1 <= diff["u"]
        self.id = diff["u"]
        for side, changes in ((self.bids, diff["b"]), (self.asks, diff["a"])):
            for price, size in changes:
                side[float(price)] = size
                if float(size) == 0:
                    del side[float(price)]

    def top(self, count: int) -> tuple[list[Any], list[Any]]:
        bids = sorted(self.bids.items(), reverse=True)[:count]
        return bids, sorted(self.asks.items())[:count]


def floated(levels: list[list[str]]) -> list[tuple[float, str]]:
    return [(float(price), size) for price, size in levels]


@given(SEEDS, STEPS)
@settings(max_examples=25, deadline=None)
def test_market_ids_follow_without_a_hole(seed: int, steps: list[int]) -> None:
    sent = [message for step in run(Market("BTCUSDT", seed), steps) for message in step]
    diffs, trades, aggregates = of(sent, "depth@100ms"), of(sent, "trade"), of(sent, "aggTrade")
    assert all(after["U"] == before["u"] + 1 for before, after in itertools.pairwise(diffs))
    assert all(diff["U"] <= diff["u"] for diff in diffs)
    assert all(after["t"] == before["t"] + 1 for before, after in itertools.pairwise(trades))
    for before, after in itertools.pairwise(aggregates):
        assert (after["a"], after["f"]) == (before["a"] + 1, before["l"] + 1)


@given(SEEDS, STEPS, st.integers(0, 59))
@settings(max_examples=25, deadline=None)
def test_a_rest_book_and_diffs_rebuild_every_partial_book(seed: int, steps: list[int], asked_at: int) -> None:
    market = Market("BTCUSDT", seed)
    book = None
    for number, events in enumerate(steps):
        sent = market.happen(START_MS, events)
        if number >= min(asked_at, len(steps) - 1) and book is None:
            book = Rebuilt(json.loads(market.depth(5000)))
        sent += market.beat(START_MS)
        if book is not None:
            check_step(book, sent)


def check_step(book: Rebuilt, sent: list[Message]) -> None:
    for diff, partial in zip(of(sent, "depth@100ms"), of(sent, "depth20@100ms"), strict=True):
        if diff["u"] > book.id:
            book.apply(diff)
        assert partial["lastUpdateId"] == book.id
        assert (floated(partial["bids"]), floated(partial["asks"])) == book.top(20)
        assert len(partial["bids"]) == len(partial["asks"]) == 20
    for best in of(sent, "bookTicker"):
        if best["u"] == book.id:
            (bid,), (ask,) = book.top(1)
            assert (float(best["b"]), best["B"]) == bid
            assert (float(best["a"]), best["A"]) == ask


def test_best_prices_match_the_book_and_sides_never_cross() -> None:
    market = Market("BTCUSDT", 1)
    checked = 0
    for sent in run(market, [2] * 500):
        checked += {best["u"] for best in of(sent, "bookTicker")} >= {diff["u"] for diff in of(sent, "depth@100ms")}
        assert market.book.bids.level(0)[0] < market.book.asks.level(0)[0]
    assert checked > 100


@given(SEEDS)
@settings(max_examples=25, deadline=None)
def test_an_aggregate_is_the_trades_of_one_taker_at_one_price(seed: int) -> None:
    sent = Market("BTCUSDT", seed).step(START_MS, 100)
    trades = {trade["t"]: trade for trade in of(sent, "trade")}
    aggregates = of(sent, "aggTrade")
    for aggregate in aggregates:
        parts = [trades.pop(number) for number in range(aggregate["f"], aggregate["l"] + 1)]
        assert {(part["p"], part["m"], part["T"]) for part in parts} == {
            (aggregate["p"], aggregate["m"], aggregate["T"])
        }
        total = sum(int(part["q"].replace(".", "")) for part in parts)
        assert total == int(aggregate["q"].replace(".", ""))
    assert not trades


def test_the_same_seed_and_steps_give_the_same_text() -> None:
    steps = [3, 0, 7, 1] * 20
    assert list(run(Market("BTCUSDT", 5), steps)) == list(run(Market("BTCUSDT", 5), steps))
    assert list(run(Market("BTCUSDT", 5), steps)) != list(run(Market("BTCUSDT", 6), steps))


def test_a_step_without_events_sends_nothing() -> None:
    market = Market("BTCUSDT", 1)
    assert market.step(START_MS, 0) == []
    assert of(market.step(START_MS, 1), "depth@100ms")


def test_simulated_diffs_span_as_many_ids_as_recorded_ones() -> None:
    sent = [message for step in run(Market("BTCUSDT", 1), [2] * 2000) for message in step]
    diffs = of(sent, "depth@100ms")
    spans = sorted(diff["u"] - diff["U"] + 1 for diff in diffs)
    assert 5 <= spans[len(spans) // 2] <= 40
    assert 500 < spans[-1] < 3000
    assert sum(not diff["a"] or not diff["b"] for diff in diffs) > 100


def test_trade_history_is_bounded_and_ends_with_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(market_module, "HISTORY", 100)
    market = Market("BTCUSDT", 1)
    sent = of(market.happen(START_MS, 3_000), "trade")
    ids = [trade.id for trade in market.trades]
    assert 100 <= len(ids) < 200
    assert ids == [trade["t"] for trade in sent[-len(ids) :]]


def shape(value: Any) -> Any:
    """Key order and the kinds of values."""
    if isinstance(value, dict):
        return [(key, shape(item)) for key, item in value.items()]
    if isinstance(value, list):
        return ["list"]
    return (
        (type(value).__name__, len(value.split(".")[1]))
        if isinstance(value, str) and "." in value
        else type(value).__name__
    )


def test_frames_have_the_shape_of_recorded_ones(real_file: Callable[[str], Path]) -> None:
    sent = Market("BTCUSDT", 1).step(START_MS, 200)
    ours = {suffix: shape(of(sent, suffix)[0]) for suffix in ("trade", "bookTicker", "depth@100ms", "aggTrade")}
    theirs: dict[str, Any] = {}
    for name in ("hftbacktest_btcusdt_20240808.jsonl.zst", "cryptofeed_v3_BINANCE.jsonl.zst"):
        for frame in load([real_file(name)]).frames:
            suffix = frame.stream.partition("@")[2]
            if suffix in ours and suffix not in theirs:
                theirs[suffix] = shape(json.loads(frame.wire[frame.wire.index(b"{") :])["data"])
    assert ours == theirs
