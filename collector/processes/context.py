"""What every process gets from outside: it makes none of this itself, so a test can pass in anything."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from collector.channel.channel import Receiver, Sender
from collector.config import Config
from collector.domain.clock import Clock
from collector.domain.log import Log
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
    """A process's surroundings.

    `stopping()` is true once the process has to finish its input and exit; it never blocks and never turns false again.
    `hurried()` turns true after that if the time is nearly up: work that can be repeated is then left unfinished.
    `renewed()` turns true with `stopping()` if a successor goes on at once: then everything is left to it as it is, and
    `hurried()` is true as well.
    `after_crash`: this supervisor saw the previous process of this role end by a fault of its own.
    `run_id` identifies the run: one life of the supervisor and all its children.
    `config_number` is which of the run's configurations `config` is; newer ones come as files (`config/handed_on.py`).
    `first_connection` is the number of an ingest's first connection. Above 1 it begins beside another ingest of its feed,
    as when one program gives way to another, and goes on with that one's journal (`storage/journal/incarnations.py`).
    `raises_formats`: the program beside which this one begins cannot read what this one writes.
    `report(numbers)` publishes the process's report, which is of the type that its role names; the fields that all
    reports share are filled in. It is cheap enough to call once a second.
    """

    role: str
    config: Config
    sender: Sender
    receiver: Receiver
    stopping: Callable[[], bool]
    report: Callable[[Report], None]
    log: Log
    clock: Clock
    hurried: Callable[[], bool] = _never
    renewed: Callable[[], bool] = _never
    after_crash: bool = False
    run_id: str = ""
    config_number: int = 0
    first_connection: int = 1
    raises_formats: bool = False
