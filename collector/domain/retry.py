"""How long to pause after a ban, and when to replace a connection before the exchange closes it."""

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

LONGEST_BAN_SECS: Final = 3 * 86_400
"""Upper limit of a Retry-After: no exchange bans an address for longer, so a longer time is the server's mistake."""

BAN_SECS: Final = 120.0
"""Pause after a ban for which the exchange names no time; doubles with each ban in a row. It is the shortest ban given."""

LONGEST_PAUSE_SECS: Final = 1_800.0
"""Upper limit of that doubled pause."""

_MANY_BANS: Final = 10
_RENEWAL_EARLIEST: Final = 0.90
_RENEWAL_SPREAD: Final = 0.08


def renewal_secs(lifetime_secs: float, random: Callable[[], float]) -> float:
    """Age at which a connection is replaced: 90 to 98 % of its lifetime, so that lines are not renewed together."""
    return lifetime_secs * (_RENEWAL_EARLIEST + _RENEWAL_SPREAD * random())


def retry_after_secs(value: str, now_secs: float) -> float | None:
    """Seconds to wait by an HTTP Retry-After header, which holds seconds or a date; None for anything else.

    Between 0 and LONGEST_BAN_SECS. Source: RFC 9110 section 10.2.3.
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
    """Seconds to pause after a ban: as the exchange asks, or else longer with each ban in a row."""
    # 0 means none was named, or it has passed by this machine's clock: taken literally, there would be no pause.
    return asked_secs or min(BAN_SECS * 2 ** min(bans_before, _MANY_BANS), LONGEST_PAUSE_SECS)
