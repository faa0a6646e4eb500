"""An address that takes every connection and is no good after that."""

import socket
import struct
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread
from types import TracebackType
from typing import Self

_RST_AT_CLOSE = struct.pack("ii", 1, 0)


class HalfDead:
    """Answers whatever comes with these bytes, as often as it is asked; with none it resets as soon as it is asked."""

    def __init__(self, host: str, port: int, answer: bytes = b"") -> None:
        half_dead = self
        self.connections = 0

        class Handler(BaseRequestHandler):
            def handle(self) -> None:
                half_dead.connections += 1
                while self.request.recv(1 << 20):
                    if not answer:
                        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST_AT_CLOSE)
                        return
                    self.request.sendall(answer)

        class Listening(ThreadingTCPServer):
            daemon_threads = True

            def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
                # Without the polite end that the base class says first, which would hide the reset.
                assert isinstance(request, socket.socket)
                request.close()

        self._server = Listening((host, port), Handler)
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(60)
