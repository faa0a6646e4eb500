"""The base of the small servers on loopback that tests run in a thread."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from threading import Thread
from types import TracebackType
from typing import Self

STOP_SECS = 60.0


class LoopbackServer:
    """Serves within a `with` block."""

    def __init__(self, server: TCPServer) -> None:
        self._server = server
        self._thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(STOP_SECS)


class HttpServer(LoopbackServer):
    """Answers requests with `handler`; `host` is the name in its URL, and the address unless `address` is given."""

    def __init__(self, handler: type[BaseHTTPRequestHandler], host: str = "127.0.0.1", address: str = "") -> None:
        server = ThreadingHTTPServer((address or host, 0), handler)
        server.daemon_threads = True
        super().__init__(server)
        self.url = f"http://{host}:{self.port}"

    @property
    def endpoint_url(self) -> str:
        """Its URL, under the name that S3 servers have for it."""
        return self.url


class QuietHandler(BaseHTTPRequestHandler):
    """Writes nothing to standard error."""

    def log_message(self, *_: object) -> None:
        pass
