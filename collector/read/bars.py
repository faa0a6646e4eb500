"""Makes bars of trades. Trades come table by table; what is kept of them is one row a bar."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from collector.read.bar_gaps import reaches_of, with_gaps
from collector.read.clock_skew import ClockSkew
from collector.read.frame import Frame
from collector.read.marking import COLUMNS as COLUMNS_OF_MODES
from collector.read.marking import Mode
from collector.read.window import Window, row_times

COLUMNS: Final = ("received_at", "exchange_at", "line", "price", "size", "side")
"""What bars are made of."""

_TIME: Final = pa.timestamp("us", tz="UTC")

BAR_SCHEMA: Final = pa.schema(
    {
        "start": _TIME,
        "open": pa.float64(),
        "high": pa.float64(),
        "low": pa.float64(),
        "close": pa.float64(),
        "volume": pa.float64(),
        "turnover": pa.float64(),
        "buy_volume": pa.float64(),
        "trades": pa.int64(),
    }
)

_OF_TRADES: Final = {
    "open": ("price", "first"),
    "high": ("price", "max"),
    "low": ("price", "min"),
    "close": ("price", "last"),
    "volume": ("size", "sum"),
    "turnover": ("turnover", "sum"),
    "buy_volume": ("bought", "sum"),
    "trades": ("received_at", "count"),
}
_OF_BARS: Final = {
    "open": ("open", "first"),
    "high": ("high", "max"),
    "low": ("low", "min"),
    "close": ("close", "last"),
    **{name: (name, "sum") for name in ("volume", "turnover", "buy_volume", "trades")},
}
"""How bars of parts become bars of all."""


def bar_frame(trades: Frame, mode: Mode, length_us: int, window: Window, now_us: int) -> Frame:
    """The bars of trades, which were asked for in the same mode, but for `mark`, which marks bars."""
    extra = ["piece"] if mode == "split" else []

    def tables() -> Iterator[pa.Table]:
        skew = ClockSkew(trades.gaps if mode == "mark" else ())
        parts = (pa.Table.from_batches([batch]) for batch in trades.batches())
        made = bars(skew.watched(parts), length_us, extra)
        if mode == "mark":
            reaches = reaches_of(trades.gaps, skew, made, length_us, window, now_us)
            yield from with_gaps(made, reaches, length_us)
        else:
            yield made.select(schema.names)

    schema = pa.schema([*BAR_SCHEMA, *([COLUMNS_OF_MODES[mode]] if mode in COLUMNS_OF_MODES else [])])
    return Frame(f"bars of {trades.name}", schema, tables, trades.files, trades.gaps)


def bars(tables: Iterable[pa.Table], length_us: int, extra: Sequence[str] = ()) -> pa.Table:
    """Bars of trades, by start; a bar without trades has no row.

    Trades have COLUMNS, and `extra` columns, of which each value has bars of its own. A trade's time is the exchange's. The
    first and the last trade of a bar are those in the order given.
    """
    keys = [*extra, "start"]
    parts = [_grouped(_with_start(table, length_us), keys, _OF_TRADES) for table in tables if table.num_rows]
    if not parts:
        return pa.table({name: pa.array([], pa.int32()) for name in extra} | _columns(BAR_SCHEMA.empty_table()))
    made = _grouped(pa.concat_tables(parts), keys, _OF_BARS)
    return made.sort_by([(key, "ascending") for key in keys])


def _with_start(table: pa.Table, length_us: int) -> pa.Table:
    times = row_times(table, "exchange")
    start = pc.multiply(pc.divide(times, length_us), length_us).cast(_TIME)
    bought = pc.if_else(pc.equal(table["side"], "buy"), table["size"], 0.0)
    return (
        table.append_column("start", start)
        .append_column("turnover", pc.multiply(table["price"], table["size"]))
        .append_column("bought", bought)
    )


def _grouped(table: pa.Table, keys: Sequence[str], how: Mapping[str, tuple[str, str]]) -> pa.Table:
    # Threads would take the first and the last trade of a part for those of all.
    found = table.group_by(list(keys), use_threads=False).aggregate(list(how.values()))
    columns: dict[str, Any] = {key: found[key] for key in keys}
    return pa.table(columns | {name: found[f"{column}_{function}"] for name, (column, function) in how.items()})


def _columns(table: pa.Table) -> dict[str, Any]:
    return dict(zip(table.column_names, table.columns, strict=True))
