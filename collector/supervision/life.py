"""What belongs to one life of the supervisor, and how it starts children."""

import multiprocessing
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from collector import logs
from collector.backoff import delays
from collector.domain.log import Log
from collector.processes.child_main import Assignment, run_role
from collector.storage.locks import RoleLock
from collector.supervision import semaphores
from collector.supervision.child_process import SpawnedProcess
from collector.supervision.display import Display
from collector.supervision.other_program import Facts
from collector.supervision.reload_plan import Current, Source
from collector.supervision.signals import Signals
from collector.supervision.succession import Succession

_PROCESSES: Final = multiprocessing.get_context("spawn")
"""Children start afresh: a fork would copy locks that threads of this process may hold."""


@dataclass(frozen=True)
class Run:
    """What the parts of one life of the supervisor share."""

    current: Current
    source: Source | None
    run_id: str
    lock: RoleLock
    signals: Signals
    log: Log
    display: Display
    log_file: logs.LogFile | None
    succession: Succession | None = None
    """How it takes over from an earlier program; None if it began alone."""

    @property
    def facts(self) -> Facts:
        """What a later program needs of it."""
        source = self.source
        file = None if source is None else source.file
        return Facts(self.current, self.run_id, self.lock, self.log_file, file, source is not None)

    def spawn(self, role: str, number: int, after_crash: bool) -> SpawnedProcess:
        """Start the process of that role, its incarnation of that number."""
        later = self.succession
        assignment = Assignment(
            role, self.run_id, number, after_crash, self.log_file, self.current.number, self.signals.ignores_hangup,
            first_connection=1 if later is None else later.first_connection(role),
            succeeds=later is not None and later.gone is None,
            raises_formats=later is not None and later.raises_formats and later.gone is None,
        )  # fmt: skip
        return SpawnedProcess(run_role, assignment, self.current.config, _PROCESSES)

    def restart_delays(self) -> Iterator[float]:
        """Seconds to wait before each restart of a child that dies again and again."""
        limits = self.current.config.supervisor
        return delays(limits.restart_base_delay_secs, limits.restart_max_delay_secs, random.random)

    @staticmethod
    def lack(processes: int) -> str:
        """What is lacking for so many processes; empty if nothing is."""
        try:
            semaphores.require(processes, _PROCESSES)
        except OSError as error:
            return semaphores.lack(error)
        return ""
