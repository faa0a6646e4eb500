"""Which gaps of the ledger stand in the way of reading a stream across them. Rules without I/O."""

from collections.abc import Iterable
from typing import Final

from collector.domain.records import UNKNOWN, StreamKey
from collector.read.ledger.gap_summary import CONTRADICTED, LOSSES, has_proving_ids
from collector.read.ledger.gaps import LedgerRow
from collector.read.window import Window

UNDECODABLE: Final = "undecodable"
NOT_IN_THE_LEDGER: Final = frozenset({"not_archived", "pruned"})

REPAIRED: Final = "repaired"


def concerns(row: LedgerRow, stream: StreamKey) -> bool:
    """Whether a gap is one of the stream, or of its whole feed."""
    return (
        row.exchange in {stream.exchange, UNKNOWN}
        and row.symbol in {stream.symbol, UNKNOWN}
        and row.gap.stream_type in {stream.data_type, UNKNOWN}
    )


def may_miss(row: LedgerRow, stream: StreamKey) -> bool:
    """Whether rows of the stream are missing, or may be, in the time of the gap.

    A silence that has ended hides nothing where ids prove what came; a reset is no loss; checksums that were not compared take
    no rows away.
    """
    gap = row.gap
    if gap.status == REPAIRED:
        return False
    match gap.kind:
        case "silence":
            return gap.ended_at is None or not has_proving_ids(stream)
        case "checksum":
            return gap.cause == CONTRADICTED
    return gap.kind in LOSSES or gap.kind == UNDECODABLE or gap.kind in NOT_IN_THE_LEDGER


def is_bookless(row: LedgerRow, stream: StreamKey, at_us: int) -> bool:
    """Whether the gap says that at a time there was no book to apply updates to."""
    gap = row.gap
    is_open = gap.started_at <= at_us and (gap.ended_at is None or at_us < gap.ended_at)
    return gap.kind == "book_unknown" and concerns(row, stream) and is_open


def in_the_way(rows: Iterable[LedgerRow], stream: StreamKey, window: Window) -> list[LedgerRow]:
    """The gaps of the stream that reach into the window, by start."""
    found = [row for row in rows if concerns(row, stream) and may_miss(row, stream) and reaches(row, window)]
    return sorted(found, key=lambda row: (row.gap.started_at, row.gap.gap_id))


def reaches(row: LedgerRow, window: Window) -> bool:
    """Whether some of the gap lies in the window."""
    started, ended = row.gap.started_at, row.gap.ended_at
    return started < window.until_us and (ended is None or max(ended, started + 1) > window.since_us)
