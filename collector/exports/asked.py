"""What is to be exported."""

from typing import Literal, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from collector.domain.records import StreamKey
from collector.read.archive import Archive
from collector.read.errors import QuestionError
from collector.read.frame import Frame
from collector.read.window import Window

BOOK_TYPES = ("book_delta", "book_snapshot")
"""What a book is rebuilt from: its changes, or where the exchange sends none, the books that it sends."""

Gaps = Literal["raise", "mark"]


class Asked(NamedTuple):
    """One symbol of an archive, and a stretch of time."""

    archive: Archive
    exchange: str
    symbol: str
    data_types: frozenset[str]
    """Those that were recorded of the symbol."""
    when: Window
    gaps: Gaps
    """`raise` refuses a stretch in which rows are missing; `mark` exports what there is."""
    host: str | None = None

    def stream(self, data_type: str) -> StreamKey:
        """The symbol's stream of a data type."""
        return StreamKey(self.exchange, self.symbol, data_type)

    @property
    def book_type(self) -> str:
        """What its book is rebuilt from. Raises QuestionError if there is nothing."""
        for data_type in BOOK_TYPES:
            if data_type in self.data_types:
                return data_type
        raise QuestionError(f"there is no book of {self.exchange} {self.symbol}")

    def rows(self, data_type: str) -> Frame:
        """The rows of a data type in the stretch; of trades those that move the price."""
        asked = {"exchange": self.exchange, "gaps": self.gaps, "host": self.host}
        stretch = self.when.since_us, self.when.until_us
        if data_type == "trade":
            return self.archive.trades(self.symbol, *stretch, **asked)  # type: ignore[arg-type] # names as promised
        return self.archive.rows(data_type, self.symbol, *stretch, **asked)  # type: ignore[arg-type] # as above


def asked_for(
    archive: Archive, symbol: str, exchange: str | None, when: Window, gaps: Gaps, host: str | None = None
) -> Asked:
    """The symbol as it was recorded; an end that is left open is that of its rows. Raises QuestionError."""
    streams = archive.streams()
    own = streams.filter(pc.equal(streams["symbol"], symbol))
    if exchange is not None:
        own = own.filter(pc.equal(own["exchange"], exchange))
    exchanges = sorted(set(own["exchange"].to_pylist()))
    if not exchanges:
        raise QuestionError(f"there is nothing of {symbol}{f' from {exchange}' if exchange else ''}")
    if len(exchanges) > 1:
        raise QuestionError(f"{symbol} was recorded from {', '.join(exchanges)}: choose one with --exchange")
    return Asked(archive, exchanges[0], symbol, frozenset(own["data_type"].to_pylist()), _closed(own, when), gaps, host)


def _closed(streams: pa.Table, when: Window) -> Window:
    """The stretch, not longer than what was recorded. Raises QuestionError if nothing was recorded in it."""
    first = pc.min(streams["first"].cast(pa.int64())).as_py() or 0
    last = pc.max(streams["last"].cast(pa.int64())).as_py() or 0
    closed = when._replace(since_us=max(when.since_us, first), until_us=min(when.until_us, last + 1))
    if closed.since_us >= closed.until_us:
        raise QuestionError("nothing was recorded in that time")
    return closed
