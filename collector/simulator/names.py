"""What each exchange calls a market of the simulator's: `BTCUSDT` is `BTC/USDT` at Kraken and `tBTCUST` at Bitfinex."""

from functools import cache
from typing import Final, NamedTuple

_QUOTES: Final = ("USDT", "USDC", "FDUSD", "USD", "EUR", "BTC", "ETH")
_BITFINEX: Final = {"USDT": "UST", "USDC": "UDC"}
_BITFINEX_LETTERS: Final = 3
"""A pair with a longer name of an asset has a colon."""


class Assets(NamedTuple):
    """What is traded, and for what."""

    base: str
    quote: str


@cache
def assets(symbol: str) -> Assets:
    """Of a market's own symbol; what stands behind `_` is a contract's expiry."""
    pair = symbol.partition("_")[0]
    quote = next((one for one in _QUOTES if pair.endswith(one) and pair != one), pair[-3:])
    return Assets(pair.removesuffix(quote), quote)


@cache
def kraken_name(symbol: str) -> str:
    """As WebSocket v2 writes it."""
    return "/".join(assets(symbol))


@cache
def bitfinex_name(symbol: str) -> str:
    """With the `t` of what is traded."""
    base, quote = (_BITFINEX.get(asset, asset) for asset in assets(symbol))
    return f"t{base}{':' if max(len(base), len(quote)) > _BITFINEX_LETTERS else ''}{quote}"


def is_contract(symbol: str) -> bool:
    """Whether only futures markets have it."""
    return "_" in symbol
