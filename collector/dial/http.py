"""Connections of urllib3 that are dialled."""

import socket
from typing import Any, Final

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, NewConnectionError

from collector.dial.dialling import CONNECT_SECS, dial, pass_over
from collector.dial.race import Address


class DialledConnection(HTTPConnection):
    """Dials. Of a server that takes the connection and then fails, the next one begins with another address."""

    address: Address | None = None
    """Where it is connected, or was last."""

    def _new_conn(self) -> socket.socket:
        secs = self.timeout if isinstance(self.timeout, int | float) else CONNECT_SECS
        try:
            sock, self.address = dial(self._dns_host.strip("[]"), self.port, secs)
        except OSError as error:
            raise NewConnectionError(self, str(error)) from error
        for option in self.socket_options or ():
            sock.setsockopt(*option)
        return sock

    def connect(self) -> None:
        self.address = None
        try:
            super().connect()
        except (OSError, HTTPError):
            self._pass_over()
            raise

    def getresponse(self) -> Any:
        try:
            return super().getresponse()
        except TimeoutError:
            self._pass_over()
            raise

    def _pass_over(self) -> None:
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
