"""Which of an exchange's times can be true.

An exchange may send 0, or seconds or microseconds where milliseconds are due. Such a message keeps its row, and its own
text beside it; its time is not among the columns, and no verdict, statistic or alarm is made from it.
"""

from typing import Final

EARLIEST_US: Final = 1_230_768_000_000_000
"""2009-01-01: no coin is older."""

LONGEST_AHEAD_US: Final = 86_400_000_000
"""How far ahead of its receipt, by a clock that may be off, a message may say it was sent."""

NO_TIME_US: Final = 0
"""Stands for a time that is none at all, or none that fits; an adapter gives it where it should have read one."""


def is_sound(exchange_us: int, received_us: int) -> bool:
    """Whether a message that was received then can have been sent at that time."""
    return EARLIEST_US <= exchange_us <= received_us + LONGEST_AHEAD_US


def sound_us(exchange_us: int | None, received_us: int) -> int | None:
    """An exchange's time, if it can be true."""
    return exchange_us if exchange_us is not None and is_sound(exchange_us, received_us) else None
