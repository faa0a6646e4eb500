"""The recordings of each exchange's market, as its adapter's frames: what every adapter is tried with."""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from collector.exchanges import registry
from collector.exchanges.adapter import Adapter, Subscription
from tests.conftest import Lines
from tests.exchanges.bitmex_priced import with_prices
from tests.exchanges.kraken_v2 import as_v2

START_US: Final = 1_786_000_000_000_000


class Received(NamedTuple):
    """A recorded frame, and when it was received."""

    at_us: int
    frame: bytes


class RecordedMarket(NamedTuple):
    """A recording of one market; `name` is its place below `frames/`."""

    exchange: str
    name: str
    symbol: str
    """A pattern whose group is a symbol that the recording has."""
    spell: Callable[[str], str] = str
    """How the exchange's instrument list spells it."""
    connection: str = ""
    """Only this connection of the recording; empty: all."""
    rewrite: Callable[[str], str] = str
    """The frame as the adapter's own subscription would bring it."""
    undecoded: int = 0
    """Frames that are no messages, as the manifest says."""
    most: int = 4_000
    """The test reads so many frames, from the beginning."""

    @property
    def adapter(self) -> Adapter:
        """The market's adapter."""
        return registry.adapter(self.exchange)

    def __str__(self) -> str:
        """For the test's name."""
        return self.name.replace("/", ":")


def depth_as_subscribed(text: str) -> str:
    """Binance's recorders asked for other rhythms than the adapter does."""
    return re.sub(r"@depth(@0ms|@1000ms)?\"", '@depth@100ms"', text, count=1)


def raw_as_subscribed(text: str) -> str:
    """Deribit's recorder asked for each change by itself, which needs a login now."""
    return re.sub(r'"(book|trades|ticker)\.([^".]+)\.raw"', r'"\1.\2.100ms"', text)


_RECORDED: Final = (
    RecordedMarket(
        "binance",
        "binance_spot/cryptofeed_v3_BINANCE",
        r'"stream":"(\w+)@',
        str.upper,
        rewrite=depth_as_subscribed,
        undecoded=2,
    ),
    RecordedMarket(
        "binance",
        "binance_spot/hftbacktest_btcusdt_20240808",
        r'"stream":"(\w+)@',
        str.upper,
        rewrite=depth_as_subscribed,
    ),
    RecordedMarket(
        "binance_usdm",
        "binance_usdm/hftbacktest_ethusdt_20240718",
        r'"stream":"(\w+)@',
        str.upper,
        rewrite=depth_as_subscribed,
    ),
    RecordedMarket(
        "binance_usdm",
        "binance_usdm/cryptofeed_v3_BINANCE_FUTURES",
        r'"stream":"(\w+)@',
        str.upper,
        rewrite=depth_as_subscribed,
        undecoded=67,
    ),
    RecordedMarket(
        "binance_coinm",
        "binance_coinm/hftbacktest_btcusd_perp_20240808",
        r'"stream":"(\w+)@',
        str.upper,
        rewrite=depth_as_subscribed,
    ),
    RecordedMarket("bybit_linear", "bybit/cryptofeed_v3_BYBIT", r'"topic":"[\w.]+\.(\w+)"', connection="BYBIT.ws.2"),
    RecordedMarket("bybit_spot", "bybit/cryptofeed_v3_BYBIT", r'"topic":"[\w.]+\.(\w+)"', connection="BYBIT.ws.3"),
    RecordedMarket("coinbase_advanced", "coinbase/cryptofeed_v3_COINBASE", r'"product_id":"([\w-]+)"'),
    RecordedMarket(
        "kraken", "kraken/cryptofeed_v3_KRAKEN.prefix", r'"symbol":"([^"]+)"', connection="KRAKEN.ws.50", rewrite=as_v2
    ),
    RecordedMarket("kraken_futures", "kraken_futures/cryptofeed_v3_KRAKEN_FUTURES", r'"product_id":"(\w+)"'),
    RecordedMarket("okx", "okx/cryptofeed_v3_OKX.prefix", r'"instId":"([\w-]+)"'),
    RecordedMarket("bitfinex", "bitfinex/cryptofeed_v3_BITFINEX.prefix", r'"symbol":"(t[\w:]+)"'),
    RecordedMarket(
        "deribit", "deribit/cryptofeed_v3_DERIBIT.prefix", r'"instrument_name":"([\w-]+)"', rewrite=raw_as_subscribed
    ),
    RecordedMarket("hyperliquid", "hyperliquid/hftbacktest_btc_20250126", r'"coin":"([^"]+)"'),
    RecordedMarket("bitstamp", "bitstamp/cryptofeed_v3_BITSTAMP", r'"channel":"\w+_([a-z0-9]+)"'),
    RecordedMarket("gate", "gateio/cryptofeed_v3_GATEIO", r'"(?:s|currency_pair)":"(\w+)"'),
    RecordedMarket("kucoin", "kucoin/cryptofeed_v3_KUCOIN.prefix", r'"topic":"/market/\w+:([A-Z0-9-]+)"'),
    RecordedMarket("bitmex", "bitmex/cryptofeed_v2_BITMEX", r'"filter":\{"symbol":"(\w+)"', rewrite=with_prices),
    RecordedMarket("gemini", "gemini/cryptofeed_v3_GEMINI", r'"symbol":"(\w+)"'),
)
MARKETS: Final = tuple(market for market in _RECORDED if market.exchange in registry.data_types())
"""One recording at least of every market that has any."""


class Recording(NamedTuple):
    """What a market's adapter is given."""

    market: RecordedMarket
    subscription: Subscription
    frames: list[Received]


def recording(market: RecordedMarket, recorded: Lines) -> Recording:
    """Read a market's recording; every data type that its streams have is subscribed."""
    adapter = market.adapter
    frames = list(_frames(market, recorded(market.name)))
    polled = adapter.rest.polls if adapter.rest is not None else {}
    pattern = re.compile(market.symbol.encode())
    symbols = sorted({name.decode() for received in frames for name in pattern.findall(received.frame)})
    data_types = tuple(name for name in adapter.id_rules if name not in polled and name != "instrument")
    return Recording(market, Subscription(tuple(map(market.spell, symbols)), data_types), frames)


def _frames(market: RecordedMarket, lines: list[dict[str, Any]]) -> Iterator[Received]:
    at_us = START_US
    count = 0
    for line in lines:
        if line["dir"] != "in" or (market.connection and line["conn"] != market.connection):
            continue
        at_us = max(at_us + 1, line["recv_ts_us"] or 0) if at_us != START_US else line["recv_ts_us"] or START_US
        yield Received(at_us, market.rewrite(line["raw"]).encode())
        count += 1
        if count == market.most:
            return
