"""System calls that fail on request, in a running process: strace answers them in the kernel's place."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.whole.running import wait_for


def require_strace() -> None:
    """Skip the test where there is no strace; fail it in CI, which installs it."""
    if shutil.which("strace") is None:
        refuse = pytest.fail if os.environ.get("CI") else pytest.skip
        refuse("strace is missing: no system call can be made to fail")


class DiskFault:
    """While it lasts, calls of a process (of all its threads) fail with `error`: those numbered `when`, thread by thread.

    With `paths`, only calls on these files count. `find` tells which process; it is asked again if that has just ended.
    """

    def __init__(
        self,
        find: Callable[[], int],
        calls: str,
        error: str,
        folder: Path,
        *,
        when: str = "1",
        paths: Iterable[Path] = (),
    ) -> None:
        self._output = folder / "strace.out"
        self._output.unlink(missing_ok=True)
        only = [f"--trace-path={path}" for path in paths]
        faults = [f"--inject={call}:error={error}:when={when}" for call in calls.split(",")]
        self._command = [f"--trace={calls}", *faults, *only, "-o", str(self._output)]
        self._process = wait_for(lambda: self._attach(find()))

    def _attach(self, pid: int) -> "subprocess.Popen[str] | None":
        process = subprocess.Popen(["strace", "-f", "-p", str(pid), *self._command], stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        said = process.stderr.readline()
        if "attached" in said:
            return process
        process.communicate(timeout=60)
        assert "No such process" in said, said
        return None

    def struck(self) -> int:
        """How many calls it made fail."""
        return self._output.read_text().count("(INJECTED)") if self._output.exists() else 0

    def wait(self, count: int = 1) -> None:
        """Wait until so many calls failed."""
        wait_for(lambda: self.struck() >= count)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        self._process.communicate(timeout=60)
