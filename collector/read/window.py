"""The stretch of time a question is about, and the time of a row in it."""

from datetime import UTC, date, datetime
from numbers import Integral
from operator import index
from time import time_ns
from typing import Final, Literal, NamedTuple, SupportsIndex

import pyarrow as pa
import pyarrow.compute as pc

from collector.domain.names import DAY_US, END_US, iso_time, time_us
from collector.domain.records import BACKFILLED_LINE
from collector.read.errors import QuestionError

Clock = Literal["received", "exchange"]
"""`received`: when the recorder read the message (of one fetched later over REST, when the exchange says it was made).
`exchange`: the exchange's own time, or the recorder's where the message has none."""

Moment = str | date | int
"""A point in time: ISO 8601 text, `now`, a date or datetime (UTC unless it says otherwise), or microseconds since the epoch."""

TIME_COLUMNS: Final = ("received_at", "exchange_at", "line")
"""What the time of a row follows from."""

_EARLIEST_US: Final = 100_000_000_000_000
"""In 1973. A number below it is a time of today in seconds or milliseconds, and 0 is the beginning of all."""

_EXAMPLE_US: Final = 1_795_442_400_000_000

EXCHANGE_SLACK_US: Final = 3_600_000_000
"""By the exchange's clock, rows are found that were received up to an hour before or after."""


class Window(NamedTuple):
    """From `since_us` up to, but excluding, `until_us`; microseconds since the epoch."""

    since_us: int = 0
    until_us: int = END_US
    clock: Clock = "received"

    @property
    def is_all(self) -> bool:
        """Whether no end is set."""
        return (self.since_us, self.until_us) == (0, END_US)

    @property
    def received(self) -> "Window":
        """When its rows were received, as far as they were not fetched later."""
        if self.clock == "received":
            return self
        since = max(0, self.since_us - EXCHANGE_SLACK_US)
        return Window(since, min(END_US, self.until_us + EXCHANGE_SLACK_US))

    def overlaps(self, first_us: int, last_us: int) -> bool:
        """Whether a stretch from `first_us` to `last_us`, both included, reaches into it."""
        return last_us >= self.since_us and first_us < self.until_us

    def dates(self) -> tuple[str, str]:
        """The first and the last date it touches."""
        return iso_time(self.since_us)[:10], iso_time(max(self.since_us, self.until_us - 1))[:10]


def window(start: Moment | None, end: Moment | None, clock: str = "received") -> Window:
    """The stretch from `start` to `end`; None leaves that end open. Raises QuestionError."""
    if clock not in ("received", "exchange"):
        raise QuestionError(f'clock = {clock!r}: must be "received" or "exchange"')
    since = 0 if start is None else moment_us(start)
    until = END_US if end is None else moment_us(end)
    if since >= until:
        raise QuestionError(f"start must be before end: {_named(since)} and {_named(until)}")
    return Window(since, until, "exchange" if clock == "exchange" else "received")


def moment_us(moment: Moment) -> int:
    """Microseconds since the epoch. Raises QuestionError for anything that is no moment."""
    if isinstance(moment, (int, Integral)):
        return _whole_us(moment)
    if moment == "now":
        return time_ns() // 1_000
    try:
        if isinstance(moment, str):
            moment = datetime.fromisoformat(moment)
        if not isinstance(moment, datetime):
            return (moment - date(1970, 1, 1)).days * DAY_US
        return time_us((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat())
    except (ValueError, TypeError) as error:
        raise QuestionError(f"{moment!r} is no time such as 2026-11-23T14:00 (UTC unless it says otherwise)") from error


def _named(at_us: int) -> str:
    return iso_time(at_us) if at_us < END_US else "the end of all time"


def _whole_us(moment: SupportsIndex) -> int:
    """The microseconds that a number says. Raises QuestionError where it can only be seconds, milliseconds or nanoseconds."""
    found = index(moment)
    if isinstance(moment, bool) or (found != 0 and not _EARLIEST_US <= found <= END_US):
        raise QuestionError(f"{moment!r} is no time in microseconds since the epoch, such as {_EXAMPLE_US}")
    return found


def row_times(table: pa.Table, clock: Clock) -> pa.ChunkedArray:
    """The time of each row, in microseconds since the epoch."""
    received = table["received_at"].cast(pa.int64())
    if clock == "exchange":
        return pc.coalesce(table["exchange_at"].cast(pa.int64()), received)
    backfilled = pc.equal(table["line"], BACKFILLED_LINE)
    if not pc.any(backfilled).as_py():
        return received
    return pc.if_else(backfilled, pc.coalesce(table["exchange_at"].cast(pa.int64()), received), received)


def within(table: pa.Table, window: Window) -> pa.Table:
    """The rows of a table in the window."""
    if window.is_all or not table.num_rows:
        return table
    times = row_times(table, window.clock)
    chosen = pc.and_(pc.greater_equal(times, window.since_us), pc.less(times, window.until_us))
    return table if pc.all(chosen).as_py() else table.filter(chosen)
