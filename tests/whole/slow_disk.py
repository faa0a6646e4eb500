"""A disk on which every wait takes as long as a test says: a library before libc's own fsync and fdatasync."""

import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

SOURCE = Path(__file__).with_name("slow_disk.c")


class Call(NamedTuple):
    """One wait for the disk, as it began or ended."""

    pid: int
    function: str
    when: str
    path: str


class SlowDisk:
    """Makes the library; skips the test where there is no compiler, fails it in CI, which installs one."""

    def __init__(self, folder: Path, secs: float = 0.0) -> None:
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            refuse = pytest.fail if os.environ.get("CI") else pytest.skip
            refuse("there is no C compiler: no disk can be made slow")
        self._folder = folder
        folder.mkdir()
        library = folder / "slow_disk.so"
        command = [compiler, "-shared", "-fPIC", "-O1", "-nostdlib", "-fno-builtin", "-fno-stack-protector"]
        subprocess.run([*command, "-o", str(library), str(SOURCE)], check=True)
        (folder / "calls").touch()
        self.environment = {"LD_PRELOAD": str(library), "SLOW_DISK": str(folder)}
        self.take(secs)

    def take(self, secs: float) -> None:
        """From now on each wait takes so long, and those under way no longer."""
        made = self._folder / "milliseconds.new"
        made.write_text(str(round(secs * 1_000)), "utf-8")
        made.replace(self._folder / "milliseconds")

    def calls(self) -> list[Call]:
        """Every beginning and end of a wait, in order."""
        found = []
        for line in (self._folder / "calls").read_text("utf-8").splitlines():
            pid, function, when, path = line.split(" ", 3)
            found.append(Call(int(pid), function, when, path))
        return found

    def count(self, pid: int) -> Counter[str]:
        """How often a process waited for each file."""
        return Counter(Path(call.path).name for call in self.calls() if call.pid == pid and call.when == "begins")
