"""How nautilus_trader names an instrument, and what is known of it.

Source: nautilus_trader 1.221, the symbols of its adapters.
"""

from typing import Final

import pyarrow as pa

from collector.domain.records import InstrumentRow
from collector.exports.asked import Asked

_VENUES: Final = {
    "binance_usdm": "BINANCE",
    "binance_coinm": "BINANCE",
    "bybit_spot": "BYBIT",
    "bybit_linear": "BYBIT",
    "coinbase_advanced": "COINBASE",
}
"""Their names of exchanges that are not ours in capitals."""
_SUFFIXES: Final = {"bybit_spot": "-SPOT", "bybit_linear": "-LINEAR"}
_SPOT: Final = frozenset(
    {"binance", "bitstamp", "bybit_spot", "coinbase", "coinbase_advanced", "gate", "gemini", "kraken", "kucoin"}
)
_LINEAR: Final = frozenset({"binance_usdm", "bybit_linear"})
_SEPARATORS: Final = "-/_"
_QUOTES: Final = ("FDUSD", "TUSD", "USDC", "USDT", "BNB", "BRL", "BTC", "ETH", "EUR", "GBP", "JPY", "TRY", "USD")
"""Looked for at the end of a symbol that nothing parts; the longest first."""


def instrument_id(exchange: str, symbol: str) -> str:
    """Their name: `BTCUSDT.BINANCE`, `BTCUSDT-PERP.BINANCE`, `BTC/USD.KRAKEN`."""
    name = symbol + _SUFFIXES.get(exchange, "")
    if exchange == "binance_usdm" and not symbol[-1].isdigit():
        name = f"{symbol}-PERP"
    if exchange == "binance_coinm":
        name = symbol.replace("_PERP", "-PERP")
    return f"{name}.{_VENUES.get(exchange, exchange.upper())}"


def described(asked: Asked) -> InstrumentRow | None:
    """What the exchange last said of the instrument before the end, and what its name says besides; None where that is too little.

    Raises as reading does.
    """
    said = _last_said(asked) if "instrument" in asked.data_types else None
    named = from_name(asked.exchange, asked.symbol)
    if said is None:
        return named
    if named is not None and said.kind in {None, named.kind}:
        said = InstrumentRow(*(own if own is not None else other for own, other in zip(said, named, strict=True)))  # type: ignore[arg-type] # each its own
    return said if said.kind and said.base and said.quote else None


def from_name(exchange: str, symbol: str) -> InstrumentRow | None:
    """The instrument as far as its name tells it: pairs, and perpetual contracts over one of the base, paid in the quote."""
    kind = "spot" if exchange in _SPOT else "perpetual" if exchange in _LINEAR else None
    parts = _parts(symbol.upper())
    if kind is None or parts is None:
        return None
    base, quote = parts
    settle, contract_size = (quote, 1.0) if kind == "perpetual" else (None, None)
    known = {"kind": kind, "base": base, "quote": quote, "settle": settle, "contract_size": contract_size}
    return InstrumentRow(**{name: known.get(name) for name in InstrumentRow._fields})  # type: ignore[arg-type] # each its own


def _parts(symbol: str) -> tuple[str, str] | None:
    for separator in _SEPARATORS:
        base, found, quote = symbol.partition(separator)
        if found:
            return (base, quote) if base and quote.isalpha() else None
    for quote in _QUOTES:
        if symbol.endswith(quote) and symbol != quote:
            return symbol.removesuffix(quote), quote
    return None


def _last_said(asked: Asked) -> InstrumentRow | None:
    frame = asked.archive.rows(
        "instrument", asked.symbol, 0, asked.when.until_us,
        exchange=asked.exchange, columns=list(InstrumentRow._fields), gaps="ignore", host=asked.host,
    )  # fmt: skip
    last = None
    for batch in frame.batches():
        last = batch.slice(batch.num_rows - 1) if batch.num_rows else last
    if last is None:
        return None
    times = {name: last.column(name).cast(pa.int64()) for name in ("listed_at", "expires_at")}
    return InstrumentRow(*(times.get(name, last.column(name))[0].as_py() for name in InstrumentRow._fields))
