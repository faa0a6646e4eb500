"""The exchange's REST side: a request in, a response out, with the weight it costs.

Paths, weights and limits: https://developers.binance.com/docs/binance-spot-api-docs/rest-api and, of the futures,
https://developers.binance.com/docs/derivatives (usds-margined-futures and coin-margined-futures).
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol, TypeVar
from urllib.parse import parse_qsl, urlsplit

from collector.simulator import messages
from collector.simulator.market import SCALE

DEPTH: Final = "depth"
PAGES: Final = ("trades", "historicalTrades", "aggTrades")
MINUTE_MS: Final = 60_000

Query = Mapping[str, str]
Answer = TypeVar("Answer", str, Sequence[str])


class Api(NamedTuple):
    """One market's REST interface: its budget, and what a request costs."""

    weight_per_minute: int
    depth_weights: tuple[tuple[int, int], ...]
    """Pairs of a number of levels and the weight up to it."""
    weights: Mapping[str, int]
    """Weights of all other endpoints that need no key."""


_SPOT: Final = Api(
    6_000,
    ((100, 5), (500, 25), (1000, 50), (5000, 250)),
    {"ping": 1, "time": 1, "exchangeInfo": 20, "trades": 25, "historicalTrades": 25, "aggTrades": 4},
)
_FUTURES: Final = Api(
    2_400,
    ((50, 2), (100, 5), (500, 10), (1000, 20)),
    {"ping": 1, "time": 1, "exchangeInfo": 1, "trades": 5, "aggTrades": 20},
)
APIS: Final = {"/api/v3": _SPOT, "/fapi/v1": _FUTURES, "/dapi/v1": _FUTURES}
"""By path prefix. Each has a budget of its own."""


class History(Protocol):
    """The exchange's books and past trades; None for an unknown symbol."""

    def symbols(self) -> Sequence[str]:
        """Every symbol."""
        ...

    def depth(self, symbol: str, limit: int) -> str | None:
        """The body of a book, the best `limit` levels a side."""
        ...

    def stale_depth(self, symbol: str) -> str | None:
        """The body of the oldest book available."""
        ...

    def fills(self, symbol: str, first_id: int | None, limit: int) -> Sequence[str] | None:
        """Trades from this id on (None: the newest), as REST gives them."""
        ...

    def aggregates(self, symbol: str, first_id: int | None, limit: int) -> Sequence[str] | None:
        """Aggregate trades from this id on (None: the newest), as REST gives them."""
        ...


class Response(NamedTuple):
    """Status, body, and headers beyond the usual."""

    status: int
    body: str
    headers: tuple[tuple[str, str], ...] = ()


class RestError(Exception):
    """An error response of the exchange."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.response = Response(400, json.dumps({"code": code, "msg": text}, separators=(",", ":")))


class Rest:
    """Answers from a history, and counts the weight used in the current minute."""

    def __init__(self, history: History) -> None:
        """Start with nothing used."""
        self._history = history
        self._minute = 0
        self._used = Counter[str]()

    def knows(self, path: str) -> bool:
        """Whether the path belongs to one of Binance's interfaces."""
        return path.rpartition("/")[0] in APIS

    def respond(self, method: str, target: str, now_ms: int, *, stale: bool = False) -> Response:
        """Answer one request; every response carries the weight used so far in this minute. `stale`: send an old book."""
        url = urlsplit(target)
        root, _, name = url.path.rpartition("/")
        api = APIS.get(root)
        if api is None or name not in {DEPTH, *api.weights} or method != "GET":
            return Response(404, "")
        if now_ms // MINUTE_MS != self._minute:
            self._minute = now_ms // MINUTE_MS
            self._used.clear()
        try:
            query = dict(parse_qsl(url.query))
            weight, body = (
                self._depth(api, query, stale=stale) if name == DEPTH else self._other(api, name, query, now_ms)
            )
            response = Response(200, body)
        except RestError as refusal:
            weight, response = 1, refusal.response
        self._used[root] += weight
        if self._used[root] > api.weight_per_minute:
            response = too_many(MINUTE_MS - now_ms % MINUTE_MS)
        used = str(self._used[root])
        return response._replace(
            headers=(*response.headers, ("X-MBX-USED-WEIGHT", used), ("X-MBX-USED-WEIGHT-1M", used))
        )

    def _depth(self, api: Api, query: Query, *, stale: bool) -> tuple[int, str]:
        limit = min(_limit(query, 100), api.depth_weights[-1][0])
        weight = next(weight for most, weight in api.depth_weights if limit <= most)
        symbol = query.get("symbol", "")
        return weight, _known(self._history.stale_depth(symbol) if stale else self._history.depth(symbol, limit))

    def _other(self, api: Api, name: str, query: Query, now_ms: int) -> tuple[int, str]:
        match name:
            case "ping":
                body = "{}"
            case "time":
                body = f'{{"serverTime":{now_ms}}}'
            case "exchangeInfo":
                body = self._exchange_info(api, now_ms)
            case _:
                body = f"[{','.join(self._page(name, query))}]"
        return api.weights[name], body

    def _page(self, name: str, query: Query) -> Sequence[str]:
        limit = min(_limit(query, 500), 1000)
        first_id = _integer(query, "fromId", 0) if "fromId" in query and name != "trades" else None
        page = self._history.aggregates if name == "aggTrades" else self._history.fills
        return _known(page(query.get("symbol", ""), first_id, limit))

    def _exchange_info(self, api: Api, now_ms: int) -> str:
        limits = [
            {"rateLimitType": kind, "interval": "MINUTE", "intervalNum": minutes, "limit": limit}
            for kind, minutes, limit in (("REQUEST_WEIGHT", 1, api.weight_per_minute), ("RAW_REQUESTS", 5, 300_000))
        ]
        info = {
            "timezone": "UTC",
            "serverTime": now_ms,
            "rateLimits": limits,
            "exchangeFilters": [],
            "symbols": [_symbol_info(symbol) for symbol in self._history.symbols()],
        }
        return json.dumps(info, separators=(",", ":"))


def too_many(retry_after_ms: int) -> Response:
    """The answer to a client over its budget."""
    body = json.dumps({"code": -1003, "msg": "Too much request weight used."}, separators=(",", ":"))
    return Response(429, body, (("Retry-After", str(-(-retry_after_ms // 1000))),))


def _limit(query: Query, default: int) -> int:
    limit = _integer(query, "limit", default)
    if not limit:
        raise RestError(-1100, "Illegal characters found in parameter 'limit'.")
    return limit


def _integer(query: Query, name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not text.isdecimal():
        raise RestError(-1100, f"Illegal characters found in parameter '{name}'.")
    return int(text)


def _known(answer: Answer | None) -> Answer:
    if answer is None:
        raise RestError(-1121, "Invalid symbol.")
    return answer


def _symbol_info(symbol: str) -> dict[str, object]:
    quote = next((coin for coin in ("USDT", "USDC", "BTC", "EUR") if symbol.endswith(coin)), "")
    return {
        "symbol": symbol,
        "status": "TRADING",
        "baseAsset": symbol.removesuffix(quote),
        "baseAssetPrecision": 8,
        "quoteAsset": quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
        "isSpotTradingAllowed": True,
        "filters": [
            {"filterType": "PRICE_FILTER", "tickSize": messages.decimal(SCALE.tick)},
            {"filterType": "LOT_SIZE", "stepSize": messages.decimal(SCALE.step)},
        ],
    }
