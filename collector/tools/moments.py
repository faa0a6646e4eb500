"""Times and periods as people write them on a command line, and as tools print them for people."""

import argparse
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from collector.domain.errors import ConfigError
from collector.domain.names import iso_time, time_us

T = TypeVar("T", int, str)

TIMES = "2026-11-23, 2026-11-23T14:00, 24h, 7d"
"""Examples of times, for a help text."""

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{1,6}d")
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
    """The time of `moment_us` as manifests write it, for argparse."""
    return iso_time(moment_us(text))


def day(text: str) -> str:
    """The date of `2026-11-23`, or of `7d` ago (UTC), for argparse."""
    if not _DAY.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is neither a day like 2026-11-23 nor 7d")
    return moment(text)[:10]


def moment_text(time_us: int) -> str:
    """A moment for people, with its zone: `2026-11-23 12:00:00 UTC`."""
    return f"{iso_time(time_us)[:19].replace('T', ' ')} UTC"


def add_period(
    parser: argparse.ArgumentParser,
    moment_of: Callable[[str], T],
    *,
    required: bool = False,
    from_is_required: bool = False,
) -> None:
    """Add --from and --to; `from_time` and `to_time` are None where they are not given."""
    for name, text in (("from", "from this time on"), ("to", "up to but excluding this time")):
        parser.add_argument(
            f"--{name}", dest=f"{name}_time", metavar="TIME", type=moment_of, help=f"{text}: {TIMES}",
            required=required or (from_is_required and name == "from"),
        )  # fmt: skip


def add_old_period_names(parser: argparse.ArgumentParser, moment_of: Callable[[str], T]) -> None:
    """Accept --since and --until for --from and --to: scripts that call a tool use them."""
    for old, name in (("since", "from"), ("until", "to")):
        parser.add_argument(
            f"--{old}", dest=f"{name}_time", type=moment_of, default=argparse.SUPPRESS, help=argparse.SUPPRESS
        )


def age_days(text: str) -> int:
    """The days of `90d` or `12w`, at least one. Raises ValueError for anything else."""
    match = re.fullmatch(r"([1-9][0-9]{0,4})([dw])", text)
    if match is None:
        raise ValueError(f"{text!r} is neither a number of days like 90d nor of weeks like 12w")
    return int(match[1]) * (7 if match[2] == "w" else 1)


def require_order(from_time: T, to_time: T) -> None:
    """Raise ConfigError unless the period has a length."""
    if from_time >= to_time:
        raise ConfigError(["--from must be before --to"])


def _moment(text: str) -> datetime:
    if ago := re.fullmatch(r"([0-9]{1,6})(min|h|d)", text):
        return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)
