"""Bitfinex's REST side, for live markets: names of pairs, tickers, and whether the platform works.

Source: https://docs.bitfinex.com/reference/rest-public-conf and its neighbours.
"""

import json
from typing import Final
from urllib.parse import urlsplit

from collector.simulator.listings import Listings
from collector.simulator.market import SCALE, Market
from collector.simulator.messages import UNITS_PER_ONE
from collector.simulator.names import bitfinex_name, is_contract
from collector.simulator.response import Response

PAIRS: Final = "/v2/conf/pub:list:pair:"


def respond(listings: Listings, target: str) -> Response:
    """The answer to a GET below `/bitfinex`. A delisted pair is in no list."""
    markets = [one.market for one in listings.trading if not is_contract(one.market.symbol)]
    names = [bitfinex_name(market.symbol) for market in markets]
    match urlsplit(target).path:
        case "/v2/platform/status":
            return _json([1])
        case path if path == f"{PAIRS}exchange":
            return _json([[name.removeprefix("t") for name in names]])
        case path if path == f"{PAIRS}futures":
            return _json([[]])
        case "/v2/tickers":
            return _json([_ticker(name, market) for name, market in zip(names, markets, strict=True)])
    return Response(404, json.dumps(["error", 10020, "path: invalid"]))


def _ticker(name: str, market: Market) -> list[object]:
    """Best prices with their sizes, changes, last price, volume in the base currency, highest and lowest price."""
    (bid, bid_size), (ask, ask_size) = market.book.best()
    price, size = SCALE.tick / UNITS_PER_ONE, SCALE.step / UNITS_PER_ONE
    last = market.trades[-1].price if market.trades else bid
    best = [bid * price, bid_size * size, ask * price, ask_size * size]
    return [name, *best, 0, 0, last * price, market.traded.size * size, last * price, last * price]


def _json(content: object) -> Response:
    return Response(200, json.dumps(content, separators=(",", ":")))
