"""An instrument's entry in nautilus_trader's catalog.

Source: nautilus_trader 1.221, `serialization/arrow/implementations/instruments.py`. Margins and fees are 0: the archive does not know them.
"""

from decimal import Decimal
from typing import Any, Final, NamedTuple

import pyarrow as pa

from collector.domain.records import InstrumentRow
from collector.exports.nautilus_numbers import Decimals
from collector.exports.nautilus_tables import Measures

_TEXT: Final = pa.string()
_WORD: Final = pa.dictionary(pa.int16(), pa.string())
_HEAD: Final = {"id": pa.dictionary(pa.int64(), pa.string()), "raw_symbol": _TEXT}
_SETTLED: Final = {"quote_currency": _WORD, "settlement_currency": _WORD, "is_inverse": pa.bool_()}
_STEPS: Final = {
    "price_precision": pa.uint8(), "size_precision": pa.uint8(),
    "price_increment": _WORD, "size_increment": _WORD, "multiplier": _WORD,
}  # fmt: skip
_LIMITS: Final = dict.fromkeys(
    ("max_quantity", "min_quantity", "max_notional", "min_notional", "max_price", "min_price"), _WORD
)
_TAIL: Final = {
    "margin_init": _TEXT, "margin_maint": _TEXT, "maker_fee": _TEXT, "taker_fee": _TEXT,
    "info": pa.binary(), "ts_event": pa.uint64(), "ts_init": pa.uint64(),
}  # fmt: skip
_FREE: Final = dict.fromkeys(("margin_init", "margin_maint", "maker_fee", "taker_fee"), "0")


class Kind(NamedTuple):
    """One of their kinds of instruments."""

    name: str
    folder: str
    columns: dict[str, pa.DataType]


_KINDS: Final = {
    "spot": Kind(
        "CurrencyPair",
        "currency_pair",
        {**_HEAD, "base_currency": _WORD, "quote_currency": _WORD, **_STEPS, "lot_size": _WORD, **_LIMITS, **_TAIL},
    ),
    "perpetual": Kind(
        "CryptoPerpetual",
        "crypto_perpetual",
        {**_HEAD, "base_currency": _WORD, **_SETTLED, **_STEPS, **_LIMITS, **_TAIL},
    ),
    "future": Kind(
        "CryptoFuture",
        "crypto_future",
        {
            **_HEAD, "underlying": _WORD, **_SETTLED, "activation_ns": pa.uint64(), "expiration_ns": pa.uint64(),
            **_STEPS, **_LIMITS, **_TAIL,
        },
    ),
}  # fmt: skip


class Entry(NamedTuple):
    """A table of one row, and the folder of its kind."""

    folder: str
    table: pa.Table


def entry(known: InstrumentRow, name: str, symbol: str, measures: Measures, at_us: int) -> Entry | None:
    """The entry of the instrument `name`, which the exchange calls `symbol`; None if it is of a kind that has none here.

    Steps are the exchange's where they are known, else the smallest differences that the decimals of the data allow.
    """
    kind = _KINDS.get(known.kind or "")
    settle = known.settle or known.quote
    if kind is None or (kind.name != "CurrencyPair" and known.contract_size is None):
        return None
    values: dict[str, Any] = {
        "id": name,
        "raw_symbol": symbol,
        "base_currency": known.base,
        "underlying": known.base,
        "quote_currency": known.quote,
        "settlement_currency": settle,
        "is_inverse": settle == known.base,
        "activation_ns": (known.listed_at or 0) * 1_000,
        "expiration_ns": (known.expires_at or 0) * 1_000,
        "price_precision": measures.prices.most,
        "size_precision": measures.sizes.most,
        "price_increment": _step(measures.prices, known.tick_size),
        "size_increment": _step(measures.sizes, known.lot_size),
        "multiplier": f"{Decimal(repr(known.contract_size or 1.0)).normalize():f}",
        "min_quantity": _exact(measures.sizes, known.min_size),
        "info": b"null",
        "ts_event": at_us * 1_000,
        "ts_init": at_us * 1_000,
        **_FREE,
    }
    row = {column: values.get(column) for column in kind.columns}
    schema = pa.schema(kind.columns, {"class": kind.name})
    return Entry(kind.folder, pa.Table.from_pylist([row], schema))


def _step(decimals: Decimals, step: float | None) -> str:
    return _exact(decimals, step) or f"{Decimal(1).scaleb(-decimals.most):f}"


def _exact(decimals: Decimals, value: float | None) -> str | None:
    """The value with the decimals of the data; None if it has more, or is no number to be had."""
    text = None if value is None else decimals.text(value)
    return text if text is not None and float(text) == value and value > 0 else None
