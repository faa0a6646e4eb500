"""What processes have used, as the kernel counts it: processor time, memory, bytes written."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

TICKS_PER_SEC: Final = os.sysconf("SC_CLK_TCK")


class Usage(NamedTuple):
    """Of one process since it began. `written_bytes` are those it made dirty in the page cache: what goes to the disk."""

    cpu_secs: float
    rss_bytes: int
    peak_rss_bytes: int
    written_bytes: int


def usage_of(pid: int) -> Usage | None:
    """None if the process has ended."""
    folder = Path(f"/proc/{pid}")
    try:
        fields = (folder / "stat").read_text("utf-8").rpartition(")")[2].split()
        status = (folder / "status").read_text("utf-8")
        written = (folder / "io").read_text("utf-8")
    except OSError:
        return None
    if "VmHWM" not in status:  # ended, and not yet buried
        return None
    cpu_secs = (int(fields[11]) + int(fields[12])) / TICKS_PER_SEC
    kib = {name: int(value) for name, value in re.findall(r"(VmRSS|VmHWM):\s+(\d+) kB", status)}
    written_bytes = re.search(r"^write_bytes: (\d+)", written, re.MULTILINE)
    assert written_bytes is not None
    return Usage(cpu_secs, kib["VmRSS"] << 10, kib["VmHWM"] << 10, int(written_bytes[1]))


class Watch:
    """The processes of these names, as last seen alive."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = dict(pids)
        self.seen: dict[str, Usage] = {}
        self.look()

    def look(self) -> dict[str, Usage]:
        """What each has used; of one that has ended, what it had used when it was last seen."""
        found = {name: usage_of(pid) for name, pid in self._pids.items()}
        self.seen |= {name: usage for name, usage in found.items() if usage is not None}
        return dict(self.seen)
