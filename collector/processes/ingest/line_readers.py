"""All line readers of a feed, each in a thread of its own."""

import threading
from collections.abc import Callable, Container

from msgspec.structs import replace

from collector.exchanges.adapter import ConnectionPlan
from collector.processes.ingest.line_reader import LineReader
from collector.processes.worker_threads import WorkerThreads, join_all
from collector.reports import LineReport


class LineReaders:
    """Runs the readers of a feed as `workers` and knows what each is doing. For any thread."""

    def __init__(self, workers: WorkerThreads) -> None:
        self._workers = workers
        self._lock = threading.Lock()
        self._readers: dict[threading.Thread, LineReader] = {}

    def start(self, reader: LineReader) -> None:
        """Run the reader in a thread of its own."""
        with self._lock:
            thread = self._workers.start(reader.run, f"line {reader.state.line}")
            self._readers[thread] = reader

    def join(self, timeout_secs: float, monotonic: Callable[[], float]) -> int:
        """Wait at most `timeout_secs` for all readers to end; returns how many have not."""
        return join_all(self._readers, timeout_secs, monotonic)

    def carried(self) -> set[tuple[int, int]]:
        """The lines and plans that have a running reader."""
        with self._lock:
            return {
                (reader.state.line, reader.state.plan) for thread, reader in self._readers.items() if thread.is_alive()
            }

    def carry(self, plan_number: int, plan: ConnectionPlan | None) -> None:
        """Let the next connections of that plan be made by `plan`; None: let there be no next ones."""
        with self._lock:
            readers = [reader for reader in self._readers.values() if reader.state.plan == plan_number]
        for reader in readers:
            reader.carry(plan)

    def renew(self, plan_number: int) -> None:
        """Replace the connections of that plan, without a hole, by such as carry its present streams."""
        with self._lock:
            readers = [reader for reader in self._readers.values() if reader.state.plan == plan_number]
        for reader in readers:
            reader.renew()

    def let_go(self, symbols: Container[str]) -> bool:
        """Whether no connection brings these symbols, which have left, any more; those that do are renewed without them."""
        with self._lock:
            readers = [reader for thread, reader in self._readers.items() if thread.is_alive()]
        still_brought = [reader for reader in readers if not reader.let_go(symbols)]
        return not still_brought

    def states(self) -> list[LineReport]:
        """What each running reader is doing, by line."""
        with self._lock:
            self._readers = {thread: reader for thread, reader in self._readers.items() if thread.is_alive()}
            states = [replace(reader.state) for reader in self._readers.values()]
        return sorted(states, key=lambda state: state.line)
