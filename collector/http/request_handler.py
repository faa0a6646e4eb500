"""Reads one request of a connection, within bounds, and writes its answer."""

from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, BinaryIO, Final, Protocol, cast

from collector.http.host_header import parse_target
from collector.http.response import Response, refused

CONNECTION_SECS: Final = 10.0
MAX_HEAD_BYTES: Final = 16 * 1024

_SAFE_HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class PageServer(Protocol):
    """Makes the answer to a request."""

    def answer(self, path: str, host: str | None, authorization: str) -> Response:
        """The answer to who sent that `Authorization`, asking that host for that path."""
        ...


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
            self.close_connection = True  # the client is gone, or was cut; nobody is left to tell

    def do_GET(self) -> None:
        hosts = self.headers.get_all("Host", [])
        asked = parse_target(self.path, hosts, must_name=self.request_version != "HTTP/1.0")
        if asked is None:
            self._answer(refused(HTTPStatus.BAD_REQUEST))
            return
        sent = self.headers.get("Authorization", "")
        self._answer(cast("PageServer", self.server).answer(asked.path, asked.host, sent))

    do_HEAD = do_GET  # noqa: N815 (the library's name)

    def _answer(self, answer: Response) -> None:
        self.send_response(answer.code)
        lines = {"Content-Type": answer.content_type, "Content-Length": str(len(answer.content))}
        for name, value in {**lines, **_SAFE_HEADERS, **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.content)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002 (what the library would echo)
        if code == HTTPStatus.NOT_IMPLEMENTED:
            self._answer(refused(HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "GET, HEAD"}))
        else:
            self._answer(refused(HTTPStatus(code)))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the library's signature)
        """Say nothing: the library would print to stderr, which may block."""
