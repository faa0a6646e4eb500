"""An HTTP server that gives every request the same response."""

from collections.abc import Mapping

from tests.loopback_server import HttpServer, QuietHandler


class FixedResponseServer(HttpServer):
    """`headers` are sent as they are: the body has the length that they state, or none is stated."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes = b"", host: str = "127.0.0.1") -> None:
        class Handler(QuietHandler):
            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_GET = do_HEAD = do_PUT = answer  # noqa: N815 -- names the base class asks for

        super().__init__(Handler, host)
