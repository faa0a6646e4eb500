"""One WebSocket connection: tasks that send, receive and watch over it; the first to finish ends it.

Data frames come ready framed and go to the socket in chunks; what the client says is judged in `dialogue`.
"""

import asyncio
import contextlib
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from websockets.server import ServerProtocol

from collector.simulator.client_protocol import ClientProtocol
from collector.simulator.connection_settings import ConnectionSettings, Tally
from collector.simulator.frames import Frame, bare
from collector.simulator.outbox import Abort, Close, Control, End, Half, Item, Later, Note, Ping, Stall
from collector.simulator.sent_log import SentLog
from collector.simulator.socket_writer import Outlet
from collector.simulator.subscriptions import Asked

CHUNK_BYTES: Final = 64 * 1024
MAX_BACKLOG: Final = 250_000
"""Frames a client may lie behind before it is cut off, as the exchange does with slow clients."""
CLOSE_TIMEOUT_SECS: Final = 1.0


class Connection:
    """A client, what it asked for, and what it is still to be sent."""

    def __init__(
        self,
        number: int,
        sock: socket.socket,
        protocol: ServerProtocol,
        terms: ConnectionSettings,
        tally: Tally,
        log: SentLog,
        stirred: Callable[[], None],
    ) -> None:
        """Take over an upgraded, non-blocking socket; `stirred` is called whenever there is more room or interest."""
        self.number = number
        self.outlet = Outlet(sock, tally.stalls)
        self.held: dict[str, Frame] = {}
        """Frames kept back to be sent after the next of their stream."""
        self.stalled = False
        self.path = ""
        """The endpoint it stands on, without what it asks for."""
        self._sock = sock
        self._terms = terms
        self._dialogue = ClientProtocol(protocol, terms.pong_timeout_secs, any_dialect=terms.any_dialect)
        self._tally = tally
        self._log = log
        self._stirred = stirred
        self._outbox: deque[Item] = deque()
        self._in_flight = 0
        self._unsent: list[Item] = []
        self._unread = bytearray()
        self._work = asyncio.Event()
        self._closing = asyncio.Event()
        self._shaken = asyncio.Event()
        self._why = "client gone"

    @property
    def backlog(self) -> int:
        """How much is still to be sent, what the kernel is taking just now included."""
        return len(self._outbox) + self._in_flight

    @property
    def open(self) -> bool:
        """Whether it still takes frames."""
        return not self._closing.is_set()

    @property
    def listening(self) -> bool:
        """Whether it asked for anything."""
        return self.open and (self._terms.any_dialect or bool(self._dialogue.streams))

    @property
    def streams(self) -> list[str]:
        """What it asked for, in that order."""
        return list(self._dialogue.streams)

    @property
    def wrapped(self) -> bool:
        """Whether it stands on `/stream`, where payloads carry their stream's name."""
        return self._dialogue.wrapped

    def wants(self, stream: str) -> bool:
        """Whether a frame of this stream is for this client."""
        return self.open and (self._terms.any_dialect or stream in self._dialogue.streams)

    def pick(self, frames: Sequence[Frame]) -> Sequence[Frame]:
        """Those of `frames` that are for this client, as it gets them."""
        if not self.listening:
            return ()
        if self._terms.any_dialect:
            return frames
        streams = self._dialogue.streams
        picked = [frame for frame in frames if frame.stream in streams]
        return picked if self.wrapped else [bare(frame) for frame in picked]

    def formed(self, frame: Frame) -> Frame:
        """The frame as this client gets it."""
        return frame if self.wrapped else bare(frame)

    def greet(self, asked: Asked) -> None:
        """Begin with what the URL asked for."""
        self._dialogue.greet(asked)
        self._heed()

    def put(self, items: Iterable[Item]) -> None:
        """Add to what is to be sent."""
        if not self.open:
            self._unsent.extend(items)
            return
        self._outbox.extend(items)
        self._work.set()
        if len(self._outbox) > MAX_BACKLOG:
            self.finish("too slow", Abort("too slow"))
            self.outlet.reset_on_close()  # it may never take enough for its turn to come

    def finish(self, why: str, *items: Item) -> None:
        """End it with `items` in place of everything not yet sent."""
        if not self.open:
            return
        self._why = why
        self._closing.set()
        self._unsent = [*self._outbox, *self.held.values()]
        self._outbox = deque(items)
        self.held.clear()
        self._work.set()

    async def run(self, unread: bytes = b"") -> None:
        """Serve the client until it or the server has had enough; then close the socket."""
        self._unread += unread
        tasks = [asyncio.create_task(job()) for job in (self._send, self._receive, self._watch)]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            self.finish(self._why)
            self._discard(self._unsent)
            self._log.event(self.number, "close", why=self._why, code=self._dialogue.close_code)
            self._sock.close()
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, OSError):
                raise result

    def _discard(self, items: Iterable[Item]) -> None:
        for item in items:
            frame = item.frame if isinstance(item, (Note, Half)) else item
            if isinstance(frame, Frame):
                self._drop(frame, "closed")

    def _drop(self, frame: Frame, why: str) -> None:
        self._tally.dropped += 1
        self._log.dropped(self.number, frame, why)

    # Sending

    async def _send(self) -> None:
        done = False
        while not done:
            while not self._outbox:
                self._work.clear()
                await self._work.wait()
            if frames := self._take():
                await self._hand_over(frames)
            else:
                done = await self._act(self._outbox.popleft())
            self._stirred()

    def _take(self) -> list[Frame]:
        frames: list[Frame] = []
        size, outbox = 0, self._outbox
        while outbox and size < CHUNK_BYTES:
            item = outbox[0]
            if not isinstance(item, Frame):
                break
            frames.append(item)
            size += len(item.wire)
            outbox.popleft()
        return frames

    async def _hand_over(self, frames: list[Frame]) -> None:
        chunk = b"".join([frame.wire for frame in frames])
        self._in_flight = len(frames)
        try:
            await self.outlet.write(chunk)
        finally:
            self._in_flight = 0
            whole = len(frames) if self.outlet.written == len(chunk) else _whole(frames, self.outlet.written)
            self._tally.sent.update([frame.stream for frame in frames[:whole]])
            self._log.frames(self.number, frames[:whole])
            self._discard(frames[whole:])

    async def _act(self, item: Item) -> bool:
        """Carry out what is no frame; True if it was the last thing."""
        match item:
            case Control(framed):
                await self.outlet.write(framed)
            case Ping():
                await self._ping()
            case Note(frame, why):
                self._drop(frame, why)
            case Stall(secs):
                await self._stall(secs)
            case Half(frame):
                self._drop(frame, "half")
                await self.outlet.write(frame.wire[: len(frame.wire) // 2])
            case Later(secs, later):
                asyncio.get_running_loop().call_later(secs, self.put, [later])
            case Close(code, why):
                self.finish(why)
                await self._close(code, why)
            case Abort(why):
                self.finish(why)
                await self.outlet.drained(CLOSE_TIMEOUT_SECS)
                self.outlet.reset_on_close()
        return isinstance(item, (Close, Abort, End))

    async def _ping(self) -> None:
        if self._dialogue.open:
            await self.outlet.write(self._dialogue.ping(time.time_ns() // 1_000_000, time.monotonic()))

    async def _stall(self, secs: float | None) -> None:
        self._log.event(self.number, "stall", secs=secs)
        self.stalled = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(secs):
                await self._closing.wait()
        self.stalled = False
        self._heed()

    async def _close(self, code: int, why: str) -> None:
        if self._dialogue.open:
            await self.outlet.write(self._dialogue.close(code, why))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT_SECS):
                    await self._shaken.wait()

    # Receiving

    async def _receive(self) -> None:
        loop = asyncio.get_running_loop()
        self._heed()
        while data := await loop.sock_recv(self._sock, CHUNK_BYTES):
            self._unread += data
            if not self.stalled:
                self._heed()

    def _heed(self) -> None:
        dialogue = self._dialogue
        data, self._unread = bytes(self._unread), bytearray()
        dialogue.receive(data, time.monotonic())
        for request in dialogue.requests:
            self._log.event(self.number, "request", raw=request)
        self.put(dialogue.replies)
        dialogue.requests, dialogue.replies = [], []
        if dialogue.verdict:
            self.finish(dialogue.verdict.why, *dialogue.verdict.items)
        if dialogue.shaken:
            self._shaken.set()
        self._stirred()

    async def _watch(self) -> None:
        """Ping, and end the connection of a client that does not answer, or does not let itself be closed, in time."""
        pause = min(self._terms.ping_interval_secs, self._terms.pong_timeout_secs) / 10
        next_ping = time.monotonic() + self._terms.ping_interval_secs
        while self.open:
            await asyncio.sleep(pause)
            now = time.monotonic()
            if now >= next_ping:
                next_ping += self._terms.ping_interval_secs
                self.put([Ping()])
            if not self.stalled and self._dialogue.overdue(now):
                self.finish("pong timeout", Close(1008, "Pong timeout"))
        # A closing connection ends without its client, which may read nothing any more.
        await asyncio.sleep(2 * CLOSE_TIMEOUT_SECS)


def _whole(frames: list[Frame], written: int) -> int:
    for count, frame in enumerate(frames):
        written -= len(frame.wire)
        if written < 0:
            return count
    return len(frames)
