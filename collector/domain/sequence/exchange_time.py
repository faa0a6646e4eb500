"""When a message was sent, as far as the exchange's own time can be trusted: no single odd time decides anything.

A time is trusted if its difference to the receive time is that of earlier messages, give or take `LEAP_US`, or if the
next message that leaps confirms it. These functions record what they learn in the stream's progress.
"""

from typing import Final

from collector.domain.sequence.hole_rules import REORDER_SECS
from collector.domain.sequence.stream_progress import StreamProgress

LEAP_US: Final = 60_000_000
"""The difference between exchange time and receive time changes by no more than this unless a clock was set."""


def note_time(progress: StreamProgress, exchange_us: int | None, received_us: int) -> None:
    """Note when the newest message was sent and received."""
    if exchange_us is None or not -LEAP_US <= exchange_us - received_us - progress.ahead_us <= LEAP_US:
        exchange_us = newest_sent_us(progress, exchange_us, received_us)
    progress.last_exchange_us = exchange_us
    progress.last_received_us = received_us


def newest_sent_us(progress: StreamProgress, exchange_us: int | None, received_us: int) -> int | None:
    """Send time of a new message whose claimed time is absent or has leapt; an estimate, unless the leap is confirmed."""
    expected_us = _expected_us(progress, received_us)
    if exchange_us is None or (expected_us is not None and not _is_confirmed(progress, exchange_us, received_us)):
        return expected_us
    progress.ahead_us = exchange_us - received_us
    return exchange_us


def older_sent_us(progress: StreamProgress, exchange_us: int | None, received_us: int) -> int | None:
    """Send time of a message whose id is not above the newest. None if its claimed time is too far ahead and unconfirmed."""
    expected_us = _expected_us(progress, received_us)
    if exchange_us is None or expected_us is None or exchange_us - expected_us <= LEAP_US:
        return exchange_us
    return exchange_us if _is_confirmed(progress, exchange_us, received_us) else None


def has_moved_on(progress: StreamProgress, sent_us: int | None) -> bool:
    """Whether a message was sent after the newest one, by more than messages come out of order.

    A lagging line delivers messages sent before the newest one.
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
