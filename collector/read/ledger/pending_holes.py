"""Holes in ids that have no row in the gap ledger yet, because messages may still fill them within the reorder window."""

from collector.domain.errors import DamagedError
from collector.domain.records import IdRule, StreamKey
from collector.domain.sequence.hole import PENDING, DueRow
from collector.domain.sequence.stream_progress import decode_progress
from collector.read.ledger.gaps import LedgerRow

_MARK = PENDING.encode()


def pending_holes(key: StreamKey, rule: str, state: bytes) -> list[LedgerRow]:
    """The rows that the holes will have if nothing fills them; `state` is what the writer stores of a stream.

    Raises DamagedError.
    """
    if _MARK not in state:
        # Nearly always: that spares the decoding.
        return []
    try:
        progress, chained = decode_progress(state), IdRule(rule) is IdRule.CHAINED
    except (ValueError, TypeError) as error:
        raise DamagedError(f"the state of {' '.join(key)} cannot be read: {error}") from error
    holes = [hole for hole in progress.holes if hole.state == PENDING and hole.parts and hole.has_rows]
    due = [DueRow(progress.series, hole, "open", None) for hole in holes]
    return [LedgerRow(key.exchange, key.symbol, row.row(key, row.hole.until_us, chained=chained)) for row in due]
