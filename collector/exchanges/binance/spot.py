"""Binance spot over combined JSON streams.

Source: web-socket-streams.md in github.com/binance/binance-spot-api-docs (2026-07-21). Continuity rules and measured
sequences: docs/ADD_AN_EXCHANGE.md.
"""

from types import MappingProxyType

from collector.domain.records import IdRule
from collector.exchanges.adapter import Limits
from collector.exchanges.binance.combined_streams import Channel, CombinedStreams
from collector.exchanges.binance.rest import BinanceRest, Endpoint
from collector.exchanges.binance.rest_messages import SPOT_READERS
from collector.exchanges.binance.spot_messages import READERS
from collector.exchanges.rest_adapter import RestLimits


class Binance(CombinedStreams):
    """Spot."""

    exchange = "binance"
    ws_url = "wss://stream.binance.com:9443"
    channels = MappingProxyType(
        {
            "book_snapshot": Channel("depth20@100ms", IdRule.RISING),
            "book_delta": Channel("depth@100ms", IdRule.DENSE),
            "trade": Channel("trade", IdRule.DENSE),
            "agg_trade": Channel("aggTrade", IdRule.DENSE),
            "book_ticker": Channel("bookTicker", IdRule.RISING),
        }
    )
    readers = READERS
    limits = Limits(
        connections=300,
        window_secs=300.0,
        streams_per_connection=1024,
        messages_per_sec=4.0,  # 5 are allowed; pongs count among them
        lifetime_secs=86_400.0,
    )
    rest = BinanceRest(
        limits=RestLimits("https://api.binance.com", "binance", 6000, 60.0, "X-MBX-USED-WEIGHT-1M"),
        root="/api/v3",
        levels=5000,
        depth=Endpoint("depth", 250),
        pages=MappingProxyType({"trade": Endpoint("historicalTrades", 25), "agg_trade": Endpoint("aggTrades", 4)}),
        readers=SPOT_READERS,
    )
