"""Answers a question about the rows of one stream."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from collector.domain.errors import DamagedError
from collector.domain.names import END_US
from collector.domain.records import UNDECODED, UNKNOWN, StreamKey
from collector.read.errors import GapError
from collector.read.frame import Frame
from collector.read.gap_places import BEGINS
from collector.read.holdings import Holdings
from collector.read.ledger.gaps import LedgerRow
from collector.read.ledger.unrepaired import in_the_way
from collector.read.marking import COLUMNS, Marker, Mode, mode_of
from collector.read.pieces import ARCHIVED, Piece, schema_for
from collector.read.question import Chosen, chosen, columns_of, of_host, stream_of
from collector.read.reading import Reading, id_columns
from collector.read.window import Window
from collector.storage.staging.object_messages import ObjectMessages
from collector.storage.staging.undecodable_gaps import UndecodableGaps

Kinds = Sequence[str | None]

MARKET_KINDS: Final[Kinds] = ("market", "liquidation", "block", None)
"""Kinds of trades that were made in the market; the others move no price."""


class Ask(NamedTuple):
    """A question, but for its time; see `Archive.rows`."""

    data_type: str
    symbol: str
    exchange: str | None
    columns: Sequence[str] | None
    gaps: str
    live: bool
    host: str | None
    kinds: Kinds | None = None
    """Of trades; None means all."""


def answer(holdings: Holdings, ask: Ask, when: Window) -> Frame:
    """The rows as a frame that reads them when they are asked for. Raises QuestionError, StoreError.

    Raises DamagedError if manifests cannot be read, unless gaps are to be ignored: then nobody knows what is missing.
    """
    mode = mode_of(ask.gaps)
    streams = holdings.streams()
    if ask.data_type == UNDECODED:
        # That there is none of it is the rule, and no error.
        streams = {StreamKey(known.exchange, name, UNDECODED) for known in streams for name in (known.symbol, UNKNOWN)}
    stream = stream_of(streams, ask.data_type, ask.symbol, ask.exchange)
    if mode != "ignore" and (problems := holdings.problems()):
        raise DamagedError("\n".join(["what is missing cannot be told:", *problems, "collector verify says more"]))
    ledger = holdings.ledger(stream.exchange, stream.symbol)
    pieces = [piece for piece in holdings.pieces(stream) if ask.live or piece.place in ARCHIVED]
    found = chosen(pieces, when, stream, ledger)
    found = found._replace(pieces=of_host(found.pieces, ask.host))
    absent = holdings.absent(stream, live=ask.live)
    ledger_rows = [row for row in [*ledger, *absent] if not _is_behind(row, when, found.pieces)]
    crossed = _crossed(when, found.pieces, holdings.lost_since_us(stream, live=ask.live))
    gaps = in_the_way(ledger_rows, stream, crossed)
    names = columns_of(stream.data_type, ask.columns)
    answered = _Answer(holdings, stream, when, found, mode, names, ask.kinds, gaps)
    return Frame(" ".join(stream), answered.schema, answered.tables, [piece.name for piece in found.pieces], gaps)


class _Answer:
    """How the rows are read."""

    def __init__(
        self,
        holdings: Holdings,
        stream: StreamKey,
        when: Window,
        found: Chosen,
        mode: Mode,
        names: list[str],
        kinds: Kinds | None,
        gaps: list[LedgerRow],
    ) -> None:
        self._holdings = holdings
        self._stream = stream
        self._when = when
        self._found = found
        self._mode = mode
        self._kinds = kinds
        self._gaps = gaps
        self._needed = [*names, *([] if kinds is None else ["kind"]), *(BEGINS if gaps and mode in COLUMNS else [])]
        whole = schema_for(stream.data_type, names)
        added = [COLUMNS[mode]] if mode in COLUMNS else []
        self.schema = pa.schema([*(whole.field(name) for name in names), *added])

    def tables(self) -> Iterator[pa.Table]:
        """The rows. Raises GapError where gaps are in the way."""
        if self._mode == "raise" and self._gaps:
            raise GapError(" ".join(self._stream), self._gaps)
        marker = Marker(self._mode, self._stream, id_columns(self._stream))
        marker.add(self._gaps)
        with closing(self._holdings.objects()) as objects:
            reading = Reading(
                self._stream,
                self._when,
                self._needed,
                objects,
                self._holdings.relocated,
                partial(self._note_untyped, marker),
                self._found.received,
            )
            for table in reading.tables(self._found.pieces):
                yield marker.marked(table, self._of_kinds(table)).select(self.schema.names)

    def _of_kinds(self, table: pa.Table) -> pa.ChunkedArray | None:
        """Which rows are of the kinds asked for; None if all are."""
        return None if self._kinds is None else pc.is_in(table["kind"], pa.array(self._kinds, pa.string()))

    def _note_untyped(self, marker: Marker, stream: StreamKey, messages: ObjectMessages) -> None:
        """Messages that have no row and no ledger row either, because the archiver has not seen them yet."""
        made = UndecodableGaps()
        made.note(stream, messages)
        rows = [LedgerRow(key.exchange, key.symbol, gap) for key, gap in made.gaps()]
        found = in_the_way(rows, stream, self._when)
        if found and self._mode == "raise":
            raise GapError(" ".join(stream), found)
        marker.add(found)


def ends_of_rows(holdings: Holdings, stream: StreamKey, when: Window, *, live: bool, host: str | None) -> Window:
    """The window, in which the ends that are left open are those of the stream's rows; empty if it has none."""
    pieces = [piece for piece in holdings.pieces(stream) if live or piece.place in ARCHIVED]
    return _with_ends(when, of_host(pieces, host))


def _crossed(when: Window, pieces: list[Piece], lost_since_us: int) -> Window:
    """The time that is read across: an end that is left open is that of the rows, or of lost ones before them."""
    found = _with_ends(when, pieces)
    since = min(lost_since_us, found.since_us) if when.since_us == 0 else when.since_us
    return found._replace(since_us=since, until_us=max(found.until_us, since + 1))


def _with_ends(when: Window, pieces: list[Piece]) -> Window:
    firsts = [piece.received_min for piece in pieces if piece.received_min is not None]
    lasts = [piece.received_max for piece in pieces if piece.received_max is not None]
    since = min(firsts, default=0) if when.since_us == 0 else when.since_us
    until = max(lasts, default=-1) + 1 if when.until_us == END_US else when.until_us
    return when._replace(since_us=since, until_us=max(since, until))


def _is_behind(row: LedgerRow, when: Window, pieces: list[Piece]) -> bool:
    """Whether a gap begins with the last row, and the end is left open.

    A gap within the microsecond of the last row lies between rows that came in one message.
    """
    lasts = [piece.received_max for piece in pieces if piece.received_max is not None]
    if when.until_us != END_US or not lasts:
        return False
    return row.gap.started_at >= max(lasts) and row.gap.ended_at != row.gap.started_at
