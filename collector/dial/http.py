"""urllib3 connections that dial: every address of a name is tried, and addresses that fail are remembered."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, NewConnectionError

from collector.dial.dialling import CONNECT_SECS, SERVER_ERROR, dial, mark_failed
from collector.dial.happy_eyeballs import Address


class DialledConnection(HTTPConnection):
    """Where a server takes the connection and then fails, or answers SERVER_ERROR or above, this connection is not reused,
    and the next one begins with another address.
    """

    address: Address | None = None
    """Where it is connected, or was last connected."""

    _must_not_be_reused = False

    def _new_conn(self) -> socket.socket:
        secs = self.timeout if isinstance(self.timeout, int | float) else CONNECT_SECS
        try:
            sock, self.address = dial(self._dns_host.strip("[]"), self.port, secs)
        except OSError as error:
            raise NewConnectionError(self, str(error)) from error
        for option in self.socket_options or ():
            sock.setsockopt(*option)
        return sock

    @property
    def is_connected(self) -> bool:
        """Whether the pool may reuse it."""
        return not self._must_not_be_reused and super().is_connected

    def connect(self) -> None:
        self.address, self._must_not_be_reused = None, False
        with self._marking_failures():
            super().connect()

    def request(self, *args: Any, **kwargs: Any) -> None:
        with self._marking_failures():
            super().request(*args, **kwargs)

    def getresponse(self) -> Any:
        with self._marking_failures():
            response = super().getresponse()
        if response.status >= SERVER_ERROR:
            self._mark_failed()
        return response

    @contextmanager
    def _marking_failures(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:  # urllib3 goes on to read the answer, which the server sent before the whole body
            raise
        except (OSError, HTTPException, HTTPError):
            self._mark_failed()
            raise

    def _mark_failed(self) -> None:
        self._must_not_be_reused = True
        if self.address is not None:
            mark_failed(self.address)


class DialledTLSConnection(DialledConnection, HTTPSConnection):
    """A DialledConnection over TLS."""
