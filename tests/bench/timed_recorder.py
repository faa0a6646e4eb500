"""The recorder, with the moments noted at which frames reached the journal and became durable.

Children import this module too before they begin, so what it replaces is replaced in every process. Each child leaves a
file of eight-byte numbers in the folder that the environment variable BENCH_TIMES names: ingest three an append (when the
frames were read, when the append had returned, how many frames it was), the writer two a commit (when it had returned,
how many frames are durable). All times are nanoseconds of the wall clock.
With BENCH_FLAT every process has the same priority.
"""

import os
import sys
import time
from array import array
from collections.abc import Collection, Sequence
from multiprocessing.util import Finalize
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from collector.processes import child_main
from collector.processes.writer.batch import CommitBatch, Counts
from collector.storage.journal.writer import JournalWriter


class Notes:
    """Numbers kept in memory, so that noting them costs nothing that could be measured, until the process ends."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._numbers = array("q")

    def note(self, *numbers: int) -> None:
        if not self._numbers:
            Finalize(None, self._write, exitpriority=0)  # atexit does not run in a child
        self._numbers.extend(numbers)

    def _write(self) -> None:
        path = Path(os.environ["BENCH_TIMES"]) / f"{self._name}-{os.getpid()}"
        path.write_bytes(self._numbers.tobytes())


_appends, _commits = Notes("appends"), Notes("commits")
_append_frames, _note_stored = JournalWriter.append_frames, Counts.note_stored


def _timed_append(
    self: JournalWriter,
    received_ns: int,
    line: int,
    frames: Sequence[bytes],
    binary: Collection[int] = (),
    connection: int = 0,
) -> None:
    _append_frames(self, received_ns, line, frames, binary, connection)
    _appends.note(received_ns, time.time_ns(), len(frames))


def _timed_note_stored(self: Counts, batch: CommitBatch) -> None:
    _note_stored(self, batch)
    _commits.note(time.time_ns(), self.stored)


JournalWriter.append_frames = _timed_append  # type: ignore[method-assign]
Counts.note_stored = _timed_note_stored  # type: ignore[method-assign]
if os.environ["BENCH_FLAT"]:
    child_main.step_back = lambda steps: None  # type: ignore[attr-defined]

if __name__ == "__main__":
    from collector.cli import run_command

    sys.exit(run_command("run", "supervisor.py"))
