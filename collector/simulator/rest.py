"""The exchange's REST side: a request in, a response out, with the weight it costs.

Paths, weights and limits: https://developers.binance.com/docs/binance-spot-api-docs/rest-api
"""

import json
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Final, NamedTuple, TypeVar
from urllib.parse import parse_qsl, urlsplit

from collector.simulator import messages
from collector.simulator.market import Market
from collector.simulator.messages import AggTrade, Trade

WEIGHT_PER_MINUTE: Final = 6_000
DEPTH_WEIGHTS: Final = ((100, 5), (500, 25), (1000, 50), (5000, 250))
MINUTE_MS: Final = 60_000

Fill = TypeVar("Fill", Trade, AggTrade)
Query = Mapping[str, str]


class Response(NamedTuple):
    """Status, body, and headers beyond the usual."""

    status: int
    body: str
    headers: tuple[tuple[str, str], ...] = ()


class Refusal(Exception):  # noqa: N818 - it is an answer, caught where it is sent
    """The exchange's way to say no."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.response = Response(400, json.dumps({"code": code, "msg": text}, separators=(",", ":")))


class Rest:
    """Answers for a set of markets and keeps count of the weight used in the running minute."""

    def __init__(self, markets: Sequence[Market]) -> None:
        """Serve `markets`; there are none in a replay."""
        self._markets = {market.symbol: market for market in markets}
        self._minute = 0
        self._used = 0
        self._routes: dict[str, Callable[[Query, int], tuple[int, str]]] = {
            "/api/v3/ping": lambda _, __: (1, "{}"),
            "/api/v3/time": lambda _, now_ms: (1, f'{{"serverTime":{now_ms}}}'),
            "/api/v3/exchangeInfo": lambda _, now_ms: (20, self._exchange_info(now_ms)),
            "/api/v3/depth": self._depth,
            "/api/v3/trades": lambda query, _: (25, self._trades({**query, "fromId": ""})),
            "/api/v3/historicalTrades": lambda query, _: (25, self._trades(query)),
            "/api/v3/aggTrades": self._agg_trades,
        }

    def respond(self, method: str, target: str, now_ms: int) -> Response:
        """Answer one request; every answer carries the weight used so far in this minute."""
        url = urlsplit(target)
        route = self._routes.get(url.path)
        if route is None or method != "GET":
            return Response(404, "")
        if now_ms // MINUTE_MS != self._minute:
            self._minute, self._used = now_ms // MINUTE_MS, 0
        try:
            weight, body = route(dict(parse_qsl(url.query)), now_ms)
            response = Response(200, body)
        except Refusal as refusal:
            weight, response = 1, refusal.response
        self._used += weight
        if self._used > WEIGHT_PER_MINUTE:
            response = too_many(MINUTE_MS - now_ms % MINUTE_MS)
        used = str(self._used)
        return response._replace(
            headers=(*response.headers, ("X-MBX-USED-WEIGHT", used), ("X-MBX-USED-WEIGHT-1M", used))
        )

    def _market(self, query: Query) -> Market:
        market = self._markets.get(query.get("symbol", ""))
        if market is None:
            raise Refusal(-1121, "Invalid symbol.")
        return market

    def _depth(self, query: Query, _now_ms: int) -> tuple[int, str]:
        limit = min(_integer(query, "limit", 100), DEPTH_WEIGHTS[-1][0])
        weight = next(weight for most, weight in DEPTH_WEIGHTS if limit <= most)
        return weight, self._market(query).depth(limit)

    def _trades(self, query: Query) -> str:
        market = self._market(query)
        fills = _page(market.trades, query)
        return f"[{','.join(messages.rest_trade(fill, market.scale) for fill in fills)}]"

    def _agg_trades(self, query: Query, _now_ms: int) -> tuple[int, str]:
        market = self._market(query)
        fills = _page(market.agg_trades, query)
        return 4, f"[{','.join(messages.rest_agg_trade(fill, market.scale) for fill in fills)}]"

    def _exchange_info(self, now_ms: int) -> str:
        limits = [
            {"rateLimitType": kind, "interval": "MINUTE", "intervalNum": minutes, "limit": limit}
            for kind, minutes, limit in (("REQUEST_WEIGHT", 1, WEIGHT_PER_MINUTE), ("RAW_REQUESTS", 5, 300_000))
        ]
        symbols = [_symbol_info(market) for market in self._markets.values()]
        info = {
            "timezone": "UTC",
            "serverTime": now_ms,
            "rateLimits": limits,
            "exchangeFilters": [],
            "symbols": symbols,
        }
        return json.dumps(info, separators=(",", ":"))


def too_many(retry_after_ms: int) -> Response:
    """The answer to a client over its budget."""
    body = json.dumps({"code": -1003, "msg": "Too much request weight used."}, separators=(",", ":"))
    return Response(429, body, (("Retry-After", str(-(-retry_after_ms // 1000))),))


def _integer(query: Query, name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not text.isdecimal() or not int(text):
        raise Refusal(-1100, f"Illegal characters found in parameter '{name}'.")
    return int(text)


def _page(history: list[Fill], query: Query) -> list[Fill]:
    limit = min(_integer(query, "limit", 500), 1000)
    if not query.get("fromId"):
        return history[-limit:]
    start = bisect_left(history, _integer(query, "fromId", 0), key=attrgetter("id"))
    return history[start : start + limit]


def _symbol_info(market: Market) -> dict[str, object]:
    quote = next((coin for coin in ("USDT", "USDC", "BTC", "EUR") if market.symbol.endswith(coin)), "")
    return {
        "symbol": market.symbol,
        "status": "TRADING",
        "baseAsset": market.symbol.removesuffix(quote),
        "baseAssetPrecision": 8,
        "quoteAsset": quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
        "isSpotTradingAllowed": True,
        "filters": [
            {"filterType": "PRICE_FILTER", "tickSize": messages.decimal(market.scale.tick)},
            {"filterType": "LOT_SIZE", "stepSize": messages.decimal(market.scale.step)},
        ],
    }
