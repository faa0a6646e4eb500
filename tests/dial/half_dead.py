"""An address that takes every connection and is no good after that."""

import socket
import struct
from socketserver import BaseRequestHandler, ThreadingTCPServer

from tests.loopback_server import LoopbackServer

_RST_AT_CLOSE = struct.pack("ii", 1, 0)


class HalfDead(LoopbackServer):
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

        super().__init__(Listening((host, port), Handler))
