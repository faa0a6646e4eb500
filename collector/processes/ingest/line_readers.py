"""All line readers of a feed, each in a thread of its own."""

import threading
from collections.abc import Callable
from dataclasses import asdict
from queue import SimpleQueue
from typing import Any

from collector.processes.ingest.line_reader import LineReader


class LineReaders:
    """The readers of a feed, each in a thread. A thread that breaks leaves its error in `failures`."""

    def __init__(self, failures: "SimpleQueue[Exception]") -> None:
        self._failures = failures
        self._lock = threading.Lock()
        self._threads: dict[threading.Thread, LineReader] = {}

    def start(self, reader: LineReader) -> None:
        """Run the reader in a thread of its own, a daemon: one that hangs in a name lookup must not keep the process."""
        thread = threading.Thread(target=self._run, args=(reader,), name=f"line {reader.state.line}", daemon=True)
        with self._lock:
            thread.start()
            self._threads[thread] = reader

    def join(self, timeout_secs: float, monotonic: Callable[[], float]) -> int:
        """Wait until all have left; how many have not."""
        deadline = monotonic() + timeout_secs
        for thread in list(self._threads):
            thread.join(max(0.0, deadline - monotonic()))
        return sum(thread.is_alive() for thread in list(self._threads))

    def carried(self) -> set[tuple[int, int]]:
        """The lines and plans that have a reader."""
        with self._lock:
            return {(one.state.line, one.state.plan) for thread, one in self._threads.items() if thread.is_alive()}

    def states(self) -> list[dict[str, Any]]:
        """What each live reader is doing, by line."""
        with self._lock:
            self._threads = {thread: reader for thread, reader in self._threads.items() if thread.is_alive()}
            states = [asdict(reader.state) for reader in self._threads.values()]
        return sorted(states, key=lambda state: state["line"])

    def _run(self, reader: LineReader) -> None:
        try:
            reader.run()
        except Exception as error:  # noqa: BLE001 (the main thread raises it; here it would end in stderr unseen)
            self._failures.put(error)
