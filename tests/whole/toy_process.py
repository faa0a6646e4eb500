"""The process of the row that tests/whole/toy_recorder.py adds: notes what it hears, and who still lives when it stops."""

from collector.processes.context import Context
from collector.processes.roles import role_lock
from collector.reports import Report
from collector.storage.locks import RoleLock

POLL_SECS = 0.2


def main(context: Context) -> None:
    """Report until told to stop."""
    data_dir = context.config.data_dir
    while not context.stopping():
        context.report(Report())
        if (notice := context.receiver.wait(POLL_SECS)) is not None:
            context.log.info("toy_heard", sender=notice.sender, kind=notice.kind)
    archiver: RoleLock = role_lock(data_dir, "archiver")
    context.log.info("toy_stops", archiver_is_gone=archiver.is_free())
