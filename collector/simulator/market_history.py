"""The history of seeded markets, for REST."""

from bisect import bisect_left
from collections.abc import Sequence
from operator import attrgetter

from collector.simulator import messages
from collector.simulator.market import Fill, Market

MOST_LEVELS = 5000


class MarketHistory:
    """See `rest.History`: the current books, and the trades that the markets keep."""

    def __init__(self, markets: Sequence[Market]) -> None:
        """The books at this moment are the oldest ones served."""
        self._markets = {market.symbol: market for market in markets}
        self._first_books = {market.symbol: market.depth(MOST_LEVELS) for market in markets}

    def symbols(self) -> Sequence[str]:
        """The symbols of all markets."""
        return list(self._markets)

    def depth(self, symbol: str, limit: int) -> str | None:
        """The current book."""
        market = self._markets.get(symbol)
        return None if market is None else market.depth(limit)

    def stale_depth(self, symbol: str) -> str | None:
        """The book at the start."""
        return self._first_books.get(symbol)

    def fills(self, symbol: str, first_id: int | None, limit: int) -> Sequence[str] | None:
        """The trades kept: at least the last `market.HISTORY`."""
        market = self._markets.get(symbol)
        if market is None:
            return None
        return [messages.rest_trade(fill, market.scale) for fill in _page(market.trades, first_id, limit)]

    def aggregates(self, symbol: str, first_id: int | None, limit: int) -> Sequence[str] | None:
        """The aggregates kept: at least the last `market.HISTORY`."""
        market = self._markets.get(symbol)
        if market is None:
            return None
        return [messages.rest_agg_trade(fills, market.scale) for fills in _page(market.agg_trades, first_id, limit)]


def _page(history: list[Fill], first_id: int | None, limit: int) -> list[Fill]:
    if first_id is None:
        return history[-limit:]
    start = bisect_left(history, first_id, key=attrgetter("id"))
    return history[start : start + limit]
