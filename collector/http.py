"""The supervisor's window: /status and /healthz over plain HTTP, read-only, and harmless however it is used.

A connection answers one request and lives at most 10 seconds; when all places are taken the oldest gives way, so that
idle connections never keep an operator out. What a client sends is never echoed.
"""

import contextlib
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, BinaryIO, Final, cast

import msgspec
from structlog.typing import FilteringBoundLogger

CONNECTION_SECS: Final = 10.0
MAX_CONNECTIONS: Final = 32
MAX_HEAD_BYTES: Final = 16 * 1024

_POLL_SECS: Final = 0.5
_PLACE_SECS: Final = 1.0
_HINT: Final = "there is /status and /healthz"

StatusSource = Callable[[], Mapping[str, Any]]
"""Returns the status; called in a thread of the server's."""


class StatusServer:
    """Serves the status on `host:port`, in threads of its own; port 0 is off."""

    def __init__(self, host: str, port: int, status: StatusSource, log: FilteringBoundLogger) -> None:
        self._address = (host, port)
        self._status = status
        self._log = log
        self._server: _Server | None = None
        self.error = ""
        """Why the last try to start failed."""

    def try_start(self) -> bool:
        """Begin to serve; true when it does, or has nothing to do. False, with `error` set, when the port is not to be had."""
        if self._server is not None or self._address[1] == 0:
            return True
        try:
            self._server = _Server(self._address, self._status, self._log)
        except OSError as error:
            self.error = str(error)
            return False
        threading.Thread(target=self._server.serve_forever, args=(_POLL_SECS,), name="http", daemon=True).start()
        return True

    def close(self) -> None:
        """Stop serving and free the port; does nothing when it does not serve."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], status: StatusSource, log: FilteringBoundLogger) -> None:
        family, _, _, _, resolved = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)[0]
        self.address_family = family
        self.status = status
        self._log = log
        self._places = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._changed = threading.Lock()
        self._open: dict[Any, float] = {}
        super().__init__(cast("tuple[str, int]", resolved), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._places.acquire(blocking=False):
            self._close_oldest()
            if not self._places.acquire(timeout=_PLACE_SECS):
                super().shutdown_request(request)
                return
        with self._changed:
            self._open[request] = time.monotonic()
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._changed:
            held = self._open.pop(request, None) is not None
        super().shutdown_request(request)
        if held:
            self._places.release()

    def service_actions(self) -> None:
        """End the connections whose time is over; runs between two requests and every `_POLL_SECS`."""
        oldest = time.monotonic() - CONNECTION_SECS
        with self._changed:
            for connection, since in self._open.items():
                if since < oldest:
                    _cut(connection)

    def _close_oldest(self) -> None:
        with self._changed:
            if self._open:
                _cut(min(self._open, key=self._open.__getitem__))

    def server_close(self) -> None:
        super().server_close()
        with self._changed:
            for connection in self._open:
                _cut(connection)

    def answer(self, path: str) -> tuple[HTTPStatus, Mapping[str, Any]]:
        try:
            return _route(path, self.status)
        except Exception:  # noqa: BLE001 (whatever is wrong with the status must not end the server)
            self._log.exception("http_status_failed", path=path)
            return HTTPStatus.INTERNAL_SERVER_ERROR, {"error": "the status cannot be made; the log says why"}

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 (the library's signature)
        self._log.exception("http_request_failed")


def _route(path: str, status: StatusSource) -> tuple[HTTPStatus, Mapping[str, Any]]:
    if path == "/status":
        return HTTPStatus.OK, status()
    if path == "/healthz":
        found = status()
        health = {name: found[name] for name in ("healthy", "reasons")}
        return HTTPStatus.OK if health["healthy"] else HTTPStatus.SERVICE_UNAVAILABLE, health
    return HTTPStatus.NOT_FOUND, {"error": "not found", "hint": _HINT}


def _cut(connection: socket.socket) -> None:
    """End a connection under the thread that reads or writes it."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class _HeadTooLargeError(Exception):
    """The request's head is larger than any honest client's."""


class _BoundedReader:
    """The request's head, up to MAX_HEAD_BYTES."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._left = MAX_HEAD_BYTES

    def readline(self, limit: int) -> bytes:
        line = self._source.readline(min(limit, self._left + 1))
        self._left -= len(line)
        if self._left < 0:
            raise _HeadTooLargeError
        return line

    def close(self) -> None:
        self._source.close()


class _Handler(BaseHTTPRequestHandler):
    timeout = CONNECTION_SECS
    server_version = "collector"
    sys_version = ""
    command = ""
    request_version = "HTTP/1.0"
    requestline = ""

    def setup(self) -> None:
        super().setup()
        self.rfile = cast("Any", _BoundedReader(cast("BinaryIO", self.rfile)))

    def handle(self) -> None:
        try:
            super().handle()
        except _HeadTooLargeError:
            self.send_error(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        except OSError:
            self.close_connection = True  # the client is gone, or was cut; nobody is left to tell

    def do_GET(self) -> None:
        self._answer(*cast("_Server", self.server).answer(self.path.partition("?")[0]))

    do_HEAD = do_GET  # noqa: N815 (the library's name)

    def _answer(self, code: HTTPStatus, body: Mapping[str, Any]) -> None:
        content = msgspec.json.encode(body) + b"\n"
        self.send_response(code)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        if code == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002 (what the library would echo)
        known = HTTPStatus.METHOD_NOT_ALLOWED if code == HTTPStatus.NOT_IMPLEMENTED else HTTPStatus(code)
        self._answer(known, {"error": known.phrase.lower()})

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the library's signature)
        """Say nothing: the library would print to stderr, which may block."""
