"""Whether a time that an exchange sent is plausible.

An exchange may send 0, or seconds or microseconds instead of milliseconds. Such a message keeps its row and its original
text, but its time is left out of the columns and is not used for any verdict, statistic or alarm.
"""

from typing import Final

EARLIEST_US: Final = 1_230_768_000_000_000
"""2009-01-01: no coin is older."""

LONGEST_AHEAD_US: Final = 86_400_000_000
"""How far a message's own time may be ahead of its receipt, because this machine's clock may be wrong."""

NO_TIME_US: Final = 0
"""What an adapter returns for a time that is not a time, or does not fit into 64 bits."""


def is_sound(exchange_us: int, received_us: int) -> bool:
    """Whether a message received at `received_us` can have been sent at `exchange_us`."""
    return EARLIEST_US <= exchange_us <= received_us + LONGEST_AHEAD_US


def sound_us(exchange_us: int | None, received_us: int) -> int | None:
    """The exchange's time if it is plausible, else None."""
    return exchange_us if exchange_us is not None and is_sound(exchange_us, received_us) else None
