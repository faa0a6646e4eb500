"""What a recorder that has stopped in order must not leave behind, and what its archive must agree with."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from collector.processes.roles import processes_seen, role_lock
from collector.storage.archive.verify import Verification
from collector.storage.journal.files import journal_files
from collector.storage.locks import supervisor_lock
from collector.storage.store.open import open_store
from tests.soak import reading
from tests.soak.evidence import Problem
from tests.soak.watch import LogTail, Processes
from tests.whole.running import POLL_SECS, payloads_in_segments

LEAVE_SECS: Final = 60.0
"""Until the last process of a recorder that has stopped is gone."""


def left_behind(data_dir: Path, processes: Processes) -> Iterator[Problem]:
    """What a clean stop must not leave."""
    deadline = time.monotonic() + LEAVE_SECS
    while (living := processes.living()) and time.monotonic() < deadline:
        time.sleep(POLL_SECS)
    for pid in living:
        yield Problem("left", f"process {pid} ({processes.role(pid)}) still runs")
    locks = [supervisor_lock(data_dir), *(role_lock(data_dir, name) for name in processes_seen(data_dir))]
    yield from (Problem("left", f"{lock.path.name} is still held") for lock in locks if not lock.is_free())
    yield from (Problem("left", str(path)) for path in processes.present_semaphores())
    for name in ("staging", "quarantine"):
        yield from (Problem("left", str(path)) for path in (data_dir / name).glob("*"))
    for folder in sorted((data_dir / "journal").iterdir()):
        yield from (Problem("left", str(path)) for _, path in journal_files(folder))
    segments = sorted(path.name for path in (data_dir / "segments").glob("*.db"))
    if len(segments) != 1 or not segments[0].endswith(".open.db"):
        yield Problem("left", f"segments {segments}, not one open one")
    if rows := sum(1 for _ in payloads_in_segments(data_dir)):
        yield Problem("left", f"{rows} rows in segments")


def archive_problems(archive: Path, log: LogTail) -> Iterator[Problem]:
    """An archive that does not agree with its manifests, frames that could not be read, children that failed."""
    for finding in Verification(open_store(archive.absolute().as_uri())).findings():
        yield Problem("archive", f"{finding.kind} {finding.key}: {finding.text}")
    if count := reading.undecoded(archive):
        yield Problem("archive", f"{count} frames are undecoded")
    yield from (Problem("failure", line) for line in log.failures)
