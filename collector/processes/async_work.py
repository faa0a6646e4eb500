"""Runs an asyncio program as the work of a process: it wakes at once on a notice and on a stop."""

import asyncio
from collections.abc import Awaitable, Callable

from collector.channel.channel import Notice
from collector.processes.context import Context


class Wakes:
    """What ends a pause of the program: a notice, a signal or stop, or `ring` by another task. For its event loop alone."""

    def __init__(self, context: Context) -> None:
        self._receiver = context.receiver
        self._rung = asyncio.Event()
        self._notice: Notice | None = None

    def ring(self) -> None:
        """End the present pause, or the next one."""
        self._rung.set()

    def take_notice(self) -> Notice | None:
        """The newest notice that came since the last call."""
        notice, self._notice = self._notice, None
        return notice

    async def pause(self, timeout_secs: float) -> bool:
        """Wait until something has come since the last pause, at most `timeout_secs`; whether something has."""
        try:
            async with asyncio.timeout(max(0.0, timeout_secs)):
                await self._rung.wait()
        except TimeoutError:
            return False
        self._rung.clear()
        return True

    def begin(self) -> None:
        """Listen to the process's channel."""
        for descriptor in self._receiver.descriptors():
            asyncio.get_running_loop().add_reader(descriptor, self._hear)

    def end(self) -> None:
        """No longer listen."""
        for descriptor in self._receiver.descriptors():
            asyncio.get_running_loop().remove_reader(descriptor)

    def _hear(self) -> None:
        self._notice = self._receiver.wait(0) or self._notice
        self._rung.set()


def run_async(context: Context, program: Callable[[Wakes], Awaitable[None]]) -> None:
    """Run the program to its end. Raises what it raises."""

    async def run() -> None:
        wakes = Wakes(context)
        wakes.begin()
        try:
            await program(wakes)
        finally:
            wakes.end()

    asyncio.run(run())
