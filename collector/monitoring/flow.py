"""The flow of data through the recorder: totals and rates of its four stages. No I/O, no clock."""

from collections.abc import Mapping
from typing import Final

from collector.monitoring.rates import RateHistory
from collector.monitoring.view import Stage
from collector.reports import ArchiverReport, IngestReport, WriterReport

_STAGES: Final = ("frames", "messages", "stored", "archived")


class Flow:
    """Follows the totals of each stage."""

    def __init__(self) -> None:
        self._histories = {name: RateHistory() for name in _STAGES}

    def update(
        self,
        ingests: Mapping[str, IngestReport],
        writer: WriterReport,
        archiver: ArchiverReport,
        uptime_secs: float,
    ) -> list[Stage]:
        """Take in reports whose counts run over all incarnations; returns the stages, in the order of the flow."""
        totals = {
            "frames": sum(report.frames for report in ingests.values()),
            "messages": writer.messages + writer.undecodable,
            "stored": writer.stored,
            "archived": archiver.rows,
        }
        for name, total in totals.items():
            self._histories[name].note(uptime_secs, total)
        return [
            Stage(name, totals[name], history.per_sec(), history.rates()) for name, history in self._histories.items()
        ]
