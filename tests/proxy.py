"""A wire that goes wrong: a TCP proxy before a real server."""

import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

Change = Callable[[bytes], bytes]


class Proxy:
    """Passes connections on to a port of loopback; `asked` may alter what the client sends, `answered` what it gets.

    While `silent`, it takes what the client sends, passes nothing on, and never answers.
    """

    def __init__(self, port: int, asked: Change = bytes, answered: Change = bytes) -> None:
        self._target = port
        self._asked = asked
        self._answered = answered
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.silent = False

    @property
    def endpoint_url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for one in [self._listener, *self._sockets]:
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            self._sockets += [client, server]
            for source, sink, change in ((client, server, self._asked), (server, client, self._answered)):
                threading.Thread(target=self._pass, args=(source, sink, change), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, change: Change) -> None:
        try:
            while block := source.recv(1 << 16):
                if not self.silent:
                    sink.sendall(change(block))
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            return
