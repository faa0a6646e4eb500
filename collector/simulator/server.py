"""The simulator: one port for WebSocket, REST and its own controls."""

import asyncio
import contextlib
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from websockets.http11 import Request as Handshake
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from collector.simulator import realtime, replay
from collector.simulator.client_session import ClientSession
from collector.simulator.connection import CLOSE_TIMEOUT_SECS, Connection
from collector.simulator.connection_settings import ConnectionSettings, Tally
from collector.simulator.controls import PREFIX, Controls
from collector.simulator.fanout import Fanout
from collector.simulator.fault import Fault
from collector.simulator.faults import ActiveFaults, rest_kinds
from collector.simulator.http1 import Reader, Request, encode
from collector.simulator.listings import Listings
from collector.simulator.outbox import Close
from collector.simulator.response import Response
from collector.simulator.rest import too_many
from collector.simulator.rest_sides import RestSides
from collector.simulator.sent_log import SentLog
from collector.simulator.sessions import Sessions
from collector.simulator.socket_writer import SendStalls, SocketWriter

ATTEMPT_WINDOW_SECS: Final = 300.0
HOUSEKEEPING_SECS: Final = 0.25
FOR_EVER_SECS: Final = 1e6


@dataclass(frozen=True)
class Options:
    """The options of a simulator."""

    host: str = "127.0.0.1"
    port: int = 0
    seed: int = 1
    symbols: tuple[str, ...] = ("BTCUSDT",)
    rate: float = 50.0
    replay: tuple[Path, ...] = ()
    speed: float = 1.0
    clients: int = 1
    loop: bool = False
    all_streams: bool = False
    faults: tuple[Fault, ...] = ()
    sent_log: Path | None = None
    ping_interval_secs: float = 20.0
    pong_timeout_secs: float = 60.0
    max_attempts: int | None = None
    """WebSocket handshakes in five minutes; the exchange allows 300."""
    parent: int | None = None
    """Stop when this is no longer the parent's pid."""


