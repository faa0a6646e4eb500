"""Binance's exchangeInfo: rules of each symbol, as spot, USD-M and COIN-M write them.

Sources: https://developers.binance.com/docs/binance-spot-api-docs/rest-api/general-endpoints and, of the futures,
https://developers.binance.com/docs/derivatives, "Exchange Information".
"""

import json
from collections.abc import Mapping
from typing import Final, Literal

from collector.simulator.market import SCALE
from collector.simulator.messages import decimal
from collector.simulator.names import assets, is_contract

Market = Literal["spot", "usdm", "coinm"]

LISTED_MS: Final = 1_569_398_400_000
NEVER_MS: Final = 4_133_404_800_000
"""When perpetual contracts are said to be delivered."""
_DELISTED: Final = {"spot": "BREAK", "usdm": "SETTLING", "coinm": "SETTLING"}


def has(market: Market, symbol: str) -> bool:
    """Whether the market lists the symbol: contracts on dollars are COIN-M's, spot has no other contracts either."""
    if market == "coinm":
        return "USD_" in symbol
    return "USD_" not in symbol if market == "usdm" else not is_contract(symbol)


def render(market: Market, symbols: Mapping[str, bool], now_ms: int, weight_per_minute: int) -> str:
    """The body, of these symbols, each with whether it trades."""
    limits = [
        {"rateLimitType": kind, "interval": "MINUTE", "intervalNum": minutes, "limit": limit}
        for kind, minutes, limit in (("REQUEST_WEIGHT", 1, weight_per_minute), ("RAW_REQUESTS", 5, 300_000))
    ]
    info = {
        "timezone": "UTC",
        "serverTime": now_ms,
        "rateLimits": limits,
        "exchangeFilters": [],
        "symbols": [_symbol(market, *one) for one in symbols.items()],
    }
    return json.dumps(info, separators=(",", ":"))


def _symbol(market: Market, symbol: str, is_trading: bool) -> dict[str, object]:
    base, quote = assets(symbol)
    status = "TRADING" if is_trading else _DELISTED[market]
    price, size = decimal(SCALE.tick), decimal(SCALE.step)
    filters: list[dict[str, object]] = [
        {"filterType": "PRICE_FILTER", "tickSize": price},
        {"filterType": "LOT_SIZE", "stepSize": size, "minQty": size},
    ]
    pair: dict[str, object] = {"baseAsset": base, "quoteAsset": quote, "filters": filters}
    if market == "spot":
        filters.append({"filterType": "NOTIONAL", "minNotional": "5.00000000"})
        types = ["LIMIT", "LIMIT_MAKER", "MARKET"]
        return {"symbol": symbol, "status": status, **pair, "orderTypes": types, "isSpotTradingAllowed": True}
    filters.append({"filterType": "MIN_NOTIONAL", "notional": "5"})
    kind = "CURRENT_QUARTER" if symbol[-6:].isdigit() else "PERPETUAL"
    contract = {"symbol": symbol, "contractType": kind, "deliveryDate": NEVER_MS, "onboardDate": LISTED_MS, **pair}
    if market == "coinm":
        return {**contract, "contractStatus": status, "marginAsset": base, "contractSize": 100}
    return {**contract, "status": status, "marginAsset": quote}
