"""Names with several addresses of loopback, some of them dead, for as long as a test runs."""

import select
import socket
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest

from collector.dial import dialling
from collector.dial.failed_addresses import FailedAddresses

NAME = "stream.exchange.test"


class DeadAddress:
    """Takes a port of an address and swallows every SYN: its backlog is full, and nobody accepts."""

    def __init__(self, host: str, port: int = 0) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._sockets = [socket.socket(family)]
        self._sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._sockets[0].bind((host, port))
        self._sockets[0].listen(0)
        self.port: int = self._sockets[0].getsockname()[1]
        for _ in range(4):
            filler = socket.socket(family)
            filler.setblocking(False)
            filler.connect_ex((host, self.port))
            self._sockets.append(filler)

    def wake(self) -> None:
        """Take every connection from now on: a SYN that was swallowed is sent again a second later."""
        self._sockets[0].listen(64)
        while select.select(self._sockets[:1], [], [], 0)[0]:
            self._sockets.append(self._sockets[0].accept()[0])

    def close(self) -> None:
        for sock in self._sockets:
            sock.close()


class Names:
    """Answers lookups of NAME and names below it; of every other name the system's own lookup."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._real = socket.getaddrinfo
        self._hosts: list[str] = []
        self._going_on = threading.Event()
        self._going_on.set()
        self.lookups = 0
        monkeypatch.setattr(socket, "getaddrinfo", self._look_up)
        # A port comes again, and what another test found out about it must not count.
        monkeypatch.setattr(dialling, "_failed_addresses", FailedAddresses(time.monotonic))

    def has(self, *hosts: str) -> None:
        """From now on these are its addresses, in the order of the system's preference."""
        self._hosts = list(hosts)

    def hang(self) -> None:
        self._going_on.clear()

    def go_on(self) -> None:
        self._going_on.set()

    def _look_up(self, host: Any, port: Any, *args: Any, **kwargs: Any) -> Sequence[Any]:
        if host != NAME and not str(host).endswith(f".{NAME}"):
            return self._real(host, port, *args, **kwargs)
        self.lookups += 1
        self._going_on.wait()
        return [found for one in self._hosts for found in self._real(one, port, *args, **kwargs)]
