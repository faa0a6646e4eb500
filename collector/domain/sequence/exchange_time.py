"""When a message was sent, as far as the exchange's own time can be believed: no single odd time decides anything.

A time is believed if it keeps the distance from its receipt that the times before it kept, give or take `LEAP_US`, or if
the next message that leaps confirms it. These functions note in the stream's progress what they have learned.
"""

from typing import Final

from collector.domain.sequence.hole_rules import REORDER_SECS
from collector.domain.sequence.stream_progress import StreamProgress

LEAP_US: Final = 60_000_000
"""Against the time of receipt an exchange's time does not jump by more, unless one of the clocks was set."""


def newest_sent_us(progress: StreamProgress, exchange_us: int | None, received_us: int) -> int | None:
    """When a new message was sent whose time is absent or has leapt."""
    expected_us = _expected_us(progress, received_us)
    if exchange_us is None or (expected_us is not None and not _is_confirmed(progress, exchange_us, received_us)):
        return expected_us
    progress.ahead_us = exchange_us - received_us
    return exchange_us


def older_sent_us(progress: StreamProgress, exchange_us: int | None, received_us: int) -> int | None:
    """When a message was sent whose id is not beyond the newest; it may be old. None if it cannot be as new as it says."""
    expected_us = _expected_us(progress, received_us)
    if exchange_us is None or expected_us is None or exchange_us - expected_us <= LEAP_US:
        return exchange_us
    return exchange_us if _is_confirmed(progress, exchange_us, received_us) else None


def has_moved_on(progress: StreamProgress, sent_us: int | None) -> bool:
    """Whether a message was sent after the newest one, by more than messages come out of order.

    What a lagging line brings was sent before it.
    """
    newest_us = progress.last_exchange_us
    if sent_us is None or newest_us is None:
        return False
    return sent_us - newest_us > REORDER_SECS * 1_000_000


def _expected_us(progress: StreamProgress, received_us: int) -> int | None:
    if progress.last_exchange_us is None:
        return None
    return progress.last_exchange_us + received_us - progress.last_received_us


def _is_confirmed(progress: StreamProgress, exchange_us: int, received_us: int) -> bool:
    before_us, ahead_us = progress.doubted_us, exchange_us - received_us
    progress.doubted_us = ahead_us
    return before_us is not None and abs(ahead_us - before_us) <= LEAP_US
