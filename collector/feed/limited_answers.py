"""urllib3 connections on which no answer takes longer than a limit in all, however the server drips its bytes.

A socket's timeout bounds each read, and http.client reads until a line or a piece is whole: a server that sends a byte now
and then would be waited for without end. So a timer shuts the socket, and whoever reads it goes on at once.
"""

import socket
from contextlib import suppress
from http.client import HTTPException
from threading import Timer
from typing import Any, Final

from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from collector.dial.http import DialledConnection, DialledTLSConnection

ANSWER_SECS: Final = 30.0
"""Timeout of a whole answer, its head included."""


class LimitedConnection(DialledConnection):
    """From each request on, the answer must be there, and `end_limit` called, within ANSWER_SECS."""

    _timer: Timer | None = None

    was_slow = False
    """Whether the last answer took too long, so that the connection was cut."""

    def request(self, *args: Any, **kwargs: Any) -> None:
        self.end_limit()
        self.was_slow = False
        super().request(*args, **kwargs)
        self._timer = Timer(ANSWER_SECS, self._cut)
        self._timer.daemon = True
        self._timer.start()

    def getresponse(self) -> Any:
        try:
            return super().getresponse()
        except (OSError, HTTPException, HTTPError):
            self.end_limit()
            raise

    def end_limit(self) -> None:
        """The answer is there, or nobody waits for it any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _cut(self) -> None:
        self.was_slow = True
        if self.sock is not None:
            with suppress(OSError):  # the server may have hung up meanwhile
                self.sock.shutdown(socket.SHUT_RDWR)


class LimitedTLSConnection(LimitedConnection, DialledTLSConnection):
    """A LimitedConnection over TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = LimitedConnection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = LimitedTLSConnection


POOLS: Final = {"http": _Pool, "https": _TLSPool}
"""For a PoolManager's `pool_classes_by_scheme`."""
