"""A simulator on a port of its own, in a thread; and clients that read from it."""

import asyncio
import contextlib
import json
import threading
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import websocket

from collector.simulator.server import Options, Simulator

DEADLINE_SECS = 60.0


class Running:
    """A simulator that listens, and what a test asks of it."""

    def __init__(self, options: Options) -> None:
        self.port = 0
        self.log_path = options.sent_log
        self._simulator = Simulator(options)
        self._clients: list[websocket.WebSocket] = []
        self._listening = threading.Event()
        self._failure: BaseException | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._listening.wait(DEADLINE_SECS)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._simulator.serve(self._ready))
        except BaseException as error:  # noqa: BLE001 - raised again in `stop`
            self._failure = error
        finally:
            self._loop.close()

    def _ready(self, port: int) -> None:
        self.port = port
        self._listening.set()

    def request_stop(self) -> None:
        """Ask it to stop, and do not wait."""
        with contextlib.suppress(RuntimeError):  # its loop is closed: it has ended already
            self._loop.call_soon_threadsafe(self._simulator.stop)

    def ended(self) -> None:
        """Wait until it ends by itself."""
        self._thread.join(DEADLINE_SECS)

    def stop(self) -> None:
        """Stop it and raise what went wrong inside."""
        self.request_stop()
        self.ended()
        assert not self._thread.is_alive()
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def connect(self, path: str) -> websocket.WebSocket:
        """Open a WebSocket."""
        url = f"ws://127.0.0.1:{self.port}{path}"
        client = websocket.create_connection(url, timeout=DEADLINE_SECS, skip_utf8_validation=True)
        self._clients.append(client)
        return client

    def hang_up(self) -> None:
        """Drop every client's connection."""
        for client in self._clients:
            abandon(client)

    def http(self, path: str, body: Any = None, method: str | None = None) -> tuple[int, Any, dict[str, str]]:
        """Send a request: status, decoded body, headers in lower case."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, method=method)
        opener = urllib.request.build_opener(KeepStatus)
        with opener.open(request, timeout=DEADLINE_SECS) as reply:
            text = reply.read()
            return reply.status, json.loads(text) if text else None, {k.lower(): v for k, v in reply.headers.items()}

    def stats(self) -> Any:
        """Ask for the statistics."""
        return self.http("/simulator/stats")[1]

    def fault(self, **fields: Any) -> None:
        """Ask for a fault."""
        assert self.http("/simulator/faults", fields)[0] == 200

    def until(self, reached: Callable[[Any], bool]) -> Any:
        """Wait for statistics that satisfy `reached`."""
        deadline = time.monotonic() + DEADLINE_SECS
        while not reached(stats := self.stats()):
            assert time.monotonic() < deadline, stats
        return stats

    def log(self) -> list[dict[str, Any]]:
        """Drop the clients, stop the simulator and read what it says it sent."""
        self.hang_up()
        self.stop()
        assert self.log_path is not None
        return [json.loads(line) for line in self.log_path.read_text("utf-8").splitlines()]


class KeepStatus(urllib.request.HTTPErrorProcessor):
    """Hands over replies of every status instead of raising."""

    def http_response(self, request: urllib.request.Request, response: Any) -> Any:
        """Let it pass."""
        return response


def abandon(client: websocket.WebSocket) -> None:
    """Close a client's socket without a closing handshake."""
    client.shutdown()  # type: ignore[no-untyped-call]  # the library leaves this one method bare


def sent(log: list[dict[str, Any]], connection: int = 1) -> list[str]:
    """The text of the data frames a connection was sent."""
    return [line["raw"] for line in log if "event" not in line and line["connection"] == connection]


def events(log: list[dict[str, Any]], event: str) -> list[dict[str, Any]]:
    """The lines of one event."""
    return [line for line in log if line.get("event") == event]


def receive(client: websocket.WebSocket, count: int) -> list[str]:
    """Read `count` data frames."""
    return [client.recv_data()[1].decode() for _ in range(count)]


def receive_all(client: websocket.WebSocket) -> list[bytes]:
    """Read data frames until the connection ends, by a close frame or a reset."""
    frames: list[bytes] = []
    while True:
        try:
            opcode, data = client.recv_data()
        except (websocket.WebSocketConnectionClosedException, ConnectionError):
            return frames
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            return frames
        frames.append(data)


def trade(number: int, stream: str = "btcusdt@trade") -> str:
    """A combined frame as text."""
    return f'{{"stream":"{stream}","data":{{"e":"trade","t":{number}}}}}'
