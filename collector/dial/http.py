"""Connections of urllib3 that are dialled."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any, Final

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, NewConnectionError

from collector.dial.dialling import CONNECT_SECS, SERVER_ERROR, dial, pass_over
from collector.dial.happy_eyeballs import Address


class DialledConnection(HTTPConnection):
    """Dials. Where a server takes the connection and then fails or answers SERVER_ERROR or above, the next connection
    begins with another address; this one is not kept.
    """

    address: Address | None = None
    """Where it is connected, or was last."""

    _is_worn = False

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
        """Whether a pool may use it again."""
        return not self._is_worn and super().is_connected

    def connect(self) -> None:
        self.address, self._is_worn = None, False
        with self._passing_over():
            super().connect()

    def request(self, *args: Any, **kwargs: Any) -> None:
        with self._passing_over():
            super().request(*args, **kwargs)

    def getresponse(self) -> Any:
        with self._passing_over():
            response = super().getresponse()
        if response.status >= SERVER_ERROR:
            self._pass_over()
        return response

    @contextmanager
    def _passing_over(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:  # urllib3 reads what the server answered before it had the whole body
            raise
        except (OSError, HTTPException, HTTPError):
            self._pass_over()
            raise

    def _pass_over(self) -> None:
        self._is_worn = True
        if self.address is not None:
            pass_over(self.address)


class DialledTLSConnection(DialledConnection, HTTPSConnection):
    """The same, over TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = DialledConnection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = DialledTLSConnection


POOLS: Final = {"http": _Pool, "https": _TLSPool}
"""For a PoolManager's `pool_classes_by_scheme`."""
