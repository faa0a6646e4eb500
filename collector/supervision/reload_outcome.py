"""What has become of newer settings so far, as the processes and their reports show it. Pure."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from collector.reports import ArchiverReport, Report
from collector.storage.store.open import is_remote
from collector.supervision.child import Child
from collector.supervision.reload_steps import Steps
from collector.supervision.supervisor import Reports


def under_way(steps: Steps, children: Iterable[Child], reports: Reports, number: int) -> list[str]:
    """Who does not yet work by the configuration of that number, a line each."""
    known = {child.role: child for child in children}
    found = (_still(name, steps, known.get(name), reports.get(name), number) for name in sorted(steps.concerned))
    return [*filter(None, found)]


class StoreDoubt(NamedTuple):
    """What is wrong with the archive's store, as the archiver that was begun for it says."""

    text: str = ""
    """Empty if nothing is."""
    may_pass: bool = False
    """Whether its first answer is still to come."""


NO_DOUBT: Final = StoreDoubt()


def store_doubt(url: str, steps: Steps, reports: Reports) -> StoreDoubt:
    """Whether the store at `url` takes objects, once nobody is under way. An archiver asks a bucket as it begins."""
    concerned = (report for name, report in reports.items() if name in steps.concerned)
    report = next((report for report in concerned if isinstance(report, ArchiverReport)), None)
    if report is None:
        return NO_DOUBT
    if report.store_state != "there":
        return StoreDoubt(f"archive.url: {url} takes no objects: {report.last_error}")
    is_asked = is_remote(url) and not report.store_known
    return StoreDoubt(f"archive.url: {url} has not answered yet", may_pass=True) if is_asked else NO_DOUBT


def _still(name: str, steps: Steps, child: Child | None, report: Report | None, number: int) -> str:
    """What is still to come of a process that is concerned; empty if nothing is."""
    if child is None or name in steps.retire:
        return "" if child is None else f"{name} has not left yet"
    if child.state == "backoff":
        return f"{name} died (exit code {child.exit_code}) and is started again; the log says why"
    if report is None or report.pid != child.pid or child.state != "running":
        return f"{name} is {child.state}"
    return "" if report.config_number >= number else f"{name} works by the settings of before"
