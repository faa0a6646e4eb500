"""The list of exchanges that can be recorded; the only one in the code."""

from typing import Final

from collector.domain.errors import ConfigError
from collector.domain.symbol_choice import TOP, Wanted
from collector.exchanges.adapter import Adapter, Subscription
from collector.exchanges.binance import Binance, BinanceCoinm, BinanceUsdm
from collector.exchanges.bitfinex import Bitfinex
from collector.exchanges.bitmex import Bitmex
from collector.exchanges.bitstamp import Bitstamp
from collector.exchanges.bybit import BybitLinear, BybitSpot
from collector.exchanges.coinbase import Coinbase
from collector.exchanges.coinbase_advanced import CoinbaseAdvanced
from collector.exchanges.deribit import Deribit
from collector.exchanges.gate import Gate
from collector.exchanges.gemini import Gemini
from collector.exchanges.hyperliquid import Hyperliquid
from collector.exchanges.kraken import Kraken
from collector.exchanges.kraken_futures import KrakenFutures
from collector.exchanges.kucoin import Kucoin
from collector.exchanges.okx import Okx

_ADAPTERS: Final[tuple[Adapter, ...]] = (
    Binance(),
    BinanceUsdm(),
    BinanceCoinm(),
    BybitSpot(),
    BybitLinear(),
    Bitstamp(),
    Okx(),
    Kraken(),
    Gate(),
    Hyperliquid(),
    KrakenFutures(),
    Coinbase(),
    CoinbaseAdvanced(),
    Deribit(),
    Bitfinex(),
    Kucoin(),
    Gemini(),
    Bitmex(),
)


def adapter(exchange: str) -> Adapter:
    """The adapter of an exchange. Raises ConfigError if there is none."""
    for known in _ADAPTERS:
        if known.exchange == exchange:
            return known
    raise ConfigError([f"exchange = {exchange!a}: is unknown; must be one of {', '.join(data_types())}"])


def symbol_problems(exchange: str, entries: tuple[str, ...]) -> list[str]:
    """Symbols that a known exchange does not accept, and patterns that it has no list for: one line each, beginning with
    `symbols`.
    """
    known, wanted = adapter(exchange), Wanted(entries)
    rest, problems = known.rest, []
    if wanted.needs_list and (rest is None or not rest.lists()):
        problems.append(f"symbols: {exchange} has no list of instruments that patterns could be looked up in")
    elif wanted.top and not (rest and rest.volumes()):
        problems.append(f"symbols = {TOP}{wanted.top}: {exchange} does not tell what was traded in 24 hours")
    try:
        known.plan(Subscription(wanted.exact, ()), "")
    except ConfigError as error:
        problems += error.problems
    return problems


def proves_whole(exchange: str, data_type: str) -> bool:
    """Whether anything shows it if a message of such a stream is missing: ids, the connection's tickets, or checksums.

    False for an exchange or a data type that is not known.
    """
    known = next((known for known in _ADAPTERS if known.exchange == exchange), None)
    rule = None if known is None else known.id_rules.get(data_type)
    if known is None or rule is None:
        return False
    polled = known.rest is not None and (data_type in known.rest.polls or data_type == "instrument")
    return rule.proves_continuity or data_type in known.checks or (known.has_tickets and not polled)


def data_types() -> dict[str, tuple[str, ...]]:
    """Every known exchange, with the data types that can be recorded from it."""
    return {known.exchange: tuple(known.id_rules) for known in _ADAPTERS}
