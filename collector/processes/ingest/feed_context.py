"""What every reader of a feed shares, and what it says of itself."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from collector.config import IngestConfig
from collector.domain.clock import Clock
from collector.exchanges.adapter import Adapter, Speakers
from collector.feed.connection import Connection
from collector.feed.connection_limit import ConnectionBudget
from collector.processes.ingest.first_data import FirstDataWatch
from collector.processes.ingest.journal_gate import JournalGate

Connect = Callable[[str, Iterable[str], float, Clock], Connection]


@dataclass
class LineState:
    """What the report says about one connection of one line. Written by its reader's thread only."""

    line: int
    plan: int
    """Which of the feed's shares of streams, counted from 0."""
    streams: int
    connection: int | None = None
    state: str = "waiting"
    last_data_us: int | None = None
    last_error: str | None = None


class CounterSet:
    """Counts of the whole feed, for threads to share."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = Counter[tuple[str, str]]()

    def add(self, name: str, count: int = 1, label: str = "") -> None:
        """Count something, under a label if it comes in several kinds."""
        with self._lock:
            self._counts[name, label] += count

    def __getitem__(self, name: str) -> int:
        """How often it was counted."""
        return self._counts[name, ""]

    def by_label(self, name: str) -> list[tuple[str, int]]:
        """How often each kind of it was counted."""
        with self._lock:
            return [(label, count) for (counted, label), count in self._counts.items() if counted == name]


@dataclass(frozen=True)
class FeedContext:
    """What every reader of a feed shares."""

    adapter: Adapter
    speakers: Speakers
    config: IngestConfig
    budget: ConnectionBudget
    gate: JournalGate
    clock: Clock
    log: FilteringBoundLogger
    random: Callable[[], float]
    connect: Connect
    stop: threading.Event
    pause: Callable[[float], bool]
    """Waits that long or until the stop; true once stopping."""
    connection_numbers: Iterator[int]
    """Gives each connection of this process a number."""
    counters: CounterSet
    first_data: FirstDataWatch
