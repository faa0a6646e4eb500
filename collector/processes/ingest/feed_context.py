"""What all line readers of a feed share, and what each reports."""

import itertools
import math
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from collector.channel.bell import RingingEvent
from collector.config import Config, FeedConfig, IngestConfig
from collector.domain.clock import Clock
from collector.domain.log import Log
from collector.exchanges.adapter import Adapter
from collector.exchanges.rest_adapter import RestAdapter
from collector.feed.connection import Connection
from collector.feed.connection_limit import ConnectionBudget
from collector.feed.live_slots import LiveSlots
from collector.feed.outbox import Pace
from collector.processes.context import Context
from collector.processes.ingest.books_at_once import BooksAtOnce
from collector.processes.ingest.first_data import FirstDataWatch
from collector.processes.ingest.fresh_books import FreshBooks
from collector.processes.ingest.journal_gate import JournalGate
from collector.processes.ingest.line_lag import LineLags
from collector.processes.ingest.questions import Questions
from collector.processes.rest_adapters import repairable_adapters
from collector.storage.request_files import BOOKS_SUFFIX, RequestFolder, aside_folder, request_folder

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


@dataclass
class FeedContext:
    """What all line readers of a feed share. `take` replaces what a configuration sets, for any reader's next look."""

    adapter: Adapter
    config: IngestConfig
    budget: ConnectionBudget
    slots: LiveSlots
    questions: Questions
    hosts: Sequence[str]
    """The exchange's hosts for the feed's lines; none if the feed has an address of its own."""
    gate: JournalGate
    clock: Clock
    log: Log
    random: Callable[[], float]
    connect: Connect
    stop: RingingEvent
    pause: Callable[[float], bool]
    """Waits so many seconds, or until `stop` is set; returns whether it is set."""
    connection_numbers: Iterator[int]
    """Numbers the connections of this process."""
    counters: CounterSet
    first_data: FirstDataWatch
    fresh_books: FreshBooks
    books_at_once: BooksAtOnce
    lags: LineLags
    checkpoint_secs: float
    """How old a connection may get that brings books whole only at its beginning."""

    def take(self, config: Config, feed: FeedConfig) -> None:
        """Go by this configuration from now on."""
        self.config = config.ingest
        self.questions = Questions(self.adapter, feed, config.data_dir / "run", self.clock)
        self.hosts = hosts(feed, self.adapter)
        self.books_at_once.rest = fetched_by(config, feed, self.adapter)
        self.checkpoint_secs = checkpoint_secs(config)


def fetched_by(config: Config, feed: FeedConfig, adapter: Adapter) -> RestAdapter | None:
    """What this host's repair fetches books for the feed by; None if it fetches none, as on an edge."""
    if config.role == "edge":
        return None
    return repairable_adapters(config, lambda _exchange: adapter).get(feed.name)


def hosts(feed: FeedConfig, adapter: Adapter) -> Sequence[str]:
    """The exchange's hosts for the feed's lines; none if the feed has an address of its own."""
    return () if feed.ws_url else adapter.hosts


def checkpoint_secs(config: Config) -> float:
    """How old a connection may get that brings books whole only at its beginning."""
    return config.book.checkpoint_interval_secs or math.inf


def make_feed_context(
    context: Context,
    config: Config,
    feed: FeedConfig,
    adapter: Adapter,
    gate: JournalGate,
    first_data: FirstDataWatch,
    connect: Connect,
    stop: RingingEvent,
) -> FeedContext:
    """What the readers of that feed share in this process."""
    limits, run_folder = adapter.limits, config.data_dir / "run"
    run_folder.mkdir(parents=True, exist_ok=True)
    name = f"connections-{limits.budget or adapter.exchange}"
    return FeedContext(
        adapter=adapter,
        config=config.ingest,
        budget=ConnectionBudget(
            run_folder / f"{name}.json", limits.connections, limits.window_secs, context.clock.now_ns
        ),
        slots=LiveSlots(run_folder / name, limits.live),
        questions=Questions(adapter, feed, run_folder, context.clock),
        hosts=hosts(feed, adapter),
        gate=gate,
        clock=context.clock,
        log=context.log,
        random=random.random,
        connect=connect,
        stop=stop,
        pause=stop.wait,
        connection_numbers=itertools.count(context.first_connection),
        counters=CounterSet(),
        first_data=first_data,
        fresh_books=_fresh_books(context, config, feed),
        books_at_once=_books_at_once(context, config, feed, adapter),
        lags=LineLags(),
        checkpoint_secs=checkpoint_secs(config),
    )


def _fresh_books(context: Context, config: Config, feed: FeedConfig) -> FreshBooks:
    folder = request_folder(config.data_dir, f"{feed.name}{BOOKS_SUFFIX}")
    return FreshBooks(folder, aside_folder(config.data_dir), context.log)


def _books_at_once(context: Context, config: Config, feed: FeedConfig, adapter: Adapter) -> BooksAtOnce:
    rest, requests = fetched_by(config, feed, adapter), RequestFolder(request_folder(config.data_dir, feed.name))
    return BooksAtOnce(adapter, rest, requests, context.receiver.wake, context.log)
