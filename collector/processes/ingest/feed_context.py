"""What all line readers of a feed share, and what each reports."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from collector.channel.bell import RingingEvent
from collector.config import IngestConfig
from collector.domain.clock import Clock
from collector.domain.log import Log
from collector.exchanges.adapter import Adapter
from collector.feed.connection import Connection
from collector.feed.connection_limit import ConnectionBudget
from collector.feed.live_slots import LiveSlots
from collector.feed.outbox import Pace
from collector.processes.ingest.books_at_once import BooksAtOnce
from collector.processes.ingest.first_data import FirstDataWatch
from collector.processes.ingest.fresh_books import FreshBooks
from collector.processes.ingest.journal_gate import JournalGate
from collector.processes.ingest.questions import Questions

Connect = Callable[[str, Iterable[str], Pace, Clock], Connection]


class CounterSet:
    """Named counters of the whole feed. For any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = Counter[tuple[str, str]]()

    def add(self, name: str, count: int = 1, label: str = "") -> None:
        """Add to a counter; `label` tells the kinds of one counter apart."""
        with self._lock:
            self._counts[name, label] += count

    def __getitem__(self, name: str) -> int:
        """The counter without a label."""
        return self._counts[name, ""]

    def by_label(self, name: str) -> list[tuple[str, int]]:
        """The counter of each label."""
        with self._lock:
            return [(label, count) for (counted, label), count in self._counts.items() if counted == name]


@dataclass(frozen=True)
class FeedContext:
    """What all line readers of a feed share."""

    adapter: Adapter
    config: IngestConfig
    budget: ConnectionBudget
    slots: LiveSlots
    questions: Questions
    gate: JournalGate
    clock: Clock
    log: Log
    random: Callable[[], float]
    connect: Connect
    stop: RingingEvent
    pause: Callable[[float], bool]
    """Waits so many seconds, or until `stop` is set; returns whether it is set."""
    connection_numbers: Iterator[int]
    """Numbers the connections of this process, from 1."""
    counters: CounterSet
    first_data: FirstDataWatch
    fresh_books: FreshBooks
    books_at_once: BooksAtOnce
    checkpoint_secs: float
    """How old a connection may get that brings books whole only at its beginning."""
