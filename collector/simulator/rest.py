"""The exchange's REST side: a request in, a response out, with the weight it costs.

Paths, weights and limits: https://developers.binance.com/docs/binance-spot-api-docs/rest-api and, of the futures,
https://developers.binance.com/docs/derivatives (usds-margined-futures and coin-margined-futures).
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol, TypeVar
from urllib.parse import parse_qsl, urlsplit

from collector.simulator import exchange_info
from collector.simulator.response import Response

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
    market: exchange_info.Market


_SPOT: Final = Api(
    6_000,
    ((100, 5), (500, 25), (1000, 50), (5000, 250)),
    {
        "ping": 1,
        "time": 1,
        "exchangeInfo": 20,
        "trades": 25,
        "historicalTrades": 25,
        "aggTrades": 4,
        "ticker/24hr": 80,
    },
    "spot",
)
_USDM: Final = Api(
    2_400,
    ((50, 2), (100, 5), (500, 10), (1000, 20)),
    {"ping": 1, "time": 1, "exchangeInfo": 1, "trades": 5, "aggTrades": 20, "ticker/24hr": 40, "openInterest": 1},
    "usdm",
)
APIS: Final = {"/api/v3": _SPOT, "/fapi/v1": _USDM, "/dapi/v1": _USDM._replace(market="coinm")}
"""By path prefix. Each has a budget of its own."""


class Turnover(NamedTuple):
    """What was traded of a symbol, in the base and in the quote currency."""

    base: float
    quote: float


class History(Protocol):
    """The exchange's books and past trades; None for an unknown symbol."""

    is_recorded: bool
    """Whether its books are as the exchange wrote them, with the times that the futures' have."""

    def symbols(self) -> Mapping[str, bool]:
        """Every symbol, and whether it trades."""
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

    def turnover(self, symbol: str) -> Turnover:
        """Of the last day; of one of `symbols`."""
        ...

    def open_interest(self, symbol: str) -> str | None:
        """Of the contract."""
        ...


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
        return _root_of(path) in APIS

    def respond(self, method: str, target: str, now_ms: int, *, stale: bool = False) -> Response:
        """Answer one request; every response carries the weight used so far in this minute. `stale`: send an old book."""
        url = urlsplit(target)
        root = _root_of(url.path)
        name = url.path[len(root) + 1 :]
        api = APIS.get(root)
        if api is None or name not in {DEPTH, *api.weights} or method != "GET":
            return Response(404, "")
        if now_ms // MINUTE_MS != self._minute:
            self._minute = now_ms // MINUTE_MS
            self._used.clear()
        try:
            query = dict(parse_qsl(url.query))
            weight, body = (
                self._depth(api, query, now_ms, stale=stale) if name == DEPTH else self._other(api, name, query, now_ms)
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

    def _depth(self, api: Api, query: Query, now_ms: int, *, stale: bool) -> tuple[int, str]:
        limit = min(_limit(query, 100), api.depth_weights[-1][0])
        weight = next(weight for most, weight in api.depth_weights if limit <= most)
        symbol = query.get("symbol", "")
        body = _known(self._history.stale_depth(symbol) if stale else self._history.depth(symbol, limit))
        return weight, body if api.market == "spot" or self._history.is_recorded else _timed(body, now_ms)

    def _other(self, api: Api, name: str, query: Query, now_ms: int) -> tuple[int, str]:
        match name:
            case "ping":
                body = "{}"
            case "time":
                body = f'{{"serverTime":{now_ms}}}'
            case "exchangeInfo":
                symbols = self._symbols(api)
                body = exchange_info.render(api.market, symbols, now_ms, api.weight_per_minute)
            case "ticker/24hr":
                tickers = (self._ticker(api, symbol) for symbol in self._symbols(api))
                body = f"[{','.join(tickers)}]"
            case "openInterest":
                symbol = query.get("symbol", "")
                amount = _known(self._history.open_interest(symbol))
                body = f'{{"symbol":"{symbol}","openInterest":"{amount}","time":{now_ms}}}'
            case _:
                body = f"[{','.join(self._page(name, query))}]"
        return api.weights[name], body

    def _page(self, name: str, query: Query) -> Sequence[str]:
        limit = min(_limit(query, 500), 1000)
        first_id = _integer(query, "fromId", 0) if "fromId" in query and name != "trades" else None
        page = self._history.aggregates if name == "aggTrades" else self._history.fills
        return _known(page(query.get("symbol", ""), first_id, limit))

    def _symbols(self, api: Api) -> Mapping[str, bool]:
        found = self._history.symbols().items()
        return {name: is_trading for name, is_trading in found if exchange_info.has(api.market, name)}

    def _ticker(self, api: Api, symbol: str) -> str:
        base, quote = self._history.turnover(symbol)
        price = quote / base if base else 0.0
        other = f'"baseVolume":"{base:.8f}"' if api.market == "coinm" else f'"quoteVolume":"{quote:.8f}"'
        return f'{{"symbol":"{symbol}","weightedAvgPrice":"{price:.8f}","volume":"{base:.8f}",{other}}}'


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


def _root_of(path: str) -> str:
    """The first two parts."""
    return "/".join(path.split("/")[:3])


def _timed(body: str, now_ms: int) -> str:
    """A book with the times that the futures' have."""
    head, _, rest = body.partition(",")
    return f'{head},"E":{now_ms},"T":{now_ms},{rest}'
