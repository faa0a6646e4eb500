"""Watches a recorder from outside: its log as it grows, and what its processes hold and use."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from collector.supervision import semaphores
from tests.soak.plan import SUPERVISOR

TOKEN: Final = "SOAK_RUN"
"""The environment variable by which every process of a run is known."""

TRACKER: Final = "resource tracker"
"""The interpreter's own process beside each supervisor; it ends when the last child has."""

OWN_CODE: Final = re.compile(rb'Exception in thread|File "[^"]*/(collector/|supervisor\.py)')
"""A traceback that reaches code of the recorder."""


class Sample(NamedTuple):
    """What a supervisor holds while it has all its children."""

    supervisor: int
    starts: int
    """How many children it had started by then."""
    fds: int
    threads: int
    semaphores: int
    """Those of the whole run that exist."""
    zombies: frozenset[int]
    """Children that have ended and are not reaped yet; one that ended at this very moment is no fault."""


class Death(NamedTuple):
    """A child that ended without being told to, or not in order, as the log has it."""

    role: str
    pid: int
    exit_code: int
    at_us: int


class LogTail:
    """Reads a log that several processes append to; lines that are none of theirs are kept aside."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self.roles: dict[int, str] = {}
        self.starts: Counter[str] = Counter()
        """How often each role was started."""
        self.children: dict[str, int] = {}
        """The newest child of each role, of the present supervisor."""
        self.starts_in_run = 0
        """How many children the present supervisor has started."""
        self.deaths: list[Death] = []
        self.hung: list[int] = []
        """Processes that the supervisor took for dead."""
        self.events: Counter[str] = Counter()
        self.failures: list[str] = []
        """Lines in which a process says why it failed, and what none of them caught."""
        self.strays = 0
        """Lines that are no log lines, such as the interpreter's words in a child whose parent was killed."""

    def read(self) -> None:
        """Take in what was appended since."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            self.take(line)

    def take(self, line: bytes) -> None:
        """Take in one line."""
        entry = _entry(line)
        if entry is None:
            self.strays += 1
            if OWN_CODE.search(line):
                self.failures.append(line.decode(errors="replace"))
            return
        self.events[entry["event"]] += 1
        match entry["event"]:
            case "started":
                self.starts_in_run = 0
                self.children.clear()
            case "process_started":
                self.roles[entry["pid"]] = entry["child"]
                self.children[entry["child"]] = entry["pid"]
                self.starts[entry["child"]] += 1
                self.starts_in_run += 1
            case "process_died" | "process_stopped" if entry["exit_code"]:
                at_us = int(datetime.fromisoformat(entry["ts"]).timestamp() * 1e6)
                self.deaths.append(Death(entry["child"], entry["pid"], entry["exit_code"], at_us))
            case "process_hung":
                self.hung.append(entry["pid"])
            case "process_failed" | "process_refused":
                self.failures.append(line.decode())


class Processes:
    """Every process of a run, found by its token; and the semaphores they made."""

    def __init__(self, token: str, log: LogTail, data_dir: Path) -> None:
        self._mark = f"{TOKEN}={token}".encode()
        self._log = log
        self._data_dir = data_dir
        self.supervisor = 0
        self.peak_bytes: dict[str, int] = {}
        self.semaphores: set[Path] = set()
        """Every one that was seen."""

    def living(self) -> list[int]:
        """Their ids; a zombie has no environment any more, and is not among them."""
        return [pid for pid in _all_pids() if self.is_ours(pid)]

    def is_ours(self, pid: int) -> bool:
        """Whether that process lives and belongs to this run."""
        return self._mark in _read(pid, "environ").split(b"\0")

    def of(self, role: str) -> list[int]:
        """The processes of a role: none, one, or one that leaves and one that waits for it."""
        # An id in the log may have been given to a supervisor or a resource tracker since.
        known = {self.supervisor, *self._log.roles}
        return [pid for pid in known if self.is_ours(pid) and self.role(pid) == role]

    def look(self) -> None:
        """Note how much memory each has used at most, and the semaphores."""
        for pid in self.living():
            role = self.role(pid)
            peak = re.search(rb"VmHWM:\s+(\d+) kB", _read(pid, "status"))
            if peak:
                self.peak_bytes[role] = max(self.peak_bytes.get(role, 0), int(peak[1]) * 1024)
        self.note_semaphores()

    def note_semaphores(self) -> None:
        """Remember those that are there now."""
        self.semaphores |= set(self.present_semaphores())

    def present_semaphores(self) -> list[Path]:
        """Those of this run that are there now."""
        return semaphores.existing(self._data_dir)

    def remove_semaphores(self) -> None:
        """Remove those that are still there; their processes have ended."""
        semaphores.sweep(self.present_semaphores())

    def role(self, pid: int) -> str:
        """What the process is."""
        if pid == self.supervisor:
            return SUPERVISOR
        if b"resource_tracker" in _read(pid, "cmdline"):
            return TRACKER
        return self._log.roles.get(pid, "starting")

    def sample(self) -> Sample:
        """What the supervisor holds now."""
        folder = Path(f"/proc/{self.supervisor}")
        fds, threads = (len(list((folder / name).iterdir())) for name in ("fd", "task"))
        present, zombies = len(self.present_semaphores()), frozenset(zombies_of(self.supervisor))
        return Sample(self.supervisor, self._log.starts_in_run, fds, threads, present, zombies)

    def complete(self, roles: Sequence[str]) -> bool:
        """Whether the present supervisor has a living child of each role."""
        children = self._log.children
        return all(role in children and self.is_ours(children[role]) for role in roles)


def _entry(line: bytes) -> dict[str, Any] | None:
    """A line of the log; None for any other."""
    try:
        entry = json.loads(line) if line.startswith(b"{") else None
    except ValueError:  # torn by a kill
        return None
    return entry


def zombies_of(parent: int) -> Iterator[int]:
    """Children of that process that have ended and wait to be reaped."""
    for pid in _all_pids():
        # The name stands in parentheses and may hold anything; state and parent follow it.
        state, ppid, *_ = [*_read(pid, "stat").rpartition(b")")[2].split(), b"", b""]
        if (state, ppid) == (b"Z", b"%d" % parent):
            yield pid


def _all_pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _read(pid: int, name: str) -> bytes:
    """A file of /proc; nothing where the process is gone or somebody else's."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except (OSError, ValueError):
        return b""
