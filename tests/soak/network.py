"""The network between recorder and exchange, and its outages: a TCP proxy on loopback in a thread of its own."""

import asyncio
import contextlib
import random
import socket
import struct
import threading
import time
from collections import Counter
from concurrent.futures import Future
from typing import Final, NamedTuple, Self

from tests.soak.evidence import Span

CUT: Final = "cut"
"""Connections are reset at once."""
FREEZE_CUT: Final = "freeze, cut"
"""Nothing passes, and at the end connections are reset, as by a router that forgot them."""
FREEZE: Final = "freeze"
"""Nothing passes, and at the end everything held back does, as when a cable is plugged in again."""
KINDS: Final = (CUT, FREEZE_CUT, FREEZE)

HOLD_SECS: Final = (2.0, 15.0)
BLOCK_BYTES: Final = 1 << 16
RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
"""SO_LINGER for which a close sends a reset and drops what waits."""


class Outage(NamedTuple):
    """From `at_secs` on nothing passes for `hold_secs`, and nobody can connect."""

    at_secs: float
    kind: str
    hold_secs: float


def outages(seed: int, per_minute: float, secs: float) -> list[Outage]:
    """What the seed gives: one in each of equal stretches of `secs`, of each kind in turn, apart from one another."""
    chance = random.Random(f"network {seed}")
    count = round(per_minute * secs / 60)
    stretch = secs / max(1, count)
    longest = min(HOLD_SECS[1], stretch / 2)
    return [
        Outage(
            (index + chance.random() / 2) * stretch, KINDS[index % len(KINDS)], chance.uniform(HOLD_SECS[0], longest)
        )
        for index in range(count)
    ]


class Network:
    """Passes connections on to the exchange's port. `spans` and `done` say which outages it had."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._passes = asyncio.Event()
        self._passes.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._running: Future[None] | None = None
        self.port = int(self._listener.getsockname()[1])
        self.spans: list[Span] = []
        self.done: Counter[str] = Counter()

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(asyncio.start_server(self._pass_on, sock=self._listener), self._loop).result()
        return self

    def __exit__(self, *_about: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def fail(self, outage: Outage) -> None:
        """Begin an outage, which ends by itself."""
        self._running = asyncio.run_coroutine_threadsafe(self._fail(outage), self._loop)

    def is_out(self) -> bool:
        """Whether an outage lasts; raises what went wrong in it."""
        if self._running is None:
            return False
        if self._running.done():
            self._running.result()
        return not self._running.done()

    async def _fail(self, outage: Outage) -> None:
        started_us = time.time_ns() // 1_000
        self._passes.clear()
        if outage.kind == CUT:
            self._cut()
        await asyncio.sleep(outage.hold_secs)
        if outage.kind == FREEZE_CUT:
            self._cut()
        self._passes.set()
        self.spans.append(Span(started_us, time.time_ns() // 1_000))
        self.done[outage.kind] += 1

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of the recorder, until either side ends it."""
        if not self._passes.is_set():
            self._reset(writer)
            return
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            self._reset(writer)
            return
        both = {writer, server_writer}
        self._writers |= both
        await asyncio.gather(self._copy(reader, server_writer), self._copy(server_reader, writer))
        self._writers -= both

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):  # either side has gone, which ends the connection
            while block := await reader.read(BLOCK_BYTES):
                await self._passes.wait()
                writer.write(block)
                await writer.drain()
        writer.close()

    def _cut(self) -> None:
        for writer in self._writers:
            self._reset(writer)

    def _reset(self, writer: asyncio.StreamWriter) -> None:
        one = writer.get_extra_info("socket")
        with contextlib.suppress(OSError):  # it is closed already
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        writer.transport.abort()

    async def _end(self) -> None:
        self._passes.set()
        self._cut()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)
