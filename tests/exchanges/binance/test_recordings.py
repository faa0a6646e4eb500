"""Binance spot on real captures: what comes out equals what an independent reading of the frames says."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from collector.domain.decimals import suspects
from collector.domain.records import BookRow, BookTickerRow
from collector.exchanges.binance import Binance
from tests.exchanges.reading import Reading, assert_equal_to, decoded, number
from tests.exchanges.rows import rows_of

adapter = Binance()
CHANNELS = {
    "depth20@100ms": "book_snapshot",
    "depth@100ms": "book_delta",
    "trade": "trade",
    "aggTrade": "agg_trade",
    "bookTicker": "book_ticker",
}
RECORDINGS = {
    "binance_spot/cryptofeed_v3_BINANCE": {"book_delta": 177, "book_ticker": 84, "agg_trade": 2},
    "binance_spot/hftbacktest_btcusdt_20230405": {"trade": 3144, "book_ticker": 8015, "book_delta": 3929},
    "binance_spot/hftbacktest_btcusdt_20240808": {"trade": 9757, "book_ticker": 28040, "book_delta": 3451},
    "binance_spot/hftbacktest_ethusdt_20240808": {"trade": 6106, "book_ticker": 24077, "book_delta": 3434},
}

Frames = Callable[[str], list[bytes]]


def read_independently(frame: bytes) -> Reading:
    """Symbol, data type, id, time and row of a frame, from its JSON alone."""
    fields = json.loads(frame)
    symbol, channel = fields["stream"].split("@", 1)
    data, data_type = fields["data"], CHANNELS[channel]
    if data_type in {"trade", "agg_trade"}:
        key = {"trade": "t", "agg_trade": "a"}[data_type]
        row: tuple[Any, ...] = (
            str(data[key]),
            number(data["p"]),
            number(data["q"]),
            {True: "sell", False: "buy"}[data["m"]],
        )
        row += (str(data["f"]), str(data["l"])) if data_type == "agg_trade" else (None, "market")
        return symbol.upper(), data_type, data[key], data["T"] * 1000, row
    if data_type == "book_ticker":
        row = (data["u"], *(number(data[name]) for name in "bBaA"))
        return symbol.upper(), data_type, data["u"], None, row
    snapshot = data_type == "book_snapshot"
    sides = (data["bids"], data["asks"]) if snapshot else (data["b"], data["a"])
    columns = [tuple(number(level[place]) for level in side) for side in sides for place in (0, 1)]
    last = data["lastUpdateId"] if snapshot else data["u"]
    row = (None if snapshot else data["U"], last, None, snapshot, *columns)
    return symbol.upper(), data_type, last, None if snapshot else data["E"] * 1000, row


@pytest.mark.parametrize("name", RECORDINGS)
def test_every_recorded_frame_of_a_known_stream_is_its_message(name: str, received: Frames) -> None:
    envelopes, reasons = decoded(adapter, received(name))
    assert Counter(envelope.stream.data_type for envelope in envelopes) == RECORDINGS[name]
    assert len(envelopes) + reasons.total() == len(received(name))
    assert set(reasons) <= {"unknown channel: kline_1m"}
    assert_equal_to(read_independently, adapter, envelopes)


@pytest.mark.parametrize("name", RECORDINGS)
def test_no_recorded_frame_needs_its_raw_text(name: str, received: Frames) -> None:
    assert suspects(received(name)) == []


@pytest.mark.parametrize("name", RECORDINGS)
def test_recorded_ids_follow_their_id_rules(name: str, received: Frames) -> None:
    ids: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for envelope in decoded(adapter, received(name))[0]:
        assert envelope.id is not None
        first_id = envelope.id if envelope.first_id is None else envelope.first_id
        ids[envelope.stream.symbol, envelope.stream.data_type].append((first_id, envelope.id))
    for (_, data_type), series in ids.items():
        assert all(earlier[1] < later[1] for earlier, later in pairwise(series))
        if adapter.id_rules[data_type].value == "dense":
            assert all(later[0] == earlier[1] + 1 for earlier, later in pairwise(series))


def test_recorded_diffs_follow_each_other_without_a_hole(received: Frames) -> None:
    frames = [frame for frame in received("binance_spot/hftbacktest_btcusdt_20240808") if b"@depth@" in frame]
    rows = [row for row in rows_of(adapter, "book_delta", frames) if isinstance(row, BookRow)]
    assert len(rows) == len(frames)
    assert all(later.first_id == (earlier.last_id or 0) + 1 for earlier, later in pairwise(rows))


def as_partial_depth(book: dict[str, Any]) -> bytes:
    data = {"lastUpdateId": book["u"], "bids": book["bids"], "asks": book["asks"]}
    return json.dumps({"stream": "btcusdt@depth20@100ms", "data": data}, separators=(",", ":")).encode()


def test_recorded_partial_depth_gets_its_symbol_from_the_stream(top20: list[Any]) -> None:
    envelopes, reasons = decoded(adapter, map(as_partial_depth, top20))
    assert not reasons
    assert {envelope.stream for envelope in envelopes} == {("binance", "BTCUSDT", "book_snapshot")}
    assert_equal_to(read_independently, adapter, envelopes)


def test_partial_depth_agrees_with_the_book_ticker_of_the_same_update(top20: list[Any], received: Frames) -> None:
    frames = [frame for frame in received("binance_spot/hftbacktest_btcusdt_20240808") if b"@bookTicker" in frame]
    tickers = {
        row.update_id: row[1:] for row in rows_of(adapter, "book_ticker", frames) if isinstance(row, BookTickerRow)
    }
    books = [
        row for row in rows_of(adapter, "book_snapshot", list(map(as_partial_depth, top20))) if isinstance(row, BookRow)
    ]
    shared = [book for book in books if book.last_id in tickers]
    assert len(shared) == 564
    for book in shared:
        best = (book.bid_prices[0], book.bid_sizes[0], book.ask_prices[0], book.ask_sizes[0])
        assert best == tickers[book.last_id]
