"""Whether the processes that a later program has in the place of an earlier one's do their work. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from collector.processes.roles import report_of
from collector.reports import IngestReport, PublishReport, RelayReport, Report, WriterReport

QUIET_SECS: Final = 10.0
"""Where nothing comes, a process that has run for so long without failing counts as one that works."""


def idle(processes: Iterable[str], reports: Mapping[str, Report], since_us: int, waited_secs: float) -> Iterator[str]:
    """Those of these processes that have not shown yet that they work since then, for people.

    A writer has to commit, a publisher to publish, a relay to reach NATS. Others have no work that is always there.
    """
    is_quiet = waited_secs >= QUIET_SECS and not any(map(_brought, reports.values()))
    for name in processes:
        kind, report = report_of(name), reports.get(name)
        if kind is WriterReport and not (_has_committed(report, since_us) or (report and is_quiet)):
            yield f"its {name} has not committed yet"
        elif kind is PublishReport and not (_has_published(report) or (report and is_quiet and _reaches_nats(report))):
            yield f"its {name} has not published yet"
        elif kind is RelayReport and not _reaches_nats(report):
            yield f"its {name} has no connection to NATS yet"


def _brought(report: Report) -> bool:
    """Whether it has brought anything that others have to work on."""
    return bool(isinstance(report, IngestReport) and report.frames) or bool(
        isinstance(report, RelayReport) and report.slices
    )


def _has_committed(report: Report | None, since_us: int) -> bool:
    streams = report.streams if isinstance(report, WriterReport) else ()
    return max((stream.last_durable_us or 0 for stream in streams), default=0) > since_us


def _has_published(report: Report | None) -> bool:
    return isinstance(report, PublishReport) and report.slices > 0


def _reaches_nats(report: Report | None) -> bool:
    return isinstance(report, PublishReport | RelayReport) and report.is_connected
