"""A thousand symbols are divided over connections within each exchange's limits."""

import pytest

from collector.exchanges.adapter import Subscription
from collector.exchanges.market import Market
from collector.exchanges.registry import adapter

SYMBOLS = tuple(f"S{number:03}USDT" for number in range(1_000))


@pytest.mark.parametrize(
    ("exchange", "data_types", "connections"),
    [
        ("binance", ("book_snapshot", "book_delta", "trade"), 3),
        ("binance_usdm", ("book_delta", "agg_trade", "mark_price"), 3),
        ("bybit_spot", ("book_delta", "book_ticker", "trade"), 8),
        ("bybit_linear", ("book_delta", "trade", "mark_price", "funding_rate"), 8),
    ],
)
def test_a_thousand_symbols_take_few_connections(exchange: str, data_types: tuple[str, ...], connections: int) -> None:
    market = adapter(exchange)
    assert isinstance(market, Market)
    subscription = Subscription(SYMBOLS, data_types)
    plans = market.plan(subscription, "")
    keys = [key for plan in plans for key in plan.keys]
    assert len(plans) == connections <= market.limits.connections
    assert sorted(keys) == sorted((exchange, symbol, data_type) for symbol in SYMBOLS for data_type in data_types)
    assert [plan.keys for plan in plans] == market.shares(subscription)
    topics = [len(market.topics(plan.keys)) for plan in plans]
    assert max(topics) <= market.limits.streams_per_connection
    assert max(topics) - min(topics) <= 1, "they are divided evenly"
