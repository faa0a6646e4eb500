"""The markets of a simulator, which may be listed and delisted while it runs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from collector.domain.errors import ConfigError
from collector.simulator.contract import Contract
from collector.simulator.market import Market

MOST_LEVELS: Final = 5000


@dataclass
class Listed:
    """A market. Once delisted nothing happens in it, and its past stays available over REST."""

    market: Market
    contract: Contract
    first_book: str
    """The body of REST depth at the time when it was first listed."""
    is_trading: bool = True


class Listings:
    """All markets by symbol."""

    def __init__(self, symbols: Iterable[str], seed: int) -> None:
        """List these symbols."""
        self._seed = seed
        self.known: dict[str, Listed] = {}
        for symbol in symbols:
            self.list(symbol)

    @property
    def trading(self) -> list[Listed]:
        """Those that are not delisted."""
        return [one for one in self.known.values() if one.is_trading]

    def market(self, symbol: str) -> Market | None:
        """The market, delisted or not."""
        listed = self.known.get(symbol)
        return None if listed is None else listed.market

    def list(self, symbol: str) -> None:
        """Begin a market, or take one up again where it ended."""
        if symbol in self.known:
            self.known[symbol].is_trading = True
            return
        market = Market(symbol, self._seed)
        self.known[symbol] = Listed(market, Contract(market, self._seed), market.depth(MOST_LEVELS))

    def delist(self, symbol: str) -> None:
        """End a market's streams."""
        self.known[symbol].is_trading = False

    def change(self, wanted: Mapping[str, object]) -> None:
        """Do what `{"list": symbol}` or `{"delist": symbol}` asks for. Raises ConfigError."""
        match wanted:
            case {"list": str(symbol), **others} if not others and symbol.upper() == symbol and symbol:
                self.list(symbol)
            case {"delist": str(symbol), **others} if not others and symbol in self.known:
                self.delist(symbol)
            case {"delist": symbol, **others} if not others:
                raise ConfigError([f"delist = {symbol!r}: must be one of {', '.join(self.known)}"])
            case _:
                raise ConfigError(['must be {"list": SYMBOL} or {"delist": SYMBOL}, the symbol in capitals'])
