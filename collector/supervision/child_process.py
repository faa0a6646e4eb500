"""One life of a child process, with the Queues and the Event made for it alone."""

import os
import pickle
import signal
import threading
import warnings
import zlib
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import resource_tracker
from multiprocessing.context import SpawnContext
from typing import Protocol

import psutil

from collector.channel.channel import Notice
from collector.channel.local import QueueReceiver, QueueSender
from collector.config import Config
from collector.processes.child_main import LEVEL_SIGNALS, STOP_SIGNALS, Assignment, ChildLinks
from collector.processes.roles import role_of
from collector.supervision import semaphores

Target = Callable[[Assignment, Config, ChildLinks], None]


class ChildProcess(Protocol):
    """What the supervisor needs of a life; tests play histories with lives that are no processes."""

    @property
    def pid(self) -> int | None:
        """The process's id."""
        ...

    @property
    def exit_code(self) -> int | None:
        """None while it lives; negative: the signal that killed it."""
        ...

    @property
    def is_stopped(self) -> bool:
        """Whether somebody stopped it (SIGSTOP)."""
        ...

    @property
    def sentinel(self) -> int:
        """Becomes ready for `multiprocessing.connection.wait` when the process ends."""
        ...

    def notices(self) -> list[Notice]:
        """What it sent since the last look; never blocks."""
        ...

    def forward(self, notice: Notice) -> None:
        """Pass a notice on to it; never blocks."""
        ...

    def depths(self) -> tuple[int, int]:
        """Notices waiting on the way up and on the way down."""
        ...

    def tell_stop(self) -> None:
        """Ask it to finish its input and leave; never blocks."""
        ...

    def ask_to_leave(self) -> None:
        """It was told to stop; let it leave now, whatever is undone; never blocks."""
        ...

    def kill(self) -> None:
        """End it at once."""
        ...

    def release(self) -> None:
        """Throw away what belonged to it; it has ended."""
        ...


class SpawnedProcess:
    """A spawned process of this machine."""

    def __init__(self, target: Target, assignment: Assignment, config: Config, context: SpawnContext) -> None:
        capacity = config.channel.capacity
        self._heeds_signals = role_of(assignment.role).stops_on_signal
        with semaphores.placed():
            self._links = ChildLinks(context.Queue(capacity), context.Queue(capacity), context.Event())
        self._up = QueueReceiver(self._links.up, capacity)
        self._down = QueueSender(self._links.down, capacity)
        self._process = context.Process(
            target=_begin, args=(target, assignment, _packed(config), self._links), name=assignment.role, daemon=False
        )
        _ensure_tracker()
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS + LEVEL_SIGNALS)
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
        """None while it lives; reaps exactly this process once it has ended."""
        return self._process.exitcode

    @property
    def is_stopped(self) -> bool:
        """Whether somebody stopped it."""
        try:
            return bool(psutil.Process(self._process.pid).status() == psutil.STATUS_STOPPED)
        except psutil.Error:
            return False

    @property
    def sentinel(self) -> int:
        """Ready when the process has ended."""
        return self._process.sentinel

    def notices(self) -> list[Notice]:
        """What it sent since the last look."""
        return self._up.take_all()

    def forward(self, notice: Notice) -> None:
        """Pass a notice on; a full Queue keeps the newest."""
        self._down.offer(notice)

    def depths(self) -> tuple[int, int]:
        """Notices waiting on the way up and on the way down."""
        return self._up.depth(), self._down.depth()

    def tell_stop(self) -> None:
        """Set its Event, and signal it if it heeds signals."""
        # A child killed inside is_set() leaves the Event locked for good: only this thread of its own would hang on it.
        threading.Thread(target=self._links.stop.set, name="tell_stop", daemon=True).start()
        if self._heeds_signals:
            self._signal(signal.SIGTERM)

    def ask_to_leave(self) -> None:
        """Signal it: one that stops on its Event takes that for haste."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, stopped (SIGSTOP) or not."""
        self._signal(signal.SIGKILL)

    def release(self) -> None:
        """Close its Queues and forget it."""
        self._process.join()
        for queue in (self._links.up, self._links.down):
            queue.close()
        self._process.close()

    def _signal(self, number: signal.Signals) -> None:
        # `exitcode` reaps: a process that still has none is a child of ours, so its id cannot be somebody else's.
        if self._process.exitcode is None and self._process.pid is not None:
            with suppress(ProcessLookupError):  # somebody else reaped it
                os.kill(self._process.pid, number)


def _ensure_tracker() -> None:
    """Let multiprocessing's tracker run before signals are blocked: who starts it finds SIGINT and SIGTERM unblocked."""
    with warnings.catch_warnings():
        # That one which was killed is started again needs no word on stderr: it tracks nothing of ours.
        warnings.simplefilter("ignore")
        resource_tracker.ensure_running()


def _packed(config: Config) -> bytes:
    """Small enough, with tens of thousands of symbols, to fit into the pipe to a child that dies before it reads it.

    The parent writes it while it holds the pipe's other end too: what does not fit would keep it waiting for ever.
    """
    return zlib.compress(pickle.dumps(config))


def _begin(target: Target, assignment: Assignment, packed: bytes, links: ChildLinks) -> None:
    target(assignment, pickle.loads(zlib.decompress(packed)), links)  # noqa: S301 -- made by this process's own parent
