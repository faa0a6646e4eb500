"""Lengths of time as people write them: `100ms`, `1s`, `1m`, `1h`, `1d`. Rules without I/O."""

import re
from typing import Final

from collector.read.errors import QuestionError

_UNITS_US: Final = {"us": 1, "ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_LENGTH: Final = re.compile(r"([1-9][0-9]{0,9})(us|ms|s|m|h|d)")


def every_us(text: str) -> int:
    """Microseconds of a length. Raises QuestionError for anything else."""
    match = _LENGTH.fullmatch(str(text))
    if match is None:
        raise QuestionError(
            f"every = {text!r}: must be a number and one of {', '.join(_UNITS_US)}, such as 100ms or 1m"
        )
    return int(match[1]) * _UNITS_US[match[2]]
