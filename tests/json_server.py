"""An HTTP server that answers with JSON which a function returns."""

import json
from collections.abc import Callable
from typing import Any

from tests.loopback_server import HttpServer, QuietHandler


class JsonServer(HttpServer):
    """Answers a GET with the JSON of what `answer` returns for its target, with 503 where it returns None."""

    def __init__(self, answer: Callable[[str], Any]) -> None:
        class Handler(QuietHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:  # noqa: N802 -- the name the base class asks for
                said = answer(self.path)
                body = json.dumps(said).encode()
                self.send_response(503 if said is None else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        super().__init__(Handler)
