"""System calls that fail on request, in a running process: strace answers them in the kernel's place."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
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


def has_ended(pid: int) -> bool:
    """Whether the process is gone, though its parent may not know yet."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] in {"Z", "X"}


class DiskFault:
    """While it lasts, calls of a process (of all its threads) fail with `error`: those numbered `when`, thread by thread.

    With `aim`, only calls on the files it names count: it is asked again when none of them is left.
    `find` tells which process; it is asked again if that has ended, before or after it was traced.
    """

    def __init__(
        self,
        find: Callable[[], int],
        calls: str,
        error: str,
        folder: Path,
        *,
        when: str = "1",
        aim: Callable[[], list[Path]] = list,
    ) -> None:
        self._find, self._aim = find, aim
        self._output = folder / "strace.out"
        self._output.unlink(missing_ok=True)
        faults = [f"--inject={call}:error={error}:when={when}" for call in calls.split(",")]
        self._command = ["strace", "-f", f"--trace={calls}", *faults, "-A", "-o", str(self._output)]
        self._paths: list[Path] = []
        self._process = wait_for(self._attach)

    def _attach(self) -> "subprocess.Popen[str] | None":
        self._paths = self._aim()
        pid = self._find()
        command = [*self._command, *(f"--trace-path={path}" for path in self._paths), "-p", str(pid)]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, encoding="utf-8")
        assert process.stderr is not None
        said = process.stderr.readline()
        if "attached" in said:
            return process
        process.communicate(timeout=60)
        assert has_ended(pid), said
        return None

    def struck(self) -> int:
        """How many calls it made fail."""
        return self._output.read_text("utf-8").count("(INJECTED)") if self._output.exists() else 0

    def wait(self, count: int = 1) -> None:
        """Wait until so many calls failed."""

        def look() -> bool:
            assert self._process is not None
            has_left = self._process.poll() is not None  # looked at first: nothing is written after it
            if self.struck() >= count:
                return True
            if has_left or self._is_missed():
                self._detach()
                self._process = wait_for(self._attach)
            return False

        wait_for(look)

    def _is_missed(self) -> bool:
        """Whether the files it aims at were done with before they were traced."""
        return bool(self._paths) and not any(path.exists() for path in self._paths)

    def _detach(self) -> None:
        """Let strace go: a signal that comes as it begins to wait for the next call is noticed only after that call."""
        assert self._process is not None
        for _ in range(60):
            self._process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                self._process.communicate(timeout=1)
                return
        raise AssertionError("strace does not leave")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._detach()
