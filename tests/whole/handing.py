"""A recorder that hands over to later programs, and such programs: copies of this one that differ as a test says."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from collector.storage.locks import supervisor_lock
from tests.whole.accounts import frames_sent, gaps_of, missing_frames
from tests.whole.running import DEADLINE_SECS, ROOT, STOP_SECS, Exchange, Recorder, wait_for

COMMAND_SECS = 4 * DEADLINE_SECS

Patch = Mapping[str, tuple[str, str]]
"""By file: a text in it, and what stands there instead."""


class Handed:
    """A recorder whose supervisor may be another process by now than the one that the test started."""

    def __init__(self, recorded: Recorder) -> None:
        self.recorded = recorded
        self._known = {recorded.process.pid}

    @property
    def pid(self) -> int:
        """The supervisor that holds the data directory, as its lock says."""
        pid = int(supervisor_lock(self.recorded.data_dir).holder())
        self._known.add(pid)
        return pid

    def asking(self, root: Path = ROOT, *arguments: str) -> subprocess.Popen[str]:
        """`collector handover` of the program in that folder, under way."""
        given = arguments or ("--config", str(self.recorded.config_path))
        command = [sys.executable, "-m", "collector", "handover", *given]
        output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return subprocess.Popen(command, cwd=root, env=self.recorded.environment, encoding="utf-8", **output)  # type: ignore[call-overload, no-any-return]

    def hand_over(self, root: Path = ROOT, *arguments: str) -> tuple[int, list[str]]:
        """The command's exit code, and the lines it prints."""
        return ended(self.asking(root, *arguments))

    def later_pid(self) -> int:
        """The later program that the newest handover has started."""
        pid = wait_for(lambda: self.recorded.logged("handover_begun"))[-1]["pid"]
        self._known.add(pid)
        return int(pid)

    def messages(self) -> int:
        """How many messages are stored, as /status says; 0 while nobody answers."""
        return self.recorded.messages()

    def goes_on(self, more: int = 100) -> None:
        """Wait until more is stored than now."""
        wait_for(self.messages)
        before = self.messages()
        wait_for(lambda: self.messages() >= before + more)

    def pids(self) -> dict[str, int]:
        """The process of each role."""
        status = wait_for(self.recorded.status)
        return {process["name"]: process["pid"] for process in status["processes"]}

    def stop(self) -> int:
        """Stop it; the exit code that it logs."""
        os.kill(self.pid, signal.SIGTERM)
        return self.stopped()

    def stopped(self) -> int:
        """Wait until it has stopped; the exit code that it logs."""
        lock = supervisor_lock(self.recorded.data_dir)
        wait_for(lock.is_free, STOP_SECS + 10)
        return int(wait_for(lambda: self.recorded.logged("stopped"))[-1]["exit_code"])

    def assert_whole(self, source: Exchange) -> None:
        """Stop both: all that was sent is archived once, the ledger is empty, and the archive verifies."""
        assert self.stop() == 0
        source.stop()
        archive = self.recorded.data_dir / "archive"
        assert missing_frames(frames_sent(source), archive) == []
        assert gaps_of(archive) == []

    def end(self) -> None:
        """Leave nothing running."""
        with contextlib.suppress(ValueError):
            self._known.add(self.pid)
        self._known |= {line["pid"] for line in self.recorded.logged("handover_begun")}
        for pid in self._known:
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(pid)
                if str(self.recorded.config_path) in process.cmdline():
                    for one in [process, *process.children(recursive=True)]:
                        one.kill()


def ended(asking: "subprocess.Popen[str]") -> tuple[int, list[str]]:
    """The exit code and the lines of a command that was under way."""
    output, _ = asking.communicate(timeout=COMMAND_SECS)
    return asking.returncode, output.splitlines()


def later_program(folder: Path, patches: Patch | None = None) -> Path:
    """A copy of this program in that folder, which differs as the patches say; returns the folder."""
    shutil.copytree(ROOT / "collector", folder / "collector", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "supervisor.py", folder)
    for name, (before, after) in (patches or {}).items():
        path = folder / name
        text = path.read_text("utf-8")
        assert before in text, name
        path.write_text(text.replace(before, after, 1), "utf-8")
    return folder


@pytest.fixture
def handed(recorder: Callable[..., Recorder]) -> Iterator[Callable[..., Handed]]:
    """Start a recorder of that exchange with these settings, and wait until it stores."""
    made: list[Handed] = []

    def start(source: Exchange, **settings: Any) -> Handed:
        recorded = recorder(source.ws_url, **settings).start(start_new_session=True)
        made.append(Handed(recorded))
        recorded.wait_for_messages(50)
        return made[-1]

    yield start
    for one in made:
        one.end()
