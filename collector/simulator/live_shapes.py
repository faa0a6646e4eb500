"""What the sessions of live markets in other shapes than Binance's share: levels as text, and what changed among the best."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from collector.simulator.book import Side
from collector.simulator.listings import Listings
from collector.simulator.market import Market
from collector.simulator.messages import decimal
from collector.simulator.names import is_contract

View = Mapping[str, str]
"""Size by price, as text, best first."""


class BookView(NamedTuple):
    """The best levels of both sides."""

    bids: View
    asks: View


def find(listings: Listings, name: str, name_of: Callable[[str], str]) -> Market | None:
    """The market without contracts that trades now and that the exchange calls so; None if there is none."""
    markets = (one.market for one in listings.trading if not is_contract(one.market.symbol))
    return next((market for market in markets if name_of(market.symbol) == name), None)


def view(market: Market, depth: int) -> BookView:
    """The best `depth` levels a side now."""
    return BookView(_side(market, market.book.bids, depth), _side(market, market.book.asks, depth))


def changes(before: View, now: View, *, falling: bool) -> list[tuple[str, str]]:
    """The levels that are new or have another size, and with size 0 those that are gone; `falling`: best first is falling.

    A level that only fell out of the depth, because better ones came, is not removed: the exchange says nothing of it.
    """
    worst = float(list(now)[-1]) if len(now) >= len(before) and now else None
    gone = [price for price in before if price not in now]
    removed = [price for price in gone if worst is None or (float(price) > worst) == falling]
    changed = [(price, size) for price, size in now.items() if before.get(price) != size]
    return [*((price, decimal(0)) for price in removed), *changed]


def _side(market: Market, side: Side, depth: int) -> View:
    scale = market.scale
    return {decimal(price * scale.tick): decimal(size * scale.step) for price, size in side.top(depth)}
