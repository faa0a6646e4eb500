"""The list of exchanges that can be recorded; the only one in the code."""

from typing import Final

from collector.domain.errors import ConfigError
from collector.exchanges.adapter import Adapter, Subscription
from collector.exchanges.binance.futures import BinanceCoinm, BinanceUsdm
from collector.exchanges.binance.spot import Binance
from collector.exchanges.bitstamp import Bitstamp
from collector.exchanges.bybit import BybitLinear, BybitSpot

_ADAPTERS: Final[tuple[Adapter, ...]] = (
    Binance(),
    BinanceUsdm(),
    BinanceCoinm(),
    BybitSpot(),
    BybitLinear(),
    Bitstamp(),
)


def adapter(exchange: str) -> Adapter:
    """The adapter of an exchange. Raises ConfigError if there is none."""
    for known in _ADAPTERS:
        if known.exchange == exchange:
            return known
    raise ConfigError([f"exchange = {exchange!a}: is unknown; must be one of {', '.join(data_types())}"])


def symbol_problems(exchange: str, symbols: tuple[str, ...]) -> list[str]:
    """Symbols that a known exchange does not accept: one line each, beginning with `symbols`."""
    try:
        adapter(exchange).plan(Subscription(symbols, ()), "")
    except ConfigError as error:
        return error.problems
    return []


def data_types() -> dict[str, tuple[str, ...]]:
    """Every known exchange, with the data types that can be recorded from it."""
    return {known.exchange: tuple(known.id_rules) for known in _ADAPTERS}