class Simulator:
    """An exchange on loopback."""

    def __init__(self, options: Options) -> None:
        """Load the recording or fill the markets; nothing listens yet."""
        self._options = options
        self._settings = ConnectionSettings(
            options.ping_interval_secs, options.pong_timeout_secs, send_all_streams=options.all_streams
        )
        self._log = SentLog(options.sent_log)
        self._tally = Tally()
        self._faults = ActiveFaults(options.seed, options.faults)
        self._fanout = Fanout(self._faults)
        self._attempts: deque[float] = deque()
        self._serving: set[asyncio.Task[None]] = set()
        self._failures: list[Exception] = []
        self._stop = asyncio.Event()
        self._listings = Listings(() if options.replay else options.symbols, options.seed)
        self._replay = _replay(options)
        self._rest = RestSides(self._replay, self._listings)
        self._sessions = Sessions(self._replay, self._listings, send_all_streams=options.all_streams)
        self._controls = Controls(self._fanout, self._tally, self._replay, self._listings)

    def stop(self) -> None:
        """Make `serve` return."""
        self._stop.set()

    async def serve(self, ready: Callable[[int], None]) -> None:
        """Listen until `stop`; `ready` is called with the port. Returns once every connection is closed and the log complete."""
        with socket.create_server((self._options.host, self._options.port), backlog=1024) as listener:
            listener.setblocking(False)
            ready(listener.getsockname()[1])
            source = (
                self._replay.play(self._fanout)
                if self._replay
                else realtime.run_markets(self._listings, self._options.rate, self._options.seed, self._fanout)
            )
            jobs = (self._accept(listener), source, self._housekeeping())
            tasks = [asyncio.create_task(self._guard(job)) for job in jobs]
            await self._stop.wait()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await self._close_connections()
        self._log.close()
        if self._failures:
            raise self._failures[0]

    async def _guard(self, job: Coroutine[Any, Any, None]) -> None:
        """Stop the simulator if a task fails: no client can cause that."""
        try:
            await job
        except Exception as error:  # noqa: BLE001 - raised again by `serve`
            self._failures.append(error)
            self.stop()

    async def _close_connections(self) -> None:
        for connection in self._fanout.connections:
            connection.finish("server stops", Close(1001, "Going away"))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2 * CLOSE_TIMEOUT_SECS):
                await self._fanout.wait_until_empty()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _housekeeping(self) -> None:
        while True:
            await asyncio.sleep(HOUSEKEEPING_SECS)
            self._log.flush()
            if self._options.parent not in (None, os.getppid()):
                self.stop()

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            sock, _ = await loop.sock_accept(listener)
            task = asyncio.create_task(self._guard(self._serve(sock)))
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)

    async def _serve(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        reader, writer = Reader(sock), SocketWriter(sock, SendStalls())
        with sock:
            try:
                while request := await reader.request():
                    if request.upgrades:
                        await self._upgrade(sock, writer, request, reader.unread)
                        return
                    await writer.write(encode(await self._answer(request)))
            except ValueError:
                await writer.write(encode(Response(400, "", (("Connection", "close"),))))
            except OSError:
                pass  # the client is gone, and needs no answer

    async def _answer(self, request: Request) -> Response:
        if request.target.startswith(PREFIX):
            return self._controls.respond(request.method, request.target, request.body)
        path = urlsplit(request.target).path
        fault = self._faults.strike(rest_kinds(path), path=path)
        if fault is not None and fault.kind == "http":
            return _refusal(fault)
        if fault is not None and fault.kind == "empty":
            return Response(200, "[]")
        if fault is not None and fault.kind == "hang":
            await asyncio.sleep(FOR_EVER_SECS if fault.secs is None else fault.secs)
        stale = fault is not None and fault.kind == "stale"
        response = self._rest.respond(request, time.time_ns() // 1_000_000, stale=stale)
        self._log.event(None, "rest", path=request.target, status=response.status)
        return response

    # WebSocket handshakes

    async def _upgrade(self, sock: socket.socket, writer: SocketWriter, request: Request, unread: bytes) -> None:
        session = self._refuse_handshake() or self._sessions.new(request.target)
        if isinstance(session, Response):
            self._log.event(None, "handshake_refused", path=request.target, status=session.status)
            await writer.write(encode(session))
            return
        protocol = ServerProtocol()
        # The library reads lines of at most 8 KiB, and a URL may be longer; the library needs only the headers.
        protocol.receive_data(b"GET / HTTP/1.1\r\n" + request.head.partition(b"\r\n")[2])
        for event in protocol.events_received():
            if isinstance(event, Handshake):
                protocol.send_response(protocol.accept(event))
        await writer.write(b"".join(protocol.data_to_send()))
        if protocol.state is OPEN:
            await self._serve_websocket(sock, protocol, request.target, session, unread)

    def _refuse_handshake(self) -> Response | None:
        now = time.monotonic()
        self._attempts.append(now)
        while self._attempts[0] < now - ATTEMPT_WINDOW_SECS:
            self._attempts.popleft()
        if self._options.max_attempts is not None and len(self._attempts) > self._options.max_attempts:
            return too_many(int(1000 * (ATTEMPT_WINDOW_SECS - (now - self._attempts[0]))))
        fault = self._faults.strike(("handshake",))
        return None if fault is None else _refusal(fault)

    async def _serve_websocket(
        self, sock: socket.socket, protocol: ServerProtocol, path: str, session: ClientSession, unread: bytes
    ) -> None:
        self._tally.connections += 1
        number = self._tally.connections
        connection = Connection(
            number, sock, protocol, session, self._settings, self._tally, self._log, self._fanout.wake
        )
        connection.path = path.partition("?")[0]
        self._log.event(number, "connect", path=path)
        self._fanout.connections.append(connection)
        try:
            await connection.run(unread)
        finally:
            self._fanout.connections.remove(connection)
            self._fanout.wake()


def _replay(options: Options) -> replay.Replay | None:
    if not options.replay:
        return None
    return replay.Replay(replay.load(options.replay), options.speed, options.clients, loop=options.loop)


def _refusal(fault: Fault) -> Response:
    return Response(fault.status, '{"code":-1003,"msg":"Simulated."}', (("Retry-After", str(fault.retry_after_secs)),))
