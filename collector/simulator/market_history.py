"""The history of seeded markets, for REST."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from operator import attrgetter

from collector.simulator import messages
from collector.simulator.listings import Listings
from collector.simulator.market import Fill
from collector.simulator.messages import UNITS_PER_ONE
from collector.simulator.rest import Turnover


class MarketHistory:
    """See `rest.History`: the current books, and the trades that the markets keep."""

    is_recorded = False

    def __init__(self, listings: Listings) -> None:
        """The oldest books served are those of the time when a market was listed."""
        self._listings = listings

    def symbols(self) -> Mapping[str, bool]:
        """The symbols of all markets."""
        return {symbol: listed.is_trading for symbol, listed in self._listings.known.items()}

    def depth(self, symbol: str, limit: int) -> str | None:
        """The current book."""
        market = self._listings.market(symbol)
        return None if market is None else market.depth(limit)

    def stale_depth(self, symbol: str) -> str | None:
        """The book at the start."""
        listed = self._listings.known.get(symbol)
        return None if listed is None else listed.first_book

    def fills(self, symbol: str, first_id: int | None, limit: int) -> Sequence[str] | None:
        """The trades kept: at least the last `market.HISTORY`."""
        market = self._listings.market(symbol)
        if market is None:
            return None
        return [messages.rest_trade(fill, market.scale) for fill in _page(market.trades, first_id, limit)]

    def aggregates(self, symbol: str, first_id: int | None, limit: int) -> Sequence[str] | None:
        """The aggregates kept: at least the last `market.HISTORY`."""
        market = self._listings.market(symbol)
        if market is None:
            return None
        return [messages.rest_agg_trade(fills, market.scale) for fills in _page(market.agg_trades, first_id, limit)]

    def turnover(self, symbol: str) -> Turnover:
        """Since the market began."""
        market = self._listings.known[symbol].market
        scale = market.scale
        base = market.traded.size * scale.step / UNITS_PER_ONE
        return Turnover(base, market.traded.value * scale.tick * scale.step / UNITS_PER_ONE**2)

    def open_interest(self, symbol: str) -> str | None:
        """The contract's."""
        listed = self._listings.known.get(symbol)
        return None if listed is None else listed.contract.open_interest


def _page(history: list[Fill], first_id: int | None, limit: int) -> list[Fill]:
    if first_id is None:
        return history[-limit:]
    start = bisect_left(history, first_id, key=attrgetter("id"))
    return history[start : start + limit]
