"""Kraken's REST side (spot), for live markets: pairs, tickers, the time, and past trades by their time.

Source: https://docs.kraken.com/api/docs/rest-api/get-tradable-asset-pairs and its neighbours.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from collector.simulator.listings import Listings
from collector.simulator.market import SCALE, Market
from collector.simulator.messages import UNITS_PER_ONE, Trade, decimal
from collector.simulator.names import assets, is_contract
from collector.simulator.response import Response

MOST_TRADES: Final = 1_000
NS_IN_MS: Final = 1_000_000

_REST_NAMES: Final = {"BTC": "XBT", "DOGE": "XDG"}


def respond(listings: Listings, target: str, now_ms: int) -> Response:
    """The answer to a GET below `/kraken`; an error has status 200, too."""
    url = urlsplit(target)
    match url.path:
        case "/0/public/Time":
            at = datetime.fromtimestamp(now_ms / 1_000, UTC)
            return _result({"unixtime": now_ms // 1_000, "rfc1123": at.strftime("%a, %d %b %y %H:%M:%S +0000")})
        case "/0/public/AssetPairs":
            return _result(dict(_pairs(listings)))
        case "/0/public/Ticker":
            return _result(dict(_tickers(listings)))
        case "/0/public/Trades":
            return _trades(listings, dict(parse_qsl(url.query)))
    return _error("EGeneral:Unknown method")


def _spot(listings: Listings) -> Iterator[tuple[str, bool, Market]]:
    """Each pair's name at REST, whether it trades, and its market."""
    for symbol, listed in listings.known.items():
        if not is_contract(symbol):
            yield "".join(_renamed(symbol)), listed.is_trading, listed.market


def _renamed(symbol: str) -> list[str]:
    return [_REST_NAMES.get(asset, asset) for asset in assets(symbol)]


def _pairs(listings: Listings) -> Iterator[tuple[str, object]]:
    for name, is_trading, market in _spot(listings):
        base, quote = _renamed(market.symbol)
        yield (
            name,
            {
                "altname": name,
                "wsname": f"{base}/{quote}",
                "base": base,
                "quote": quote,
                "pair_decimals": 8,
                "lot_decimals": 8,
                "ordermin": decimal(SCALE.step),
                "costmin": "0.5",
                "tick_size": decimal(SCALE.tick),
                "status": "online" if is_trading else "cancel_only",
            },
        )


def _tickers(listings: Listings) -> Iterator[tuple[str, object]]:
    for name, _, market in _spot(listings):
        (bid, _), (ask, _) = market.book.best()
        traded = market.traded
        volume = decimal(traded.size * SCALE.step)
        average = decimal(traded.value // traded.size * SCALE.tick if traded.size else 0)
        prices = {"a": [decimal(ask * SCALE.tick), "1", "1.000"], "b": [decimal(bid * SCALE.tick), "1", "1.000"]}
        yield name, {**prices, "v": [volume, volume], "p": [average, average]}


def _trades(listings: Listings, query: Mapping[str, str]) -> Response:
    """Trades after `since`, which is in nanoseconds, oldest first; without it, the newest. `last` is the next `since`."""
    market = next((market for name, _, market in _spot(listings) if name == query.get("pair")), None)
    if market is None:
        return _error("EQuery:Unknown asset pair")
    since, count = query.get("since", ""), query.get("count", str(MOST_TRADES))
    if not (since.isdecimal() or not since) or not count.isdecimal() or not 0 < int(count) <= MOST_TRADES:
        return _error("EGeneral:Invalid arguments")
    page = _page(market.trades, int(since), int(count)) if since else market.trades[-int(count) :]
    last = str(page[-1].at_ms * NS_IN_MS) if page else since
    trades = ",".join(map(_trade, page))
    return Response(200, f'{{"error":[],"result":{{"{query["pair"]}":[{trades}],"last":"{last}"}}}}')


def _page(trades: list[Trade], since_ns: int, count: int) -> list[Trade]:
    """Trades of one time are never divided: the next page begins after it."""
    later = [one for one in trades if one.at_ms * NS_IN_MS > since_ns]
    end = count
    while end < len(later) and later[end].at_ms == later[end - 1].at_ms:
        end += 1
    return later[:end]


def _trade(one: Trade) -> str:
    price, size = decimal(one.price * SCALE.tick), decimal(one.size * SCALE.step)
    at_secs, side = decimal(one.at_ms * UNITS_PER_ONE // 1_000), "s" if one.seller_is_taker else "b"
    return f'["{price}","{size}",{at_secs},"{side}","l","",{one.id}]'


def _result(result: object) -> Response:
    return Response(200, json.dumps({"error": [], "result": result}, separators=(",", ":")))


def _error(text: str) -> Response:
    return Response(200, json.dumps({"error": [text]}))
