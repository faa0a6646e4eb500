"""What is asked of an archive, and which pieces answer it."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from collector.domain.names import END_US
from collector.domain.records import GAP, StreamKey
from collector.read.errors import QuestionError
from collector.read.ledger.gaps import LedgerRow
from collector.read.ledger.unrepaired import REPAIRED, concerns
from collector.read.pieces import Piece
from collector.read.window import Window
from collector.storage.archive.schema import SCHEMA_VERSION, schema_of

_REPAIRS: Final = frozenset({REPAIRED, "partly_repaired"})
_NAMED: Final = 20


class Chosen(NamedTuple):
    """The pieces that may have rows of a window, and when those rows were received."""

    pieces: list[Piece]
    received: Window


def stream_of(streams: Iterable[StreamKey], data_type: str, symbol: str, exchange: str | None) -> StreamKey:
    """The stream that is meant: of the only exchange that has the symbol unless one is named. Raises QuestionError."""
    if schema_of(data_type, SCHEMA_VERSION) is None or data_type == GAP:
        raise QuestionError(f"{data_type!r} is no data type with rows")
    streams = sorted(streams)
    known = [stream for stream in streams if exchange in {None, stream.exchange}]
    found = [stream for stream in known if stream.symbol == symbol and stream.data_type == data_type]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(stream.exchange for stream in found)
        raise QuestionError(f"{symbol} {data_type} was recorded from {names}: choose one with exchange=")
    others = [stream for stream in known if stream.symbol == symbol] or known or streams
    listed = ", ".join(" ".join(stream) for stream in others[:_NAMED])
    more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
    whose = symbol if exchange is None else f"{exchange} {symbol}"
    raise QuestionError(f"there is no {data_type} of {whose}; there is {listed or 'nothing'}{more}")


def columns_of(data_type: str, columns: Sequence[str] | None) -> list[str]:
    """The columns asked for, in that order; None means all. Raises QuestionError for one that the data type does not have."""
    require_list("columns", columns)
    schema = schema_of(data_type, SCHEMA_VERSION)
    names: list[str] = [] if schema is None else schema.names
    unknown = [name for name in columns or () if name not in names]
    if unknown:
        raise QuestionError(f"{data_type} has no column {', '.join(unknown)}; it has {', '.join(names)}")
    return names if columns is None else list(columns)


def require_list(name: str, value: object) -> None:
    """Refuse one text where several are meant: it would be taken for its letters. Raises QuestionError."""
    if isinstance(value, str):
        raise QuestionError(f"{name} = {value!r}: must be a list, such as [{value!r}]")


def require_count(name: str, value: object) -> None:
    """Raises QuestionError for anything but a whole number from 1 on."""
    if not isinstance(value, int) or value < 1:
        raise QuestionError(f"{name} = {value!r}: must be a whole number from 1 on")


def chosen(pieces: Iterable[Piece], window: Window, stream: StreamKey, ledger: Iterable[LedgerRow]) -> Chosen:
    """The pieces that may have rows of the window.

    What repaired a gap in the window was received at any time after it, so then all later pieces may have some of it.
    """
    received = window.received
    if any(concerns(row, stream) and row.gap.status in _REPAIRS and _touches(row, window) for row in ledger):
        received = received._replace(until_us=END_US)
    found = [piece for piece in pieces if _may_have(piece, received)]
    return Chosen([piece for piece in found if not piece.date or _has_date(piece, window)], received)


def of_host(pieces: Sequence[Piece], host: str | None) -> list[Piece]:
    """The pieces of one host. Raises QuestionError if none is named and several recorded at the same time.

    Hosts that took turns, as after a rename, are read one after another.
    """
    if host is not None:
        found = [piece for piece in pieces if piece.host == host]
        if pieces and not found:
            raise QuestionError(f"host {host} has none of it; {_hosts(pieces)} have")
        return found
    ends: dict[str, int] = {}
    for piece in sorted(pieces, key=lambda one: one.received_min or 0):
        begin, end = piece.received_min or 0, piece.received_max or 0
        if any(other != piece.host and begin < other_end for other, other_end in ends.items()):
            raise QuestionError(f"{_hosts(pieces)} recorded it at the same time: choose one with host=")
        ends[piece.host] = max(end, ends.get(piece.host, 0))
    return list(pieces)


def _hosts(pieces: Iterable[Piece]) -> str:
    return " and ".join(sorted({piece.host for piece in pieces}))


def _may_have(piece: Piece, received: Window) -> bool:
    if piece.received_min is None or piece.received_max is None:
        # A manifest with damaged times.
        return True
    return received.overlaps(piece.received_min, piece.received_max)


def _has_date(piece: Piece, window: Window) -> bool:
    """Whether rows of the window may stand under the date of an object.

    That is the date on which they were received, and of those that were fetched later the one of the exchange's time.
    """
    first, last = window.received.dates()
    return first <= piece.date <= last


def _touches(row: LedgerRow, window: Window) -> bool:
    gap = row.gap
    return gap.started_at < window.until_us and (gap.ended_at is None or gap.ended_at >= window.since_us)
