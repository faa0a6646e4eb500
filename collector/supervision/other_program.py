"""The process of a later program, as the earlier one starts and ends it."""

import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import psutil

from collector.logs import LogFile
from collector.storage.locks import RoleLock
from collector.supervision.handover_link import Link
from collector.supervision.reload_plan import Current

OPTION: Final = "--take-over-from"
"""The option of `collector run` whose value is the descriptor of the later program's end of the link."""

_KILL_SECS: Final = 1.0


class Facts(NamedTuple):
    """What the later program needs of this run."""

    current: Current
    run_id: str
    lock: RoleLock
    log_file: LogFile | None
    config_file: Path | None
    is_reloadable: bool
    """Whether this is a recorder whose settings come from a file or the environment, and not a demo."""


class Other:
    """The process of the later program."""

    def __init__(self, program: Sequence[str], facts: Facts) -> None:
        """Start it, in a session of its own: no terminal ends it, nor a signal to this program's group. Raises OSError."""
        self.link, theirs = Link.pair()
        named = [] if facts.config_file is None else ["--config", str(facts.config_file)]
        command = [*program, *named, OPTION, str(theirs.fileno())]
        try:
            self._process = subprocess.Popen(  # noqa: S603 -- what the request names, which only the recorder's user can write
                command, pass_fds=(theirs.fileno(), *facts.lock.descriptors), start_new_session=True
            )
        except OSError:
            self.link.close()
            raise
        finally:
            theirs.close()
        self.pid = self._process.pid

    def exit_code(self) -> int | None:
        """None while it runs; reaps exactly this process."""
        return self._process.poll()

    def wait(self, secs: float) -> int | None:
        """Its exit code, if it ends within that time."""
        try:
            return self._process.wait(secs)
        except subprocess.TimeoutExpired:
            return None

    def end(self) -> None:
        """Kill it and its processes. These would leave by themselves, but not while they are stopped (SIGSTOP)."""
        children = self._children()
        self._process.kill()
        for child in children:
            with suppress(psutil.Error):
                child.kill()
        self.wait(_KILL_SECS)
        self.link.close()

    def _children(self) -> list[psutil.Process]:
        try:
            found: list[psutil.Process] = psutil.Process(self.pid).children(recursive=True)
        except psutil.Error:  # it has ended
            found = []
        return found
