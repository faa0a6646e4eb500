"""Binance's shapes as JSON text: key order, 8 decimals and spacing as the exchange sends them.

Streams: https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams
REST: https://developers.binance.com/docs/binance-spot-api-docs/rest-api/market-data-endpoints
"""

from collections.abc import Iterable
from typing import NamedTuple

from collector.simulator.book import Changes, Level

UNITS_PER_ONE = 10**8


class Scale(NamedTuple):
    """What one tick of price and one step of size are worth, in units of 1e-8."""

    tick: int
    step: int


class Trade(NamedTuple):
    """One fill; `seller_is_taker` is the exchange's `m`."""

    id: int
    price: int
    size: int
    at_ms: int
    seller_is_taker: bool


class AggTrade(NamedTuple):
    """The fills of one taker order at one price."""

    id: int
    price: int
    size: int
    first_trade_id: int
    last_trade_id: int
    at_ms: int
    seller_is_taker: bool


def decimal(units: int) -> str:
    """Render units of 1e-8 as the exchange does."""
    return f"{units // UNITS_PER_ONE}.{units % UNITS_PER_ONE:08d}"


def levels(side: Iterable[Level], scale: Scale) -> str:
    """Render levels as `[["price","size"],…]`."""
    pairs = (f'["{decimal(price * scale.tick)}","{decimal(size * scale.step)}"]' for price, size in side)
    return f"[{','.join(pairs)}]"


def depth_update(changes: Changes, symbol: str, at_ms: int, scale: Scale) -> str:
    """Render a payload of `@depth@100ms`."""
    return (
        f'{{"e":"depthUpdate","E":{at_ms},"s":"{symbol}","U":{changes.first_id},"u":{changes.last_id},'
        f'"b":{levels(changes.bids, scale)},"a":{levels(changes.asks, scale)}}}'
    )


def snapshot(update_id: int, bids: Iterable[Level], asks: Iterable[Level], scale: Scale) -> str:
    """Render a payload of `@depth20@100ms`, which is also the body of REST depth."""
    return f'{{"lastUpdateId":{update_id},"bids":{levels(bids, scale)},"asks":{levels(asks, scale)}}}'


def book_ticker(update_id: int, best: tuple[Level, Level], symbol: str, scale: Scale) -> str:
    """Render a payload of `@bookTicker`."""
    (bid, bid_size), (ask, ask_size) = best
    return (
        f'{{"u":{update_id},"s":"{symbol}",'
        f'"b":"{decimal(bid * scale.tick)}","B":"{decimal(bid_size * scale.step)}",'
        f'"a":"{decimal(ask * scale.tick)}","A":"{decimal(ask_size * scale.step)}"}}'
    )


def trade(fill: Trade, symbol: str, at_ms: int, scale: Scale) -> str:
    """Render a payload of `@trade`."""
    return (
        f'{{"e":"trade","E":{at_ms},"s":"{symbol}","t":{fill.id},"p":"{decimal(fill.price * scale.tick)}",'
        f'"q":"{decimal(fill.size * scale.step)}","T":{fill.at_ms},"m":{_bool(fill.seller_is_taker)},"M":true}}'
    )


def agg_trade(fills: AggTrade, symbol: str, at_ms: int, scale: Scale) -> str:
    """Render a payload of `@aggTrade`."""
    return f'{{"e":"aggTrade","E":{at_ms},"s":"{symbol}",{_agg_body(fills, scale)}}}'


def rest_trade(fill: Trade, scale: Scale) -> str:
    """Render one element of REST trades and historicalTrades."""
    quote = fill.price * scale.tick * fill.size * scale.step // UNITS_PER_ONE
    return (
        f'{{"id":{fill.id},"price":"{decimal(fill.price * scale.tick)}","qty":"{decimal(fill.size * scale.step)}",'
        f'"quoteQty":"{decimal(quote)}","time":{fill.at_ms},"isBuyerMaker":{_bool(fill.seller_is_taker)},'
        f'"isBestMatch":true}}'
    )


def rest_agg_trade(fills: AggTrade, scale: Scale) -> str:
    """Render one element of REST aggTrades."""
    return f"{{{_agg_body(fills, scale)}}}"


def _agg_body(fills: AggTrade, scale: Scale) -> str:
    return (
        f'"a":{fills.id},"p":"{decimal(fills.price * scale.tick)}","q":"{decimal(fills.size * scale.step)}",'
        f'"f":{fills.first_trade_id},"l":{fills.last_trade_id},"T":{fills.at_ms},"m":{_bool(fills.seller_is_taker)},"M":true'
    )


def _bool(value: bool) -> str:
    return "true" if value else "false"
