"""The flow of data through the recorder: totals and rates of its stages. No I/O, no clock."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from collector.monitoring.rates import RateHistory
from collector.monitoring.totals import Totals, by_feed, ingests_of, totals_of
from collector.monitoring.view import Stage
from collector.reports import ArchiverReport, PublishReport, RelayReport, WriterReport


class _Step(NamedTuple):
    name: str
    total: Callable[[Totals], int]
    unit: str = ""


def _messages(totals: Totals) -> int:
    writer = totals_of(totals, WriterReport).total
    return writer.messages + writer.undecodable


_FRAMES: Final = _Step("frames", lambda totals: sum(each.total.frames for each in ingests_of(totals).values()))
_PUBLISHED: Final = _Step(
    "published", lambda totals: sum(each.bytes for each in by_feed(totals, PublishReport).values()), "bytes"
)
_RELAYED: Final = _Step(
    "relayed", lambda totals: sum(each.bytes for each in by_feed(totals, RelayReport).values()), "bytes"
)
_STORED: Final = (
    _Step("messages", _messages),
    _Step("stored", lambda totals: totals_of(totals, WriterReport).total.stored),
    _Step("archived", lambda totals: totals_of(totals, ArchiverReport).total.rows),
)
_STEPS: Final[Mapping[str, tuple[_Step, ...]]] = {
    "all": (_FRAMES, *_STORED),
    "edge": (_FRAMES, _PUBLISHED),
    "storage": (_RELAYED, *_STORED),
}


class Flow:
    """Follows the totals of each stage that a host of this role has."""

    def __init__(self, role: str) -> None:
        self._histories = [(step, RateHistory()) for step in _STEPS[role]]

    def update(self, totals: Totals, uptime_secs: float) -> list[Stage]:
        """Take in counts over all incarnations; returns the stages, in the order of the flow."""
        stages = []
        for (name, total_of, unit), history in self._histories:
            total = total_of(totals)
            history.note(uptime_secs, total)
            stages.append(Stage(name, total, history.per_sec(), history.rates(), unit))
        return stages
