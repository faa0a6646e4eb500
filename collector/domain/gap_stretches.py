"""Rows of the gap ledger for trouble that lasts: an `open` row when it begins, a final one when it is over."""

from typing import Final

import msgspec

from collector.domain.names import gap_id
from collector.domain.records import Gap, StreamKey
from collector.domain.steps_back import MOST_US, has_passed

STRETCH_SECS: Final = 60
"""Trouble of one kind that returns within this time belongs to the same stretch."""

SINGLE_ROWS: Final = 8
"""Gaps of one kind at one place that get a row each: this many at once, and this many a minute. Further ones share a row."""


class RowAllowance(msgspec.Struct, array_like=True):
    """Decides which gaps get a row of their own."""

    used: float = 0.0
    last_us: int = 0

    def grants(self, now_us: int) -> bool:
        """Whether a gap found now gets a row of its own; if so, it uses up one of the allowance."""
        regained = max(0, now_us - self.last_us) / 1e6 * SINGLE_ROWS / STRETCH_SECS
        self.used = max(0.0, self.used - regained)
        # A small step back gives nothing twice.
        self.last_us = now_us if now_us < self.last_us - MOST_US else max(now_us, self.last_us)
        if self.used > SINGLE_ROWS - 1:
            return False
        self.used += 1
        return True


class GapStretch(msgspec.Struct, array_like=True):
    """A run of gaps of one kind at one place in quick succession; committed with the rows."""

    place: StreamKey
    kind: str
    cause: str
    started_us: int
    last_us: int
    missing: int | None
    expected_id: str | None = None
    actual_id: str | None = None
    allowance: RowAllowance | None = None
    """Set while its gaps have a row each; None once they share one."""
    newest_row_missing: int | None = 1
    """`missing` of its newest row."""
    detected_us: int = 0
    """`detected_at` of its newest row; 0 while that is the opening one."""

    def is_over(self, now_us: int) -> bool:
        """Whether nothing has joined it for STRETCH_SECS. A clock set back ends it too, so that its end is not put off."""
        return has_passed(STRETCH_SECS * 1_000_000 + 1, self.last_us, now_us)

    def extend(self, now_us: int) -> None:
        """Count one more gap of this stretch."""
        self.last_us = now_us
        if self.missing is not None:
            self.missing += 1

    @property
    def is_one_gap(self) -> bool:
        """Whether its gaps share one row, which has to be closed at the end."""
        return self.allowance is None

    def opening(self) -> Gap:
        """The first row: `open`, without an end."""
        return self._row(ended_us=None, status="open", detected_us=self.started_us)

    def update(self, now_us: int) -> Gap | None:
        """The next `open` row while the trouble lasts; None if the newest row is up to date."""
        if not self.is_one_gap or self.missing == self.newest_row_missing:
            return None
        return self._row(ended_us=None, status="open", detected_us=self._later(now_us))

    def closing(self, now_us: int) -> Gap:
        """The final row, with an end."""
        ended_us = max(self.last_us, self.started_us)
        return self._row(ended_us=ended_us, status="unrepairable", detected_us=self._later(now_us))

    def _later(self, now_us: int) -> int:
        """`detected_at` of the next row: later than the previous row's, even if the clock stepped back."""
        self.detected_us = max(now_us, self.started_us + 1, self.detected_us + 1)
        return self.detected_us

    def _row(self, *, ended_us: int | None, status: str, detected_us: int) -> Gap:
        name = gap_id(self.place, 0, self.kind, self.expected_id, self.started_us)
        self.newest_row_missing = self.missing
        return Gap(
            name, self.place.data_type, self.kind, self.cause, self.expected_id, self.actual_id, self.missing,
            self.started_us, ended_us, None, status, None, detected_us,
        )  # fmt: skip


def event_gap(
    place: StreamKey, kind: str, cause: str, started_us: int, ended_us: int, *,
    series: int = 0, expected_id: str | None = None, actual_id: str | None = None,
) -> Gap:  # fmt: skip
    """The row of a gap that is over when it is found and that nothing will repair. It never ends before it starts."""
    ended_us = max(started_us, ended_us)
    name = gap_id(place, series, kind, expected_id, started_us)
    return Gap(
        name, place.data_type, kind, cause, expected_id, actual_id, None,
        started_us, ended_us, None, "unrepairable", None, ended_us,
    )  # fmt: skip
