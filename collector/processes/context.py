"""What every process is handed: it makes none of this itself, so a test can hand it anything."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from collector.channel.channel import Receiver, Sender
from collector.config import Config
from collector.domain.clock import Clock
from collector.reports import Report


class SystemClock:
    """The machine's own clocks."""

    now_ns = staticmethod(time.time_ns)
    monotonic = staticmethod(time.monotonic)
    sleep = staticmethod(time.sleep)

    @staticmethod
    def now_us() -> int:
        """As the wall clock counts them, from its nanoseconds."""
        return time.time_ns() // 1_000


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Context:
    """A process's view of the world.

    `stopping()` is true once this process shall finish its input and leave; it never blocks and never turns false again.
    `hurried()` is true once, after that, the time is nearly up: what can be done again is left undone.
    `after_crash`: the process of this role before it ended by a fault of its own, as the same supervisor saw.
    `run_id` names the supervisor's life of which this process is a part.
    `report(numbers)` publishes the process's report, a type of its own, for the supervisor; the fields that every
    report has are filled in. It is cheap enough for once a second.
    """

    role: str
    config: Config
    sender: Sender
    receiver: Receiver
    stopping: Callable[[], bool]
    report: Callable[[Report], None]
    log: FilteringBoundLogger
    clock: Clock
    hurried: Callable[[], bool] = _never
    after_crash: bool = False
    run_id: str = ""
