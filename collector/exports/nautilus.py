"""A catalog for nautilus_trader: changes of the book, trades, best prices, and the instrument."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow as pa
from pyarrow import parquet as pq

from collector.domain.errors import ConfigError
from collector.exports.asked import BOOK_TYPES, Asked
from collector.exports.book_walk import BookWalk
from collector.exports.export import Export
from collector.exports.job import Job, moved_text
from collector.exports.levels import levels_of
from collector.exports.nautilus_files import CatalogDays, Metadata, file_name, with_metadata
from collector.exports.nautilus_instrument import entry
from collector.exports.nautilus_names import described, instrument_id
from collector.exports.nautilus_numbers import Decimals
from collector.exports.nautilus_tables import DELTAS, QUOTES, TRADES, Measures, deltas, quotes, trades
from collector.exports.plain_rows import timed_rows
from collector.exports.tops import tops
from collector.read.ledger.gaps import LedgerRow

_Rows = Callable[[pa.Table, pa.Array, pa.Array, Measures], pa.Table]


class Catalog:
    """What the jobs of a catalog share."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.instrument_id = instrument_id(asked.exchange, asked.symbol)
        self.measures = Measures(Decimals("price"), Decimals("size"))
        self.written: dict[Path, Metadata] = {}
        """The files, and what the metadata of each says."""

    def metadata(self) -> Metadata:
        """How the numbers written so far are read."""
        said = {
            "instrument_id": self.instrument_id,
            "price_precision": str(self.measures.prices.most),
            "size_precision": str(self.measures.sizes.most),
        }
        return {name.encode(): value.encode() for name, value in said.items()}

    def place(self, folder: Path, kind: str) -> Path:
        """Where the files of a kind stand."""
        return folder / "data" / kind / self.instrument_id.replace("/", "")


class Kind(NamedTuple):
    """One of their kinds of rows."""

    needs: tuple[str, ...]
    """Our data types, of which one is needed."""
    schema: pa.Schema
    export: Callable[[Asked, Measures], Export]


class RowsJob:
    """The files of one kind of rows; see Job."""

    def __init__(self, catalog: Catalog, name: str) -> None:
        self.name = name
        self._catalog = catalog
        self._export = KINDS[name].export(catalog.asked, catalog.measures)
        self._rows = 0

    @property
    def gaps(self) -> list[LedgerRow]:
        """See Job."""
        return self._export.gaps()

    def write(self, folder: Path) -> Iterator[int]:
        """See Job."""
        place = self._catalog.place(folder, self.name)
        with CatalogDays(place, KINDS[self.name].schema, self._catalog.metadata) as days:
            for table in self._export.tables():
                if len(table):
                    days.write(table)
                    yield table["ts_init"][-1].as_py() // 1_000
        self._rows = days.rows
        self._catalog.written |= days.written

    def said(self) -> str:
        """See Job."""
        left_out = self._export.left_out()
        missing = f"; {left_out} without a price or a size left out" if left_out else ""
        return f"{self._rows} rows{moved_text(self._export.moved())}{missing}"


class InstrumentJob:
    """The instrument, and decimals that are the same in all files; the last job. See Job."""

    name = "instrument"

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._said = ""
        self.gaps: list[LedgerRow] = []

    def write(self, folder: Path) -> Iterator[int]:
        """See Job."""
        metadata = self._catalog.metadata()
        for path, said in self._catalog.written.items():
            if said != metadata:
                with_metadata(path, metadata)
        self._write_entry(folder)
        yield self._catalog.asked.when.until_us

    def said(self) -> str:
        """See Job."""
        return self._said

    def _write_entry(self, folder: Path) -> None:
        catalog, asked = self._catalog, self._catalog.asked
        known = described(asked)
        made = known and entry(known, catalog.instrument_id, asked.symbol, catalog.measures, asked.when.since_us)
        if not made:
            self._said = f"not written: too little is known of {asked.symbol}; its data type `instrument` would tell"
            return
        place = catalog.place(folder, made.folder)
        place.mkdir(parents=True)
        at_ns = asked.when.since_us * 1_000
        pq.write_table(made.table, place / file_name(at_ns, at_ns))
        prices, sizes = catalog.measures
        self._said = f"{catalog.instrument_id}, prices of {prices.most} decimals, sizes of {sizes.most}"


def jobs(asked: Asked, wanted: Sequence[str]) -> list[Job]:
    """One for each kind of rows that is wanted, or that there can be, and the instrument.

    Raises ConfigError for a kind that there cannot be.
    """
    possible = [kind for kind, has in KINDS.items() if asked.data_types & set(has.needs)]
    missing = [kind for kind in wanted if kind not in possible]
    if missing or not possible:
        had = ", ".join(sorted(asked.data_types))
        raise ConfigError([f"{', '.join(missing or KINDS)}: cannot be made of what there is of {asked.symbol}: {had}"])
    catalog = Catalog(asked)
    return [*(RowsJob(catalog, kind) for kind in wanted or possible), InstrumentJob(catalog)]


def _book(asked: Asked, measures: Measures) -> Export:
    walk = BookWalk(asked, tells_losses=True)

    def tables() -> Iterator[pa.Table]:
        return (deltas(levels_of(part, with_clears=True), measures) for part in walk.parts())

    return Export(tables, lambda: walk.gaps, lambda: walk.moved)


def _plain(data_type: str, made: _Rows) -> Callable[[Asked, Measures], Export]:
    def export(asked: Asked, measures: Measures) -> Export:
        frame = asked.rows(data_type)
        left_out = 0

        def tables() -> Iterator[pa.Table]:
            nonlocal left_out
            for rows in timed_rows(asked, data_type):
                table = made(*rows, measures)
                left_out += len(rows[0]) - len(table)
                yield table

        return Export(tables, lambda: frame.gaps, left_out=lambda: left_out)

    return export


def _quotes(asked: Asked, measures: Measures) -> Export:
    """What the exchange said; if that was not recorded, each change of the best prices of the book."""
    if "book_ticker" in asked.data_types:
        return _plain("book_ticker", quotes)(asked, measures)
    walk = BookWalk(asked, is_watched=True)
    left_out = 0

    def tables() -> Iterator[pa.Table]:
        nonlocal left_out
        for exchange_us, local_us, found in tops(walk, 1):
            columns = [pa.array(values, pa.float64()) for values in zip(*found, strict=True)]
            best = pa.table(columns, ["ask_price", "ask_size", "bid_price", "bid_size"])
            table = quotes(best, exchange_us, local_us, measures)
            left_out += len(best) - len(table)
            yield table

    return Export(tables, lambda: walk.gaps, lambda: walk.moved, lambda: left_out)


KINDS: Final = {
    "order_book_delta": Kind(BOOK_TYPES, DELTAS, _book),
    "trade_tick": Kind(("trade",), TRADES, _plain("trade", trades)),
    "quote_tick": Kind(("book_ticker", *BOOK_TYPES), QUOTES, _quotes),
}
"""Their kinds, as they are named in their folders."""
