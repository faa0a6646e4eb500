"""One WebSocket connection: three tasks send, receive and watch; the first to finish ends it.

Data frames arrive here already framed and go to the socket in chunks; `client_protocol` handles what the client sends.
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
from collector.simulator.client_session import ClientSession
from collector.simulator.connection_settings import ConnectionSettings, Tally
from collector.simulator.frame_account import FrameAccount
from collector.simulator.frames import Frame
from collector.simulator.outbox import Abort, Close, Control, End, Half, Item, Later, Note, Ping, Stall
from collector.simulator.sent_log import SentLog
from collector.simulator.socket_writer import SocketWriter

CHUNK_BYTES: Final = 64 * 1024
MAX_BACKLOG: Final = 250_000
"""Frames that a client may lag behind before it is disconnected, as the exchange does with slow clients."""
CLOSE_TIMEOUT_SECS: Final = 1.0


class Connection:
    """A client, its subscriptions, and the frames to send to it."""

    def __init__(
        self,
        number: int,
        sock: socket.socket,
        protocol: ServerProtocol,
        session: ClientSession,
        settings: ConnectionSettings,
        tally: Tally,
        log: SentLog,
        on_change: Callable[[], None],
    ) -> None:
        """Take over an upgraded, non-blocking socket; `on_change` is called when frames were sent or subscriptions changed."""
        self.number = number
        self.writer = SocketWriter(sock, tally.stalls)
        self.held: dict[str, Frame] = {}
        """Frames held back until the next of their stream is sent, by stream."""
        self.stalled = False
        self.path = ""
        """The path of its URL, without the query."""
        self._sock = sock
        self._settings = settings
        self.session = session
        self._protocol = ClientProtocol(
            protocol, session, settings.pong_timeout_secs, time.monotonic(), send_all_streams=settings.send_all_streams
        )
        self._log = log
        self._account = FrameAccount(number, tally, log)
        self._on_change = on_change
        self._outbox: deque[Item] = deque()
        self._in_flight = 0
        self._unsent: list[Item] = []
        self._unread = bytearray()
        self._work = asyncio.Event()
        self._closing = asyncio.Event()
        self._peer_finished = asyncio.Event()
        self._close_reason = "client gone"

    @property
    def backlog(self) -> int:
        """How many items are still to be sent, those being sent included."""
        return len(self._outbox) + self._in_flight

    @property
    def open(self) -> bool:
        """Whether it still accepts frames."""
        return not self._closing.is_set()

    @property
    def subscribed(self) -> bool:
        """Whether it has subscribed to anything."""
        return self.open and (self._settings.send_all_streams or bool(self.session.streams))

    @property
    def streams(self) -> list[str]:
        """Its streams, in the order of subscription."""
        return list(self.session.streams)

    @property
    def wrapped(self) -> bool:
        """Whether it is on `/stream`, where payloads carry their stream's name."""
        return self.session.wrapped

    def wants(self, stream: str) -> bool:
        """Whether a frame of this stream is for this client."""
        return self.open and (self._settings.send_all_streams or self.session.wants(stream))

    def select(self, frames: Sequence[Frame]) -> Sequence[Frame]:
        """The frames that are for this client, in the form it gets them."""
        if not self.subscribed:
            return ()
        if self._settings.send_all_streams:
            return frames
        wants, render = self.session.wants, self.session.render
        picked = [frame for frame in frames if wants(frame.stream)]
        return [shaped for frame in picked for shaped in render(frame)] if self.session.renders else picked

    def as_sent(self, frame: Frame) -> list[Frame]:
        """The frame in the form this client gets it; none if its subscription leaves it out."""
        return [frame] if self._settings.send_all_streams else self.session.render(frame)

    def put(self, items: Iterable[Item]) -> None:
        """Queue items to send."""
        if not self.open:
            self._unsent.extend(items)
            return
        self._outbox.extend(items)
        self._work.set()
        if len(self._outbox) > MAX_BACKLOG:
            self.finish("too slow", Abort("too slow"))
            self.writer.reset_on_close()  # it may never read enough for the queued reset to be reached

    def finish(self, why: str, *items: Item) -> None:
        """End the connection: send `items` in place of everything queued."""
        if not self.open:
            return
        self._close_reason = why
        self._closing.set()
        self._unsent = [*self._outbox, *self.held.values()]
        self._outbox = deque(items)
        self.held.clear()
        self._work.set()

    async def run(self, unread: bytes = b"") -> None:
        """Serve the client until either side ends the connection; then close the socket."""
        self._unread += unread
        tasks = [asyncio.create_task(job()) for job in (self._send, self._receive, self._watch)]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            self.finish(self._close_reason)
            self._account.discard(self._unsent)
            self._log.event(self.number, "close", why=self._close_reason, code=self._protocol.close_code)
            self._sock.close()
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, OSError):
                raise result

    # Sending

    async def _send(self) -> None:
        done = False
        while not done:
            while not self._outbox:
                self._work.clear()
                await self._work.wait()
            if frames := self._next_frames():
                await self._send_frames(frames)
            else:
                done = await self._perform(self._outbox.popleft())
            self._on_change()

    def _next_frames(self) -> list[Frame]:
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

    async def _send_frames(self, frames: list[Frame]) -> None:
        chunk = b"".join([frame.wire for frame in frames])
        self._in_flight = len(frames)
        try:
            await self.writer.write(chunk)
        finally:
            self._in_flight = 0
            if self.writer.written == len(chunk):
                self._account.sent(frames)
            else:
                self._account.cut_off(frames, self.writer.written)

    async def _perform(self, item: Item) -> bool:
        """Carry out an item that is not a frame; True if it was the last one."""
        match item:
            case Control(framed):
                await self.writer.write(framed)
            case Ping():
                await self._ping()
            case Note(frame, why):
                self._account.drop(frame, why)
            case Stall(secs):
                await self._stall(secs)
            case Half(frame):
                self._account.drop(frame, "half")
                await self.writer.write(frame.wire[: len(frame.wire) // 2])
            case Later(secs, later):
                asyncio.get_running_loop().call_later(secs, self.put, [later])
            case Close(code, why):
                self.finish(why)
                await self._close(code, why)
            case Abort(why):
                self.finish(why)
                await self.writer.drained(CLOSE_TIMEOUT_SECS)
                self.writer.reset_on_close()
        return isinstance(item, (Close, Abort, End))

    async def _ping(self) -> None:
        if self._protocol.open:
            await self.writer.write(self._protocol.ping(time.time_ns() // 1_000_000, time.monotonic()))

    async def _stall(self, secs: float | None) -> None:
        self._log.event(self.number, "stall", secs=secs)
        self.stalled = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(secs):
                await self._closing.wait()
        self.stalled = False
        self._process_received()

    async def _close(self, code: int, why: str) -> None:
        if self._protocol.open:
            await self.writer.write(self._protocol.close(code, why))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT_SECS):
                    await self._peer_finished.wait()

    # Receiving

    async def _receive(self) -> None:
        loop = asyncio.get_running_loop()
        self._process_received()
        while data := await loop.sock_recv(self._sock, CHUNK_BYTES):
            self._unread += data
            if not self.stalled:
                self._process_received()

    def _process_received(self) -> None:
        protocol = self._protocol
        data, self._unread = bytes(self._unread), bytearray()
        protocol.receive(data, time.monotonic())
        for request in protocol.requests:
            self._log.event(self.number, "request", raw=request)
        self.put(protocol.replies)
        protocol.requests, protocol.replies = [], []
        if protocol.end:
            self.finish(protocol.end.why, *protocol.end.items)
        if protocol.peer_finished:
            self._peer_finished.set()
        self._on_change()

    async def _watch(self) -> None:
        """Send pings; end the connection if the client answers neither a ping nor a close in time."""
        pause = min(self._settings.ping_interval_secs, self._settings.pong_timeout_secs) / 10
        next_ping = time.monotonic() + self._settings.ping_interval_secs
        while self.open:
            await asyncio.sleep(pause)
            now = time.monotonic()
            if now >= next_ping:
                next_ping += self._settings.ping_interval_secs
                self.put([Ping()])
            if not self.stalled:
                self._protocol.step(now)
                self._process_received()
            if not self.stalled and self._protocol.overdue(now):
                self.finish("pong timeout", Close(1008, "Pong timeout"))
        # The client may no longer read: the connection ends without its answer.
        await asyncio.sleep(2 * CLOSE_TIMEOUT_SECS)
