"""Reads one request of a connection, within bounds, and writes its answer."""

from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, BinaryIO, Final, Protocol, cast

from collector.http.host_header import parse_target
from collector.http.response import Response, refused

CONNECTION_SECS: Final = 10.0
"""Longest life of a connection."""

MAX_HEAD_BYTES: Final = 16 * 1024
"""Longest request line and headers accepted, together."""

_SAFE_HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class PageServer(Protocol):
    """Makes the response to a request."""

    def answer(self, path: str, host: str | None, authorization: str) -> Response:
        """The response for that path, asked of that host with that `Authorization` header."""
        ...


class _HeadTooLargeError(Exception):
    """The request line and headers are longer than MAX_HEAD_BYTES."""


class _BoundedReader:
    """Reads the request line and headers, up to MAX_HEAD_BYTES."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._remaining_bytes = MAX_HEAD_BYTES

    def readline(self, limit: int) -> bytes:
        line = self._source.readline(min(limit, self._remaining_bytes + 1))
        self._remaining_bytes -= len(line)
        if self._remaining_bytes < 0:
            raise _HeadTooLargeError
        return line

    def close(self) -> None:
        self._source.close()


class RequestHandler(BaseHTTPRequestHandler):
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
            self.close_connection = True  # the client is gone, or its connection was cut

    def do_GET(self) -> None:
        hosts = self.headers.get_all("Host", [])
        target = parse_target(self.path, hosts, must_name=self.request_version != "HTTP/1.0")
        if target is None:
            self._send(refused(HTTPStatus.BAD_REQUEST))
            return
        authorization = self.headers.get("Authorization", "")
        self._send(cast("PageServer", self.server).answer(target.path, target.host, authorization))

    do_HEAD = do_GET  # noqa: N815 (the library's name)

    def _send(self, response: Response) -> None:
        self.send_response(response.code)
        fields = {"Content-Type": response.content_type, "Content-Length": str(len(response.content))}
        for name, value in {**fields, **_SAFE_HEADERS, **response.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.content)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002 (what the library would echo)
        if code == HTTPStatus.NOT_IMPLEMENTED:
            self._send(refused(HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "GET, HEAD"}))
        else:
            self._send(refused(HTTPStatus(code)))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the library's signature)
        """Log nothing: the library would print to stderr, which may block."""
