"""How long to be quiet after a ban, and when to replace a connection before the exchange ends it."""

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

LONGEST_BAN_SECS: Final = 3 * 86_400
"""No exchange bans an address for longer: a longer Retry-After is a mistake of its sender, and is cut to this."""

BAN_SECS: Final = 120.0
"""The first ban that names no time lasts so long: the shortest that the exchange gives. Each further one in a row lasts twice
as long, up to LONGEST_PAUSE_SECS."""

LONGEST_PAUSE_SECS: Final = 1_800.0
"""The longest ban that names no time."""

_MANY_BANS: Final = 10
_RENEWAL_EARLIEST: Final = 0.90
_RENEWAL_SPREAD: Final = 0.08


def renewal_secs(lifetime_secs: float, random: Callable[[], float]) -> float:
    """Age at which a connection of that lifetime is replaced: 90 to 98 % of it, so that lines do not renew together."""
    return lifetime_secs * (_RENEWAL_EARLIEST + _RENEWAL_SPREAD * random())


def retry_after_secs(value: str, now_secs: float) -> float | None:
    """Read an HTTP Retry-After header, in seconds or as a date; None for anything else.

    Never below 0 nor above LONGEST_BAN_SECS. Source: RFC 9110 section 10.2.3.
    """
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST_BAN_SECS)
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    wait = (when - datetime.fromtimestamp(now_secs, UTC)).total_seconds()
    return min(max(wait, 0.0), LONGEST_BAN_SECS)


def ban_secs(asked_secs: float | None, bans_before: int) -> float:
    """How long an address that is banned keeps quiet: as asked, or else longer with each ban in a row."""
    # Without a time, or with one that has passed by this machine's clock, the next attempt would follow without a pause.
    return asked_secs or min(BAN_SECS * 2 ** min(bans_before, _MANY_BANS), LONGEST_PAUSE_SECS)
