"""In what condition each day of each stream is: what of it is there, and what is proven of that. Rules without I/O."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import pyarrow as pa

from collector.domain.names import DAY_US, END_US, date_of
from collector.domain.records import StreamKey
from collector.exchanges import registry
from collector.read.ledger.gap_summary import CONTRADICTED, SILENCE
from collector.read.ledger.gaps import LedgerRow
from collector.read.ledger.unrepaired import REPAIRED, may_miss, reaches
from collector.read.pieces import ARCHIVED, Piece
from collector.read.spans import Span, clipped, secs, without
from collector.read.window import Window

CONDITION_SCHEMA: Final = pa.schema(
    {
        "exchange": pa.string(),
        "symbol": pa.string(),
        "data_type": pa.string(),
        "date": pa.date32(),
        "state": pa.string(),
        "verified_secs": pa.float64(),
        "unverifiable_secs": pa.float64(),
        "broken_secs": pa.float64(),
        "absent_secs": pa.float64(),
        "gaps": pa.int64(),
    }
)

STATES: Final = ("available", "degraded", "pending", "missing")


def conditions(
    stream: StreamKey, pieces: Sequence[Piece], gaps: Sequence[LedgerRow], when: Window, now_us: int
) -> Iterator[dict[str, Any]]:
    """A row for each day that the window touches, up to now; the first and the last day are those of the rows if it is open.

    `pieces` are all of the stream, and `gaps` are those that concern it.
    """
    held = extent(pieces)
    if not held:
        return
    ((first, last),) = held
    since = first if when.since_us == 0 else when.since_us
    until = last if when.until_us == END_US else min(when.until_us, now_us)
    for day in range(since // DAY_US, -(-until // DAY_US)):
        asked = max(since, day * DAY_US), min(until, (day + 1) * DAY_US)
        yield {**stream._asdict(), "date": day, **_of_day(stream, pieces, held, gaps, asked, now_us)}


def day_condition(
    stream: StreamKey, pieces: Sequence[Piece], held: list[Span], gaps: Sequence[LedgerRow], day: int, now_us: int
) -> dict[str, Any]:
    """The condition of one whole day, or of as much of it as is over; also of a stream of which no row is left.

    `day` is counted from the epoch, `pieces` are those that may have rows of it, `held` is the stream's extent, and `gaps`
    are those that concern it.
    """
    asked = day * DAY_US, min((day + 1) * DAY_US, now_us)
    return {**stream._asdict(), "date": day, **_of_day(stream, pieces, held, gaps, asked, now_us)}


def extent(pieces: Iterable[Piece]) -> list[Span]:
    """From the first row to the last one, as one stretch; none if there is no row."""
    held = [(piece.received_min, piece.received_max + 1) for piece in pieces
            if piece.received_min is not None and piece.received_max is not None]  # fmt: skip
    return [(min(start for start, _ in held), max(end for _, end in held))] if held else []


def _of_day(
    stream: StreamKey,
    pieces: Sequence[Piece],
    held: list[Span],
    gaps: Sequence[LedgerRow],
    asked: Span,
    now_us: int,
) -> dict[str, Any]:
    touched = [piece for piece in pieces if _in_day(piece, asked[0] // DAY_US)]
    known = clipped(held, *asked)
    here = [row for row in gaps if row.gap.status != REPAIRED and reaches(row, Window(*asked))]
    lost = [row for row in here if may_miss(row, stream) and row.gap.kind != SILENCE]
    doubted = [row for row in here if _is_doubt(row, stream)]
    broken = clipped(map(_span, lost), *asked)
    doubtful = without(clipped(map(_span, doubted), *asked), broken)
    sound = without(known, [*broken, *doubtful])
    proves = registry.proves_whole(stream.exchange, stream.data_type)
    absent = without([asked], [*known, *broken, *doubtful])
    return {
        "state": _state(touched, asked, now_us, is_whole=not (lost or doubted or absent)),
        "verified_secs": secs(sound) if proves else 0.0,
        "unverifiable_secs": secs(doubtful) if proves else secs([*sound, *doubtful]),
        "broken_secs": secs(broken),
        "absent_secs": secs(absent),
        "gaps": len(lost) + len(doubted),
    }


def _state(pieces: list[Piece], asked: Span, now_us: int, *, is_whole: bool) -> str:
    is_over = (asked[0] // DAY_US + 1) * DAY_US <= now_us
    if pieces and (not is_over or any(piece.place not in ARCHIVED for piece in pieces)):
        return "pending"
    if not pieces and not is_whole:
        return "missing"
    return "available" if is_whole else "degraded"


def _is_doubt(row: LedgerRow, stream: StreamKey) -> bool:
    """Whether nothing proves what was there: a silence, or a time in which checksums were not compared."""
    gap = row.gap
    is_unchecked = gap.kind == "checksum" and gap.cause != CONTRADICTED
    return is_unchecked or (gap.kind == SILENCE and may_miss(row, stream))


def _span(row: LedgerRow) -> Span:
    gap = row.gap
    return gap.started_at, 2**62 if gap.ended_at is None else gap.ended_at


def _in_day(piece: Piece, day: int) -> bool:
    if piece.date:
        return piece.date == date_of(day)
    return piece.received_min is not None and piece.received_max is not None and (
        piece.received_min < (day + 1) * DAY_US and piece.received_max >= day * DAY_US
    )  # fmt: skip
