"""Requests to an exchange's REST interface, bounded in time and size, without redirects."""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Final, NamedTuple

import urllib3
from urllib3.exceptions import HTTPError

from collector.dial import Address, mark_failed
from collector.domain.clock import Clock
from collector.domain.errors import RetryError
from collector.feed.limited_answers import ANSWER_SECS, POOLS, LimitedConnection
from collector.feed.proxy import Proxy, proxy_for

CONNECT_TIMEOUT_SECS: Final = 5.0
"""Timeout of connecting, after the name lookup."""

READ_TIMEOUT_SECS: Final = 10.0
"""Timeout of each read of an answer."""

MAX_BODY_BYTES: Final = 16 << 20
"""Longest body accepted. A full book of the busiest symbols has some 300 kB, a page of trades 150 kB."""

_PIECE_BYTES: Final = 16 << 10
_HEADERS: Final = {"User-Agent": "market-data-collector", "Accept-Encoding": "gzip"}
_JSON_HEADERS: Final = _HEADERS | {"Content-Type": "application/json"}


class RestError(RetryError):
    """No complete answer came; `reason` is one word of: unreachable, slow, too_large."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class RestResponse(NamedTuple):
    """An HTTP answer of any status; the names in `headers` are case-insensitive."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    asked_ns: int
    """Wall time right before the request was sent."""
    received_ns: int
    """Wall time once the whole answer was received."""
    address: Address | None = None
    """Which of the server's addresses gave it; None for an answer without a body."""


class RestClient:
    """One exchange's REST interface at `base_url`, through the environment's proxy if there is one. Threads may share it.

    It keeps up to `connections`, verifies certificates, follows no redirects and repeats no request by itself.
    The constructor raises ValueError for a proxy variable that is not an HTTP proxy, see `proxy_for`.
    """

    def __init__(self, base_url: str, clock: Clock, connections: int = 1) -> None:
        self._base_url = base_url.rstrip("/")
        self._clock = clock
        proxy = proxy_for(self._base_url)
        self._pool = _pool(proxy, connections)

    def get(self, target: str, method: str = "GET", body: str = "") -> RestResponse:
        """Send a request for a path with its query; a `body` is JSON. Raises RestError unless a complete answer comes."""
        asked_ns = self._clock.now_ns()
        try:
            response = self._pool.request(
                method, self._base_url + target, body=body.encode() or None, headers=_JSON_HEADERS if body else _HEADERS,
                preload_content=False, redirect=False, retries=False,
                timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_SECS, read=READ_TIMEOUT_SECS),
            )  # fmt: skip
            content, address = self._body(response)
        except (
            HTTPError,
            OSError,
            ValueError,
        ) as error:  # ValueError: urllib3 does not wrap that of a negative chunk length
            raise RestError("unreachable", f"{type(error).__name__}: {error}") from error
        return RestResponse(response.status, response.headers, content, asked_ns, self._clock.now_ns(), address)

    def renew(self, address: Address | None) -> None:
        """Send requests from here on over new connections, and to another address than this one."""
        self._pool.clear()
        if address is not None:
            mark_failed(address)

    def _body(self, response: urllib3.BaseHTTPResponse) -> tuple[bytes, Address | None]:
        """The body, and the address that sent it. One that does not send all of it comes last next time."""
        connection = response.connection
        if not isinstance(connection, LimitedConnection):  # an answer without a body: its connection is free again
            return self._whole(response), None
        address = connection.address
        try:
            return self._whole(response), address
        except (HTTPError, OSError, ValueError):
            if address is not None:
                mark_failed(address)
            if connection.was_slow:
                raise RestError("slow", f"an answer that took more than {ANSWER_SECS:.0f} s") from None
            raise
        finally:
            connection.end_limit()

    def _whole(self, response: urllib3.BaseHTTPResponse) -> bytes:
        with closing(response):  # by then a connection whose answer was read to its end is back in the pool
            body = b"".join(self._pieces(response))
            response.release_conn()
            return body

    def _pieces(self, response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        size_bytes = 0
        for piece in response.stream(_PIECE_BYTES, decode_content=True):
            size_bytes += len(piece)
            if size_bytes > MAX_BODY_BYTES:
                raise RestError("too_large", f"an answer of more than {MAX_BODY_BYTES} bytes")
            yield piece


def _pool(proxy: Proxy | None, connections: int) -> urllib3.PoolManager:
    context = ssl.create_default_context()
    if proxy is None:
        pool = urllib3.PoolManager(num_pools=1, maxsize=connections, ssl_context=context)
    else:
        login = urllib3.make_headers(proxy_basic_auth=f"{proxy.user}:{proxy.password}") if proxy.user else None
        pool = urllib3.ProxyManager(
            proxy.url, num_pools=1, maxsize=connections, ssl_context=context, proxy_headers=login
        )
    pool.pool_classes_by_scheme = POOLS
    return pool
