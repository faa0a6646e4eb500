"""What has become of newer settings so far, as the processes and their reports show it. Pure."""

from collections.abc import Iterable

from collector.reports import Report
from collector.supervision.child import Child
from collector.supervision.reload_steps import Steps
from collector.supervision.supervisor import Reports


def under_way(steps: Steps, children: Iterable[Child], reports: Reports, number: int) -> list[str]:
    """Who does not yet work by the configuration of that number, a line each."""
    known = {child.role: child for child in children}
    found = (_still(name, steps, known.get(name), reports.get(name), number) for name in sorted(steps.concerned))
    return [*filter(None, found)]


def _still(name: str, steps: Steps, child: Child | None, report: Report | None, number: int) -> str:
    """What is still to come of a process that is concerned; empty if nothing is."""
    if child is None or name in steps.retire:
        return "" if child is None else f"{name} has not left yet"
    if child.state == "backoff":
        return f"{name} died (exit code {child.exit_code}) and is started again; the log says why"
    if report is None or report.pid != child.pid or child.state != "running":
        return f"{name} is {child.state}"
    return "" if report.config_number >= number else f"{name} works by the settings of before"
