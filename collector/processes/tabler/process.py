"""The tabler: keeps Iceberg tables of what is archived. The main thread reports and hears notices; another one looks.

What happens on an error: a store or a catalog that fails, in whatever way, is tried again forever. A manifest that cannot be used
is said and left out; it is tried again once an hour. A stop waits for one last look, but not long: what is left is found at
the next start. Killed anywhere, nothing is lost and nothing doubled (`storage/table/work.py`).
"""

from typing import TYPE_CHECKING, Final

from collector.processes.archive_store import open_archive
from collector.processes.context import Context
from collector.processes.table_options import table_options
from collector.processes.tabler.looks import Looks
from collector.processes.worker_threads import WorkerThreads
from collector.storage.table.options import require_pyiceberg

if TYPE_CHECKING:
    from collector.storage.table.work import TableWork

REPORT_SECS: Final = 1.0
_STOP_POLL_SECS: Final = 0.1

_PATIENCE_SHARE: Final = 1 / 3
"""Share of the stop deadline to wait for the last look; earlier stages of the stop used some of it."""


def main(context: Context) -> None:
    """Commit what is archived until told to stop. Raises whatever broke the thread that looks."""
    archive = context.config.archive
    looks = Looks(
        lambda: open_work(context),
        context.config.table.snapshot_days,
        (archive.retry_base_delay_secs, archive.retry_max_delay_secs),
        context.clock,
        context.log,
    )
    run(context, looks)


def run(context: Context, looks: Looks) -> None:
    """Let it look until told to stop."""
    workers = WorkerThreads(context.receiver.wake)
    thread = workers.start(looks.run, "tables")
    while not context.stopping():
        workers.raise_failure()
        context.report(looks.report)
        if context.receiver.wait(REPORT_SECS) is not None:
            looks.notice()
    looks.look_last()
    deadline = context.clock.monotonic() + context.config.supervisor.stop_timeout_secs * _PATIENCE_SHARE
    while thread.is_alive() and not context.hurried() and context.clock.monotonic() < deadline:
        context.report(looks.report)
        thread.join(_STOP_POLL_SECS)
    looks.leave()
    workers.raise_failure()
    context.report(looks.report)


def open_work(context: Context) -> "TableWork":
    """The tables that the configuration names, not opened yet. Raises ConfigError without pyiceberg."""
    require_pyiceberg()
    # Only now, in the thread that needs them: they take 100 MB.
    from collector.storage.table.tables import Tables  # noqa: PLC0415
    from collector.storage.table.work import TableWork  # noqa: PLC0415

    config = context.config
    return TableWork(
        open_archive(config),
        Tables(table_options(config)),
        config.data_dir / "tables/done.json",
        config.table.catalog,
        lambda key, reason: context.log.warning("manifest_not_in_tables", key=key, reason=reason),
        context.clock.monotonic,
    )
