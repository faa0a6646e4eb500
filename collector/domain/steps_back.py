"""Whether a time has passed, by clocks that may be set back."""

from typing import Final

MOST_US: Final = 60_000_000
"""Two hosts' clocks, or what two of them deliver of one time, are not further apart. A clock further back was set back."""


def has_passed(span_us: int, since_us: int, now_us: int) -> bool:
    """Whether `span_us` have passed since then. If the clock was set back they have, so that nothing is put off for long."""
    return not -MOST_US <= now_us - since_us < span_us
