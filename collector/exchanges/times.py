"""Times as exchanges write them, in microseconds since the epoch; `NO_TIME_US` for what is none.

A time that cannot be read never costs a message its row: that it is missing is stored instead.
"""

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from collector.domain.names import END_US
from collector.domain.times import NO_TIME_US

_RFC3339: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)", re.ASCII)
_REST: Final = re.compile(r"(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII)
_SECOND_CHARS: Final = 19
_LONGEST_DIGITS: Final = 19
_END_MS: Final = END_US // 1_000


def from_ms(value: object) -> int:
    """Milliseconds, as a whole number or its text."""
    if type(value) is int and 0 <= value < _END_MS:  # the usual form, in a third of the time
        return value * 1_000
    return _whole(value, 1_000)


def from_us(value: object) -> int:
    """Microseconds, as a whole number or its text."""
    return _whole(value, 1)


def from_ns(value: object) -> int:
    """Nanoseconds, as a whole number or its text; floored."""
    number = _number(value)
    return NO_TIME_US if number is None else _dated(number // 1_000)


def from_secs(value: object) -> int:
    """Whole seconds, as a number or its text."""
    return _whole(value, 1_000_000)


def from_decimal_secs(value: object) -> int:
    """Seconds with a fraction, as a JSON number or its text; floored to microseconds."""
    return _decimal(value, 6)


def from_decimal_ms(value: object) -> int:
    """Milliseconds with a fraction, as a JSON number or its text; floored to microseconds."""
    return _decimal(value, 3)


def from_rfc3339(text: object) -> int:
    """A text such as `2026-11-23T12:00:00.123456789Z`, its fraction of any length floored; year 1 is no time.

    Source: RFC 3339 section 5.6.
    """
    if not isinstance(text, str) or len(text) <= _SECOND_CHARS:
        return NO_TIME_US
    seconds = _seconds(text[:_SECOND_CHARS])
    if seconds is None:
        return NO_TIME_US
    fraction = text[_SECOND_CHARS + 1 : -1]
    if text[_SECOND_CHARS] == "." and text[-1] == "Z" and fraction.isascii() and fraction.isdigit():  # as most do
        return seconds * 1_000_000 + int(fraction[:6].ljust(6, "0"))
    rest = _REST.fullmatch(text, _SECOND_CHARS)
    if rest is None:
        return NO_TIME_US
    given, sign, hours, minutes = rest.groups()
    if sign is not None:
        offset = int(hours) * 3_600 + int(minutes) * 60
        seconds += offset if sign == "-" else -offset
    return _dated(seconds * 1_000_000 + int((given or "")[:6].ljust(6, "0")))


@lru_cache(maxsize=256)
def _seconds(text: str) -> int | None:
    """Seconds since the epoch, None for a time before; a busy stream has thousands of messages a second, so the last ones
    are kept.
    """
    parts = _RFC3339.fullmatch(text)
    if parts is None:
        return None
    year, month, day, hour, minute, second = map(int, parts.groups())
    try:
        seconds = round(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp())
    except ValueError:  # such as 30 February
        return None
    return seconds if seconds >= 0 else None


def _whole(value: object, factor: int) -> int:
    number = _number(value)
    return NO_TIME_US if number is None else _dated(number * factor)


def _number(value: object) -> int | None:
    if type(value) is int:
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _LONGEST_DIGITS:
        return int(value)
    return None


def _decimal(value: object, digits: int) -> int:
    """`digits` behind the point of the number's unit make microseconds."""
    text = value if isinstance(value, str) else str(value) if type(value) in {int, float} else ""
    whole, _, fraction = text.partition(".")
    number = _number(whole)
    if number is None or (fraction and not (fraction.isascii() and fraction.isdigit())):
        return NO_TIME_US
    return _dated(number * 10**digits + int(fraction[:digits].ljust(digits, "0")))


def _dated(time_us: int) -> int:
    """Whether it is a time at all: from 1970 to the year 9999."""
    return time_us if 0 <= time_us < END_US else NO_TIME_US
