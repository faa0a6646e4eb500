"""Recorded frames become the rows that a reading with another JSON parser, exact decimals and no code of the adapters finds."""

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from collector.domain.records import BookRow, BookTickerRow, MarkPriceRow, OpenInterestRow, TradeRow
from tests.conftest import Lines
from tests.exchanges.conversing import decoded
from tests.exchanges.recorded_markets import MARKETS, recording
from tests.exchanges.rows import rows_of

Levels = list[tuple[Decimal, Decimal]]


class Said(NamedTuple):
    """A message as the independent reading finds it; numbers are exact."""

    symbol: str
    data_type: str
    first_id: int | None
    id: int | None
    exchange_us: int | None
    is_snapshot: bool
    figures: tuple[object, ...]


def book(bids: Levels, asks: Levels) -> tuple[object, ...]:
    return tuple(tuple(level[part] for level in side) for side in (bids, asks) for part in (0, 1))


def of_texts(levels: list[list[str]]) -> Levels:
    return [(Decimal(level[0]), Decimal(level[1])) for level in levels]


def okx(frames: list[Any]) -> Iterator[Said]:
    for frame in frames:
        symbol, channel = frame["arg"]["instId"], frame["arg"]["channel"]
        for one in frame.get("data", ()):
            sent_us = int(one["ts"]) * 1_000
            if channel == "books":
                figures = book(of_texts(one["bids"]), of_texts(one["asks"]))
                yield Said(symbol, "book_delta", None, None, sent_us, frame["action"] == "snapshot", figures)
            elif channel == "trades":
                traded = (one["tradeId"], Decimal(one["px"]), Decimal(one["sz"]), one["side"])
                yield Said(symbol, "trade", None, int(one["tradeId"]), sent_us, False, traded)


def bitfinex(frames: list[Any]) -> Iterator[Said]:
    channels = {}
    for frame in frames:
        if isinstance(frame, dict):
            if frame["event"] == "subscribed":
                channels[frame["chanId"]] = frame["channel"], frame["symbol"]
            continue
        content = frame[1]
        if content == "hb":
            continue
        channel, symbol = channels[frame[0]]
        if channel == "book":
            levels = content if isinstance(content[0], list) else [content]
            sides: tuple[Levels, Levels] = ([], [])
            for price, count, amount in levels:
                sides[amount < 0].append((Decimal(price), abs(Decimal(amount)) if count else Decimal(0)))
            yield Said(symbol, "book_delta", None, None, None, levels is content, book(*sides))
        elif channel == "trades":
            for number, sent_ms, amount, price in reversed(content):
                side = "sell" if amount < 0 else "buy"
                traded = (str(number), Decimal(price), abs(Decimal(amount)), side)
                yield Said(symbol, "trade", None, number, sent_ms * 1_000, False, traded)
        else:
            yield Said(symbol, "book_ticker", None, None, None, False, (Decimal(content[0]), Decimal(content[2])))


def deribit(frames: list[Any]) -> Iterator[Said]:
    for frame in frames:
        if "params" not in frame:
            continue
        one, channel = frame["params"]["data"], frame["params"]["channel"].split(".")[0]
        symbol, sent_us = one["instrument_name"], one["timestamp"] * 1_000
        if channel == "book":
            previous = one.get("prev_change_id")
            sides = ([(Decimal(price), Decimal(size)) for _, price, size in one[side]] for side in ("bids", "asks"))
            first = None if previous is None else previous + 1
            yield Said(symbol, "book_delta", first, one["change_id"], sent_us, one["type"] == "snapshot", book(*sides))
        elif channel == "ticker":
            prices = tuple(Decimal(one[name]) for name in ("mark_price", "index_price", "estimated_delivery_price"))
            yield Said(symbol, "mark_price", None, None, sent_us, False, prices)
            yield Said(symbol, "open_interest", None, None, sent_us, False, (Decimal(one["open_interest"]),))


def hyperliquid(frames: list[Any]) -> Iterator[Said]:
    for frame in frames:
        if frame["channel"] == "l2Book":
            one = frame["data"]
            sides = ([(Decimal(level["px"]), Decimal(level["sz"])) for level in side] for side in one["levels"])
            yield Said(one["coin"], "book_snapshot", None, None, one["time"] * 1_000, False, book(*sides))
        else:
            for one in frame["data"]:
                side = {"A": "sell", "B": "buy"}[one["side"]]
                traded = (str(one["tid"]), Decimal(one["px"]), Decimal(one["sz"]), side)
                yield Said(one["coin"], "trade", None, one["tid"], one["time"] * 1_000, False, traded)


READINGS: dict[str, Callable[[list[Any]], Iterator[Said]]] = {
    "okx": okx,
    "bitfinex": bitfinex,
    "deribit": deribit,
    "hyperliquid": hyperliquid,
}


def exact(value: object) -> object:
    """A double as the decimal that its shortest text is."""
    if isinstance(value, tuple):
        return tuple(map(exact, value))
    return Decimal(repr(value)) if isinstance(value, float) else value


def figures(row: Any) -> tuple[object, ...]:
    if isinstance(row, BookRow):
        return row[4:]
    if isinstance(row, TradeRow):
        return row[:4]
    if isinstance(row, BookTickerRow):
        return row.bid_price, row.ask_price
    return (row.open_interest,) if isinstance(row, OpenInterestRow) else tuple(row)


@pytest.mark.parametrize("exchange", READINGS)
def test_every_row_is_what_another_reading_finds(exchange: str, recorded: Lines) -> None:
    (market,) = (market for market in MARKETS if market.exchange == exchange)
    played = recording(market, recorded)
    frames = [received.frame for received in played.frames]
    messages = decoded(market.adapter.decoder(played.subscription), frames)
    expected = list(READINGS[exchange]([json.loads(frame, parse_float=Decimal) for frame in frames]))
    assert len(messages) == len(expected) > 0
    for one, said in zip(messages, expected, strict=True):
        (row,) = rows_of(market.adapter, one.stream.data_type, [one.payload])
        assert isinstance(row, BookRow | TradeRow | BookTickerRow | MarkPriceRow | OpenInterestRow)
        where, told = (one.stream.symbol, one.stream.data_type), tuple(map(exact, figures(row)))
        found = Said(*where, one.first_id, one.id, one.exchange_us, one.is_snapshot, told)
        assert found == said
