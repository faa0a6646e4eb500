"""All line readers of a feed, each in a thread of its own."""

import threading
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet

from msgspec.structs import replace

from collector.domain.records import StreamKey
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
        """The lines and plans that have a running reader, which is not to end."""
        return {(reader.state.line, reader.state.plan) for reader in self._running() if not reader.is_dismissed}

    def renew_outdated(self) -> None:
        """Replace, without a hole, the connections that were made before their plan's last change."""
        for reader in self._running():
            reader.renew_if_outdated()

    def let_go(self, keys: AbstractSet[StreamKey]) -> bool:
        """Whether no connection brings these streams, which have left, any more; those that do are renewed without them."""
        still_brought = [reader for reader in self._running() if not reader.let_go(keys)]
        return not still_brought

    def dismiss(self, line: int, plan: int) -> None:
        """End the readers of that plan on that line for good."""
        for reader in self._running():
            if (reader.state.line, reader.state.plan) == (line, plan):
                reader.dismiss()

    def bring_data(self, plan: int, lines: Iterable[int]) -> bool:
        """Whether each of these lines has a connection of the plan that has brought data."""
        states = [reader.state for reader in self._running()]
        speaking = {state.line for state in states if state.plan == plan and _speaks(state)}
        return speaking.issuperset(lines)

    def stand(self, plan: int) -> bool | None:
        """Whether a connection made for the plan as it stands now has brought data on some line; None if none stands."""
        of_plan = [reader for reader in self._running() if reader.state.plan == plan and reader.is_newest]
        open_states = [reader.state for reader in of_plan if reader.state.state == "open"]
        return any(map(_speaks, open_states)) if open_states else None

    def _running(self) -> list[LineReader]:
        with self._lock:
            return [reader for thread, reader in self._readers.items() if thread.is_alive()]

    def states(self) -> list[LineReport]:
        """What each running reader is doing, by line."""
        with self._lock:
            self._readers = {thread: reader for thread, reader in self._readers.items() if thread.is_alive()}
            states = [replace(reader.state) for reader in self._readers.values() if not reader.is_superseded]
        return sorted(states, key=lambda state: state.line)


def _speaks(state: LineReport) -> bool:
    return state.state == "open" and state.last_data_us is not None
