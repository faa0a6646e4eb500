"""Binance's futures, USD-M and COIN-M, over combined JSON streams.

Source: developers.binance.com/docs/derivatives, "Websocket Market Streams" of usds-margined-futures (with its
"Important WebSocket Change Notice" of 2026-03-06) and of coin-margined-futures. Continuity rules and measured
sequences: docs/ADD_AN_EXCHANGE.md.
"""

import re
from types import MappingProxyType
from typing import Final

from collector.domain.records import IdRule
from collector.exchanges.adapter import Limits
from collector.exchanges.binance.combined_streams import Channel, CombinedStreams
from collector.exchanges.binance.futures_messages import READERS
from collector.exchanges.binance.rest import BinanceRest, Endpoint
from collector.exchanges.binance.rest_messages import FUTURES_READERS
from collector.exchanges.rest_adapter import RestLimits

_LIMITS: Final = Limits(
    connections=300,  # none is stated; this is spot's
    window_secs=300.0,
    streams_per_connection=1024,
    messages_per_sec=8.0,  # 10 are allowed; pongs count among them
    lifetime_secs=86_400.0,
)


def _rest(url: str, budget: str, root: str) -> BinanceRest:
    """Aggregates of the last 24 hours; single trades need an API key."""
    return BinanceRest(
        limits=RestLimits(url, budget, 2400, 60.0, "X-MBX-USED-WEIGHT-1M"),
        root=root,
        levels=1000,
        depth=Endpoint("depth", 20),
        pages=MappingProxyType({"agg_trade": Endpoint("aggTrades", 20)}),
        readers=FUTURES_READERS,
    )


class BinanceUsdm(CombinedStreams):
    """USD-M: books, best prices and single trades are on `/public`, all other streams on `/market`.

    On any other path a stream is acknowledged, but silent.
    """

    exchange = "binance_usdm"
    ws_url = "wss://fstream.binance.com"
    channels = MappingProxyType(
        {
            "book_snapshot": Channel("depth20@100ms", IdRule.RISING, "/public", "/market"),
            "book_delta": Channel("depth@100ms", IdRule.CHAINED, "/public", "/market"),
            "trade": Channel("trade", IdRule.DENSE, "/public", "/market"),
            "agg_trade": Channel("aggTrade", IdRule.DENSE, "/market", "/public"),
            "book_ticker": Channel("bookTicker", IdRule.RISING, "/public", "/market"),
        }
    )
    readers = READERS
    limits = _LIMITS
    rest = _rest("https://fapi.binance.com", "binance_usdm", "/fapi/v1")


class BinanceCoinm(CombinedStreams):
    """COIN-M: all streams are on one path, or on USD-M's. Sizes are contracts.

    A symbol without a delivery date is a pair; its streams are acknowledged, but silent.
    """

    exchange = "binance_coinm"
    ws_url = "wss://dstream.binance.com"
    channels = MappingProxyType(
        {name: channel._replace(path="", other_path=channel.path) for name, channel in BinanceUsdm.channels.items()}
    )
    readers = READERS
    limits = _LIMITS
    rest = _rest("https://dapi.binance.com", "binance_coinm", "/dapi/v1")
    symbol_pattern = re.compile(r"[\w.-]+_(PERP|[0-9]{6})")
    symbol_example = "BTCUSD_PERP"
