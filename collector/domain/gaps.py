"""Rows of the gap ledger: how trouble that lasts becomes one row when it begins and one when it is over."""

from typing import Final

import msgspec

from collector.domain.names import gap_id
from collector.domain.records import Gap, StreamKey

STRETCH_SECS: Final = 60
"""Trouble of one kind that comes back sooner than this is one stretch, and one gap."""


class Stretch(msgspec.Struct, array_like=True):
    """A run of trouble of one kind at one place; it commits with the rows."""

    place: StreamKey
    kind: str
    cause: str
    started_us: int
    last_us: int
    missing: int

    def is_over(self, now_us: int) -> bool:
        """Whether enough quiet time has passed."""
        return now_us - self.last_us > STRETCH_SECS * 1_000_000

    def extend(self, now_us: int, missing: int) -> None:
        """More of the same."""
        self.last_us = now_us
        self.missing += missing

    def opening(self) -> Gap:
        """The ledger's row for trouble that has begun and lasts."""
        return self._row(ended_us=None, status="open", detected_us=self.started_us)

    def closing(self, now_us: int) -> Gap:
        """The row that replaces the opening one; never older than it, even if the clock stepped back."""
        detected_us = max(now_us, self.started_us + 1)
        return self._row(ended_us=max(self.last_us, self.started_us), status="unrepairable", detected_us=detected_us)

    def _row(self, *, ended_us: int | None, status: str, detected_us: int) -> Gap:
        name = gap_id(self.place, 0, self.kind, None, self.started_us)
        return Gap(
            name, self.place.data_type, self.kind, self.cause, None, None, self.missing,
            self.started_us, ended_us, None, status, None, detected_us,
        )  # fmt: skip


def event_gap(
    place: StreamKey, kind: str, cause: str, started_us: int, ended_us: int, *,
    series: int = 0, expected_id: str | None = None, actual_id: str | None = None,
) -> Gap:  # fmt: skip
    """A gap that is over when it is found, and that nothing will repair."""
    name = gap_id(place, series, kind, expected_id, started_us)
    return Gap(
        name, place.data_type, kind, cause, expected_id, actual_id, None,
        started_us, ended_us, None, "unrepairable", None, ended_us,
    )  # fmt: skip
