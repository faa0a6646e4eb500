"""Which decimals a double holds exactly, so that the archive never shows a number other than the one the exchange sent.

A double holds every decimal of at most 15 significant digits: reading such a text into the nearest double and writing
that double as its shortest text gives the same number back (IEEE 754 binary64, DBL_DIG = 15). Longer decimals, and those
near the ends of a double's range, have to be compared one by one.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from itertools import accumulate
from math import isfinite
from typing import Final

_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
"""Accepts less than `float()`, which also takes blanks, underscores, other scripts' digits, `nan` and `inf`."""

_WITH_EXPONENT: Final = re.compile(rb'(?:^|[\s:,"\[])[+-]?[0-9.]+[eE][+-]?[0-9]+(?=[\s,"\]}]|$)')
"""A whole number with an exponent; names such as `200.ETHUSDT` and UUIDs have something like it inside."""

_PROVEN_CHARS: Final = 15
_MARKS: Final = bytes.maketrans(b"0123456789.eE", b"1" * 11 + b"ee")
_LONG: Final = b"1" * (_PROVEN_CHARS + 1)
_EXPONENT: Final = b"1e"
_ESCAPE: Final = b"\\"
"""JSON may write any digit as an escape, which hides how long a number is."""

_NEEDLES: Final = (_LONG, _EXPONENT, _ESCAPE)


def to_double(text: str) -> float | None:
    """The double nearest to a decimal; None if `text` is not a decimal or lies beyond the range of doubles."""
    if _DECIMAL.fullmatch(text) is None:
        return None
    value = float(text)
    return value if isfinite(value) else None


def is_exact(text: str) -> bool:
    """Whether `text` is a decimal and its double, written as its shortest text, is numerically the same decimal."""
    value = to_double(text)
    if value is None:
        return False
    try:
        return Decimal(repr(value)) == Decimal(text)
    except InvalidOperation:  # the exponent is too large for Decimal: no double comes near it, except zero
        return False


def suspects(payloads: Sequence[bytes]) -> list[int]:
    """The indexes, ascending, of the JSON payloads that may hold an inexact number.

    All other payloads hold none: each of their numbers, quoted or bare, has at most 15 significant digits and no
    exponent. A suspect may still hold only exact numbers; `is_exact` decides.
    """
    marks = b"\n".join(payloads).translate(_MARKS)
    if all(marks.rfind(needle) < 0 for needle in _NEEDLES):  # as almost always
        return []
    starts = list(accumulate((len(payload) + 1 for payload in payloads), initial=0))
    found = {index for needle in _NEEDLES for index in _holders(marks, starts, needle)}
    return sorted(index for index in found if _is_suspect(payloads[index]))


def _holders(marks: bytes, starts: Sequence[int], needle: bytes) -> Iterator[int]:
    at = marks.rfind(needle)  # from the end: on these marks it takes a third of the time of `find`
    while at >= 0:
        index = bisect_right(starts, at) - 1
        yield index
        at = marks.rfind(needle, 0, starts[index])


def _is_suspect(payload: bytes) -> bool:
    """Check a payload with a long run of digits again without zeros at the end of quoted decimals: they do not count.

    Some exchanges write a size of 12345678 as `"12345678.00000000"`, in nearly every message of a cheap coin.
    """
    if _ESCAPE in payload or _WITH_EXPONENT.search(payload):
        return True
    return _LONG in payload.replace(b'0000"', b'"').translate(_MARKS)
