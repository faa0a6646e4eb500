"""Distributes frames to connections, and lets faults strike them."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from collector.simulator.connection import Connection
from collector.simulator.fault import FRAME_KINDS, Fault
from collector.simulator.fault_effects import at_once, outcome
from collector.simulator.faults import ActiveFaults
from collector.simulator.frames import Frame
from collector.simulator.outbox import Item

ROOM: Final = 2_000
"""Frames that a source which waits for its readers keeps at most for each of them."""


class Fanout:
    """All open connections. Sources publish frames here, and wait here for readers."""

    def __init__(self, faults: ActiveFaults) -> None:
        """Start without connections."""
        self.connections: list[Connection] = []
        self.faults = faults
        self._changed = asyncio.Event()

    def wake(self) -> None:
        """Wake a waiting source: a client connected, subscribed, or took frames."""
        self._changed.set()

    def publish(self, frames: Sequence[Frame]) -> None:
        """Send each connection the frames of its streams."""
        if self.faults.faults or any(connection.held for connection in self.connections):
            for frame in frames:
                self._publish_with_faults(frame)
            return
        for connection in self.connections:
            connection.put(connection.select(frames))

    def _publish_with_faults(self, frame: Frame) -> None:
        readers = [connection for connection in self.connections if connection.wants(frame.stream)]
        if not readers:
            return
        common = self.faults.strike(FRAME_KINDS, None, frame.stream)
        for connection in readers:
            if not (shaped_frames := connection.as_sent(frame)):
                continue
            fault = common
            if fault is None and frame.stream not in connection.held:
                fault = self.faults.strike(FRAME_KINDS, connection.number, frame.stream, connection.path)
            for shaped in shaped_frames:
                connection.put(self._items(connection, fault, shaped))
                fault = None

    def _items(self, connection: Connection, fault: Fault | None, frame: Frame) -> list[Item]:
        if held := connection.held.pop(frame.stream, None):
            return [frame, held._replace(fault="reorder")]
        if fault is None:
            return [frame]
        if fault.kind == "reorder" and connection.open:
            connection.held[frame.stream] = frame
            return []
        return outcome(fault, frame, wrapped=connection.wrapped, at_ms=_now_ms())

    def strike_now(self, faults: Iterable[Fault]) -> None:
        """Let faults strike at once, without a frame, on the connections they name."""
        for fault in faults:
            for connection in self.connections:
                if fault.connection in (None, connection.number):
                    connection.put(at_once(fault, wrapped=connection.wrapped, at_ms=_now_ms()))

    def release(self) -> None:
        """Send the frames that a reorder holds back: none of their streams will follow."""
        for connection in self.connections:
            connection.put(list(connection.held.values()))
            connection.held.clear()

    @property
    def idle(self) -> bool:
        """Whether everything published has reached the kernel."""
        return not any(connection.backlog for connection in self.connections)

    async def wait_for_subscribers(self, count: int) -> None:
        """Wait until at least `count` connections have subscribed."""
        await self._until(lambda: sum(connection.subscribed for connection in self.connections) >= count)

    async def wait_for_room(self) -> None:
        """Wait until every reader has room for more; readers that a fault has stalled are ignored."""
        await asyncio.sleep(0)
        await self._until(lambda: all(reader.backlog <= ROOM or reader.stalled for reader in self.connections))

    async def wait_until_empty(self) -> None:
        """Wait until nobody is connected."""
        await self._until(lambda: not self.connections)

    async def _until(self, reached: Callable[[], bool]) -> None:
        while not reached():
            self._changed.clear()
            await self._changed.wait()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
