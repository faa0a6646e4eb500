"""The supervisor's HTTP server: serves read-only pages over plain HTTP, and bounds what any client can cost.

A connection gets one response and lives at most 10 seconds. When all connections are in use the oldest is closed, so that
idle clients never lock an operator out. Nothing that a client sends is echoed. On a loopback address it answers only
requests whose Host is this machine: a foreign web page whose name resolves to it (DNS rebinding) reads nothing.
"""

import contextlib
import socket
import socketserver
import threading
import time
from collections.abc import Container, Mapping
from http import HTTPStatus
from typing import Any, Final, cast

from collector.domain.log import Log
from collector.http.credentials import is_authorized
from collector.http.host_header import is_loopback
from collector.http.request_handler import CONNECTION_SECS, RequestHandler
from collector.http.response import Page, Response, as_json, refused

MAX_CONNECTIONS: Final = 32
"""How many connections are open at most."""

_POLL_SECS: Final = 0.5
_SLOT_SECS: Final = 1.0
"""How long a new connection waits for the oldest one to close."""
_ASK_LOOPBACK: Final = "ask for localhost, 127.0.0.1 or [::1]; for other names set http.host"
_CHALLENGE: Final = 'Bearer, Basic realm="collector"'


def require_bindable(host: str, port: int) -> None:
    """Check that `host:port` can be listened at, by doing so for a moment. Raises OSError."""
    family, address = _resolve(host, port)
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As the server does, so that closed connections of a previous server (TIME_WAIT) do not prevent it.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
        probe.listen()


def _resolve(host: str, port: int) -> tuple[socket.AddressFamily, tuple[str, int]]:
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    return family, cast("tuple[str, int]", address)


class StatusServer:
    """Serves pages by their paths on `host:port`, in threads of its own; port 0 means off.

    With a `token`, all paths but those in `without_token` require it: as `Authorization: Bearer TOKEN`, or as the password
    of any user, for which a browser prompts.
    """

    def __init__(
        self,
        host: str,
        port: int,
        pages: Mapping[str, Page],
        log: Log,
        token: str = "",
        without_token: Container[str] = (),
    ) -> None:
        self._address = (host, port)
        self._pages = pages
        self._without_token = without_token
        self._token = token
        self._log = log
        self._server: _Server | None = None
        self.error = ""
        """Why the last attempt to start failed."""

    def try_start(self) -> bool:
        """Start to serve. False, with `error` set, if the port cannot be opened; true if it serves, or is off."""
        if self._server is not None or self._address[1] == 0:
            return True
        try:
            self._server = _Server(self._address, self._pages, self._token, self._without_token, self._log)
        except OSError as error:
            self.error = str(error)
            return False
        threading.Thread(target=self._server.serve_forever, args=(_POLL_SECS,), name="http", daemon=True).start()
        return True

    @property
    def listens(self) -> bool:
        """Whether it serves: not before the port could be opened, and never with port 0."""
        return self._server is not None

    def close(self) -> None:
        """Stop serving and free the port; does nothing if it does not serve."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        address: tuple[str, int],
        pages: Mapping[str, Page],
        token: str,
        without_token: Container[str],
        log: Log,
    ) -> None:
        self.address_family, resolved = _resolve(*address)
        self._pages = pages
        self._host = address[0].lower()
        self._is_private = is_loopback(resolved[0])
        self._token = token.encode()
        self._without_token = without_token
        self._log = log
        self._slots = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._lock = threading.Lock()
        self._open: dict[Any, float] = {}
        super().__init__(resolved, RequestHandler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._slots.acquire(blocking=False):
            self._close_oldest()
            if not self._slots.acquire(timeout=_SLOT_SECS):
                super().shutdown_request(request)
                return
        with self._lock:
            self._open[request] = time.monotonic()
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            was_open = self._open.pop(request, None) is not None
        super().shutdown_request(request)
        if was_open:
            self._slots.release()

    def service_actions(self) -> None:
        """Close the connections that are too old; the library calls this between two requests and every `_POLL_SECS`."""
        oldest = time.monotonic() - CONNECTION_SECS
        with self._lock:
            for connection, opened_at in self._open.items():
                if opened_at < oldest:
                    _cut(connection)

    def _close_oldest(self) -> None:
        with self._lock:
            if self._open:
                _cut(min(self._open, key=self._open.__getitem__))

    def server_close(self) -> None:
        super().server_close()
        with self._lock:
            for connection in self._open:
                _cut(connection)

    def answer(self, path: str, host: str | None, authorization: str) -> Response:
        if self._is_private and host is not None and host != self._host and not is_loopback(host):
            return as_json({"error": "misdirected request", "hint": _ASK_LOOPBACK}, HTTPStatus.MISDIRECTED_REQUEST)
        if path not in self._without_token and not is_authorized(authorization, self._token):
            return refused(HTTPStatus.UNAUTHORIZED, {"WWW-Authenticate": _CHALLENGE})
        page = self._pages.get(path)
        if page is None:
            known = " and ".join(filter(None, [", ".join([*self._pages][:-1]), [*self._pages][-1]]))
            return as_json({"error": "not found", "hint": f"there is {known}"}, HTTPStatus.NOT_FOUND)
        try:
            return page()
        except Exception:  # noqa: BLE001 (no failure of a page may end the server)
            self._log.exception("http_page_failed", path=path)
            return as_json({"error": "the page failed; the log says why"}, HTTPStatus.INTERNAL_SERVER_ERROR)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 (the library's signature)
        self._log.exception("http_request_failed")


def _cut(connection: socket.socket) -> None:
    """Shut a connection down, while another thread may be reading or writing it."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
