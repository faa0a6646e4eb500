"""The one place where frames meet connections, and where faults strike them."""

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
"""A source that waits for its readers keeps no more than this for each of them."""


class Fanout:
    """Every open connection; sources publish here, and wait here for readers."""

    def __init__(self, faults: ActiveFaults) -> None:
        """Start with nobody connected."""
        self.connections: list[Connection] = []
        self.faults = faults
        self._stir = asyncio.Event()

    def stirred(self) -> None:
        """Wake a waiting source: somebody came, asked for more, or has more room."""
        self._stir.set()

    def publish(self, frames: Sequence[Frame]) -> None:
        """Give each connection the frames it asked for."""
        if self.faults.faults or any(connection.held for connection in self.connections):
            for frame in frames:
                self._publish_with_faults(frame)
            return
        for connection in self.connections:
            connection.put(connection.pick(frames))

    def _publish_with_faults(self, frame: Frame) -> None:
        readers = [connection for connection in self.connections if connection.wants(frame.stream)]
        if not readers:
            return
        common = self.faults.strike(FRAME_KINDS, None, frame.stream)
        for connection in readers:
            fault = common
            if fault is None and frame.stream not in connection.held:
                fault = self.faults.strike(FRAME_KINDS, connection.number, frame.stream, connection.path)
            connection.put(self._items(connection, fault, connection.formed(frame)))

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
        """Let faults strike without a frame, on the connections they name."""
        for fault in faults:
            for connection in self.connections:
                if fault.connection in (None, connection.number):
                    connection.put(at_once(fault, wrapped=connection.wrapped, at_ms=_now_ms()))

    def release(self) -> None:
        """Send what a reorder still holds back: no frame of its stream will follow."""
        for connection in self.connections:
            connection.put(list(connection.held.values()))
            connection.held.clear()

    @property
    def idle(self) -> bool:
        """Whether everything published has reached the kernel."""
        return not any(connection.backlog for connection in self.connections)

    async def listeners(self, count: int) -> None:
        """Wait until at least `count` connections have asked for something."""
        await self._until(lambda: sum(connection.listening for connection in self.connections) >= count)

    async def room(self) -> None:
        """Wait for the slowest reader; one that a fault has stalled is not waited for."""
        await asyncio.sleep(0)
        await self._until(lambda: all(reader.backlog <= ROOM or reader.stalled for reader in self.connections))

    async def deserted(self) -> None:
        """Wait until nobody is connected."""
        await self._until(lambda: not self.connections)

    async def _until(self, reached: Callable[[], bool]) -> None:
        while not reached():
            self._stir.clear()
            await self._stir.wait()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
