"""Binance's futures on real captures: what comes out equals what an independent reading of the frames says.

Most captures hold a faster stream of diffs than the one that is subscribed; its frames differ only in their name.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from collector.domain.decimals import suspects
from collector.domain.records import BookRow, Envelope, IdRule, StreamKey
from collector.domain.sequence.dedup import DuplicateFilter
from collector.domain.sequence.stream_progress import StreamProgress
from collector.domain.sequence.verdict import Verdict
from collector.exchanges.binance import BinanceCoinm, BinanceUsdm
from collector.exchanges.market import Market
from tests.exchanges.reading import Reading, assert_equal_to, decoded, number
from tests.exchanges.rows import rows_of

usdm = BinanceUsdm()
coinm = BinanceCoinm()

CHANNELS = {
    "depth20@100ms": "book_snapshot",
    "depth@100ms": "book_delta",
    "trade": "trade",
    "aggTrade": "agg_trade",
    "bookTicker": "book_ticker",
    "markPrice@1s": "mark_price",
}
MULTI = "binance_usdm/cryptofeed_v3_BINANCE_FUTURES"
RECORDINGS: dict[str, tuple[Market, dict[str, int]]] = {
    MULTI: (usdm, {"book_delta": 764, "book_ticker": 613, "agg_trade": 91}),
    "binance_usdm/hftbacktest_btcusdt_20230404": (
        usdm,
        {"trade": 2197, "book_ticker": 6765, "book_delta": 4322, "mark_price": 99, "funding_rate": 99},
    ),
    "binance_usdm/hftbacktest_btcusdt_20240718": (usdm, {"trade": 974, "book_ticker": 7113, "book_delta": 3326}),
    "binance_usdm/hftbacktest_btcusdt_20240719": (usdm, {"trade": 9727, "book_ticker": 45147, "book_delta": 5696}),
    "binance_usdm/hftbacktest_ethusdt_20240718": (usdm, {"trade": 1640, "book_ticker": 9089, "book_delta": 3273}),
    "binance_usdm/hftbacktest_ethusdt_20240808": (usdm, {"trade": 14076, "book_ticker": 53992, "book_delta": 6586}),
    "binance_coinm/hftbacktest_btcusd_perp_20240808": (
        coinm,
        {"trade": 2286, "book_ticker": 19136, "book_delta": 26847},
    ),
    "binance_coinm/hftbacktest_btcusd_perp_20240809": (
        coinm,
        {"trade": 2949, "book_ticker": 29219, "book_delta": 17948},
    ),
}

Frames = Callable[[str], list[bytes]]


def as_subscribed(frame: bytes) -> bytes:
    return frame.replace(b"@depth@0ms", b"@depth@100ms", 1)


def read_independently(frame: bytes) -> Reading:
    """Symbol, data type, id, time and row of a frame, from its JSON alone."""
    fields = json.loads(frame)
    symbol, channel = fields["stream"].split("@", 1)
    data, data_type = fields["data"], CHANNELS[channel]
    if data_type in {"trade", "agg_trade"}:
        message_id = data["t" if data_type == "trade" else "a"]
        side = {True: "sell", False: "buy"}[data["m"]]
        row: tuple[Any, ...] = (str(message_id), number(data["p"]), number(data["q"]), side)
        row += (str(data["f"]), str(data["l"])) if data_type == "agg_trade" else (None, data["X"].lower())
    elif data_type == "mark_price":
        row = (number(data["p"]), number(data["i"]), number(data["P"]))
        return symbol.upper(), data_type, None, data["E"] * 1000, row
    elif data_type == "book_ticker":
        message_id = data["u"]
        row = (message_id, *(number(data[name]) for name in "bBaA"))
    else:
        message_id = data["u"]
        columns = [tuple(number(level[place]) for level in data[side]) for side in "ba" for place in (0, 1)]
        row = (data["U"], message_id, data["pu"], data_type == "book_snapshot", *columns)
    return symbol.upper(), data_type, message_id, data["T"] * 1000, row


@pytest.mark.parametrize("name", RECORDINGS)
def test_every_recorded_frame_of_a_known_stream_is_its_message(name: str, received: Frames) -> None:
    adapter, counts = RECORDINGS[name]
    frames = [as_subscribed(frame) for frame in received(name)]
    envelopes, reasons = decoded(adapter, frames)
    assert Counter(envelope.stream.data_type for envelope in envelopes) == counts
    assert len(envelopes) + reasons.total() == len(frames) + counts.get("funding_rate", 0)
    assert set(reasons) <= {"unknown channel: kline_1m"}
    assert {envelope.stream.exchange for envelope in envelopes} == {adapter.exchange}
    assert_equal_to(read_independently, adapter, [one for one in envelopes if one.stream.data_type != "funding_rate"])


@pytest.mark.parametrize("name", RECORDINGS)
def test_no_recorded_frame_needs_its_raw_text(name: str, received: Frames) -> None:
    assert suspects(received(name)) == []


def series_of(envelopes: list[Envelope]) -> dict[tuple[str, str], list[tuple[int, int]]]:
    """The ids that the messages of each stream cover."""
    series: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for envelope in envelopes:
        if envelope.id is None:
            continue
        first_id = envelope.id if envelope.first_id is None else envelope.first_id
        series[envelope.stream.symbol, envelope.stream.data_type].append((first_id, envelope.id))
    return series


@pytest.mark.parametrize("name", RECORDINGS)
def test_recorded_ids_follow_their_id_rules(name: str, received: Frames) -> None:
    adapter, counts = RECORDINGS[name]
    series = series_of(decoded(adapter, map(as_subscribed, received(name)))[0])
    assert {data_type for _, data_type in series} == set(counts) - {"mark_price", "funding_rate"}
    for (_, data_type), ids in series.items():
        assert all(earlier[1] < later[1] for earlier, later in pairwise(ids))
        if adapter.id_rules[data_type].proves_continuity:
            assert all(later[0] == earlier[1] + 1 for earlier, later in pairwise(ids))


@pytest.mark.parametrize("before", ["usdm/hftbacktest_btcusdt_20240718", "coinm/hftbacktest_btcusd_perp_20240808"])
def test_ids_go_on_where_a_capture_changed_files(before: str, received: Frames) -> None:
    name = f"binance_{before}"
    adapter, _ = RECORDINGS[name]
    first, second = (
        series_of(decoded(adapter, map(as_subscribed, received(part)))[0])
        for part in (name, name.replace("0808", "0809").replace("0718", "0719"))
    )
    assert first.keys() == second.keys()
    for stream, ids in second.items():
        assert ids[0][0] > first[stream][-1][1]
        if stream[1] != "book_ticker":
            assert ids[0][0] == first[stream][-1][1] + 1


def test_recorded_diffs_are_linked_but_their_own_ids_leave_holes(received: Frames) -> None:
    name = "binance_usdm/hftbacktest_btcusdt_20230404"
    frames = [frame for frame in received(name) if b"@depth@" in frame]
    rows = [row for row in rows_of(usdm, "book_delta", frames) if isinstance(row, BookRow)]
    assert len(rows) == len(frames) == 4322
    assert all(later.previous_id == earlier.last_id for earlier, later in pairwise(rows))
    assert sum(later.first_id == (earlier.last_id or 0) + 1 for earlier, later in pairwise(rows)) < 300


def test_diffs_of_each_symbol_are_linked_separately(received: Frames) -> None:
    envelopes, _ = decoded(usdm, received(MULTI))
    last: dict[str, int | None] = {}
    for envelope in envelopes:
        if envelope.stream.data_type == "book_delta":
            previous = json.loads(envelope.payload)["data"]["pu"]
            assert last.get(envelope.stream.symbol, previous) == previous
            last[envelope.stream.symbol] = envelope.id
    assert set(last) == {"SUSHIUSDT", "AKROUSDT", "KEEPUSDT", "CTKUSDT"}


def test_removed_diffs_are_gaps_in_the_linked_ids(received: Frames) -> None:
    frames = [frame for frame in received(MULTI) if b'"sushiusdt@depth' in frame]
    removed = {10, 11, 50, 51, 52, 120}
    memory = DuplicateFilter(rule=IdRule.CHAINED, overlap_secs=0, progress=StreamProgress(), recent={})
    told, last = [], 0
    for place, envelope in enumerate(decoded(usdm, frames)[0]):
        if place in removed:
            continue
        assert envelope.id is not None
        verdict = memory.judge(envelope.id, envelope.first_id, envelope.exchange_us, place, place)
        assert verdict is (Verdict.AHEAD if place - 1 in removed else Verdict.NEW)
        if verdict is Verdict.AHEAD:
            told.append((str(last), str(json.loads(envelope.payload)["data"]["pu"]), None))
        last = envelope.id
    key = StreamKey("binance_usdm", "SUSHIUSDT", "book_delta")
    rows = [finding.row(key, 1000, chained=True) for finding in memory.holes.settle(1000, all_due=True)]
    assert [(row.expected_id, row.actual_id, row.missing) for row in rows] == told
    assert len(told) == 3
