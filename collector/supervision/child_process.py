"""One incarnation of a child: its process, and the Queues, Event and Semaphore made for it alone."""

import os
import queue
import signal
import threading
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing import resource_tracker
from multiprocessing.context import SpawnContext
from typing import Protocol

import psutil

from collector.channel.channel import STOP, Notice
from collector.channel.local import QueueReader, QueueSender
from collector.config import Config
from collector.config.packed import Packed
from collector.processes.child_main import IGNORED_SIGNALS, STOP_SIGNALS, Assignment, ChildLinks
from collector.processes.roles import role_of
from collector.supervision import semaphores

Target = Callable[[Assignment, Config, ChildLinks], None]
"""What a child runs. Its module is imported in the child, so it stands where imports are light."""


class ChildProcess(Protocol):
    """What the supervisor needs of an incarnation; tests use one without a process."""

    @property
    def pid(self) -> int | None:
        """The process's id."""
        ...

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative if a signal ended it."""
        ...

    @property
    def is_stopped(self) -> bool:
        """Whether it is stopped by a signal (SIGSTOP)."""
        ...

    @property
    def descriptors(self) -> Sequence[int]:
        """Readable when the process has ended, or has sent a notice."""
        ...

    def notices(self) -> list[Notice]:
        """The notices it sent since the last call; never blocks."""
        ...

    def forward(self, notice: Notice) -> None:
        """Send it a notice; never blocks."""
        ...

    def depths(self) -> tuple[int, int]:
        """Notices that wait in the Queue up and in the Queue down."""
        ...

    def tell_stop(self) -> None:
        """Ask it to finish its input and exit; never blocks."""
        ...

    def renew(self) -> None:
        """Ask it to exit at once and leave everything to its successor; never blocks."""
        ...

    def ask_to_leave(self) -> None:
        """Ask it to exit now, whatever is unfinished; it was told to stop before. Never blocks."""
        ...

    def kill(self) -> None:
        """End it at once."""
        ...

    def release(self) -> None:
        """Free its Queues once it has ended."""
        ...


class SpawnedProcess:
    """A process of this machine, started with the method `spawn`."""

    def __init__(self, target: Target, assignment: Assignment, config: Config, context: SpawnContext) -> None:
        capacity = config.channel.capacity
        self._stops_on_signal = role_of(assignment.role).stops_on_signal
        with semaphores.placed():
            queues = context.Queue(capacity), context.Queue(capacity)
            self._links = ChildLinks(*queues, context.Event(), context.Semaphore(0))
        self._up = QueueReader(self._links.up, capacity)
        self._down = QueueSender(self._links.down, capacity)
        self._process = context.Process(
            target=target, args=(assignment, Packed(config), self._links), name=assignment.role, daemon=False
        )
        _ensure_tracker()
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS + IGNORED_SIGNALS)
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    @property
    def pid(self) -> int | None:
        """The process's id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; reaps exactly this process once it has ended."""
        return self._process.exitcode

    @property
    def is_stopped(self) -> bool:
        """Whether it is stopped by a signal."""
        try:
            return bool(psutil.Process(self._process.pid).status() == psutil.STATUS_STOPPED)
        except psutil.Error:
            return False

    @property
    def descriptors(self) -> Sequence[int]:
        """Readable when the process has ended, or has sent a notice."""
        return self._process.sentinel, self._up.fileno()

    def notices(self) -> list[Notice]:
        """The notices it sent since the last call."""
        return self._up.take_all()

    def forward(self, notice: Notice) -> None:
        """Send it a notice; if its Queue is full the newest is kept for later."""
        self._down.offer(notice)

    def depths(self) -> tuple[int, int]:
        """Notices that wait in the Queue up and in the Queue down."""
        return self._up.depth(), self._down.depth()

    def tell_stop(self) -> None:
        """Set its Event, and signal it if its role stops on signals."""
        # A child killed inside is_set() leaves the Event locked for good: then only this extra thread hangs.
        threading.Thread(target=self._set_stop, name="tell_stop", daemon=True).start()
        if self._stops_on_signal:
            self._signal(signal.SIGTERM)

    def renew(self) -> None:
        """Release its Semaphore, which waits for nobody, and tell it to stop."""
        self._links.renewal.release()
        self.tell_stop()

    def ask_to_leave(self) -> None:
        """Signal it: a child that stops on its Event takes a later signal as a request to hurry."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, stopped (SIGSTOP) or not."""
        self._signal(signal.SIGKILL)

    def release(self) -> None:
        """Join the process and close its Queues."""
        self._process.join()
        for link in (self._links.up, self._links.down):
            link.close()
        self._process.close()

    def _set_stop(self) -> None:
        self._links.stop.set()
        # The child looks at the Event when a notice comes, and once a second: that suffices if there is no room for one.
        with suppress(queue.Full, ValueError):  # ValueError: it has ended, and its Queue is closed
            self._links.down.put_nowait(Notice("supervisor", STOP, 0, 0))

    def _signal(self, number: signal.Signals) -> None:
        # `exitcode` reaps: without one the process is still an unreaped child, so its id cannot have been given away.
        if self._process.exitcode is None and self._process.pid is not None:
            with suppress(ProcessLookupError):  # another program reaped it
                os.kill(self._process.pid, number)


def _ensure_tracker() -> None:
    """Start multiprocessing's resource tracker before signals are blocked: starting it unblocks SIGINT and SIGTERM."""
    with warnings.catch_warnings():
        # It warns when it replaces a tracker that was killed, which matters to nobody: it tracks nothing of ours.
        warnings.simplefilter("ignore")
        resource_tracker.ensure_running()
