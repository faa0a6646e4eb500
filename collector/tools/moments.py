"""Moments as people write them on a command line, and as tools print them for people."""

import argparse
import re
from datetime import UTC, datetime, timedelta

from collector.domain.names import iso_time, time_us

TIMES = "2026-11-23, 2026-11-23T14:00, 24h, 7d"
"""What may be written, for a help text."""

_UNITS = {"min": "minutes", "h": "hours", "d": "days"}


def moment_us(text: str) -> int:
    """Microseconds since the epoch of `2026-11-23`, `2026-11-23T14:00` (UTC unless it says otherwise), or `30min`,
    `24h`, `7d` ago; for argparse.
    """
    try:
        return time_us(_moment(text).astimezone(UTC).isoformat())
    except ValueError:
        reason = f"{text!r} is neither a time like 2026-11-23T14:00 nor 30min, 24h, 7d"
    except OverflowError:
        reason = f"{text!r} lies outside the years 1 to 9999"
    raise argparse.ArgumentTypeError(reason)


def moment(text: str) -> str:
    """The same, as manifests write it."""
    return iso_time(moment_us(text))


def moment_text(time_us: int) -> str:
    """A moment for people, with its zone: `2026-11-23 12:00:00 UTC`."""
    return f"{iso_time(time_us)[:19].replace('T', ' ')} UTC"


def _moment(text: str) -> datetime:
    if ago := re.fullmatch(r"([0-9]{1,6})(min|h|d)", text):
        return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)
