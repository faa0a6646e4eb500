"""The recorder without anything that tells how it is doing: what bench_window.py compares the whole one with.

Children import this module too before they begin, so what it replaces is replaced in every process. What remains is a
sign of life a second from each child, for the supervisor, and the writer's count of messages, for the benchmark.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


from collector.cli import run_command
from collector.logs.level import AskedFile
from collector.processes import child_main
from collector.processes.ingest.feed_report import FeedReport
from collector.processes.writer.latency import Latencies
from collector.processes.writer.report import ReportBuilder
from collector.processes.writer.streams import StreamState
from collector.reports import IngestReport, WriterReport
from collector.supervision.reporting import Reporting


def _writer_report(self: ReportBuilder, _batch_limit: int) -> WriterReport:
    return WriterReport(messages=self._processor.counts.messages)


def _nothing(*_arguments: object, **_named: object) -> None:
    return None


def _no_numbers(*_arguments: object, **_named: object) -> IngestReport:
    return IngestReport()


StreamState.note_stored = _nothing  # type: ignore[method-assign]
Latencies.note = _nothing  # type: ignore[method-assign]
AskedFile.follow = _nothing  # type: ignore[method-assign]
ReportBuilder.build = _writer_report  # type: ignore[method-assign,assignment]
FeedReport.numbers = _no_numbers  # type: ignore[method-assign]
child_main.logs.recent = list  # type: ignore[attr-defined]
Reporting.look = _nothing  # type: ignore[method-assign]

if __name__ == "__main__":
    sys.exit(run_command("run", "supervisor.py"))
