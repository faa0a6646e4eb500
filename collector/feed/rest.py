"""GET requests to an exchange's REST interface: bounded in time and size, and nowhere else than asked."""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Final, NamedTuple

import urllib3
from urllib3.exceptions import HTTPError

from collector.dial import Address, mark_failed
from collector.dial.http import POOLS, DialledConnection
from collector.domain.clock import Clock
from collector.domain.errors import RetryError
from collector.feed.proxy import Proxy, proxy_for

CONNECT_TIMEOUT_SECS: Final = 5.0
READ_TIMEOUT_SECS: Final = 10.0
"""The longest wait for a next piece of an answer."""

ANSWER_SECS: Final = 30.0
"""The longest a whole answer may take."""

MAX_BODY_BYTES: Final = 16 << 20
"""The whole book of the busiest symbols takes some 300 kB, a page of trades 150 kB."""

_PIECE_BYTES: Final = 16 << 10
_HEADERS: Final = {"User-Agent": "market-data-collector", "Accept-Encoding": "gzip"}


class RestError(RetryError):
    """No whole answer came; `reason` is one word of: unreachable, slow, too_large."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class RestResponse(NamedTuple):
    """An HTTP answer of any status; the names in `headers` match in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    asked_ns: int
    """Wall time right before the request went out."""
    received_ns: int
    """Wall time once the whole answer was there."""


class RestClient:
    """One exchange's interface at `base_url`, through the environment's proxy if there is one. For one thread.

    Connections are kept, certificates verified, redirects not followed, and nothing is asked twice by itself.
    To make one raises ValueError where the environment names no HTTP proxy; see `proxy_for`.
    """

    def __init__(self, base_url: str, clock: Clock) -> None:
        self._base_url = base_url.rstrip("/")
        self._clock = clock
        proxy = proxy_for(self._base_url)
        self._pool = _pool(proxy)
        self._address: Address | None = None

    def get(self, target: str) -> RestResponse:
        """Ask for a path with its query. Raises RestError unless a whole answer came."""
        self._address = None
        asked_ns = self._clock.now_ns()
        try:
            response = self._pool.request(
                "GET", self._base_url + target, headers=_HEADERS, preload_content=False, redirect=False, retries=False,
                timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_SECS, read=READ_TIMEOUT_SECS),
            )  # fmt: skip
            if isinstance(response.connection, DialledConnection):
                self._address = response.connection.address
            body = self._body(response)
        except (HTTPError, OSError, ValueError) as error:  # ValueError: a chunk's length below zero is not wrapped
            raise RestError("unreachable", f"{type(error).__name__}: {error}") from error
        return RestResponse(response.status, response.headers, body, asked_ns, self._clock.now_ns())

    def renew(self) -> None:
        """Ask the next time on a new connection; if the last answer began, to another address than it came from."""
        self._pool.clear()
        if self._address is not None:
            mark_failed(self._address)

    def _body(self, response: urllib3.BaseHTTPResponse) -> bytes:
        with closing(response):  # a connection whose answer was read whole has gone back to the pool by then
            body = b"".join(self._pieces(response))
            response.release_conn()
            return body

    def _pieces(self, response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        deadline = self._clock.monotonic() + ANSWER_SECS
        size_bytes = 0
        for piece in response.stream(_PIECE_BYTES, decode_content=True):
            size_bytes += len(piece)
            if size_bytes > MAX_BODY_BYTES:
                raise RestError("too_large", f"an answer of more than {MAX_BODY_BYTES} bytes")
            if self._clock.monotonic() > deadline:
                raise RestError("slow", f"an answer that took more than {ANSWER_SECS:.0f} s")
            yield piece


def _pool(proxy: Proxy | None) -> urllib3.PoolManager:
    context = ssl.create_default_context()
    if proxy is None:
        pool = urllib3.PoolManager(num_pools=1, maxsize=1, ssl_context=context)
    else:
        login = urllib3.make_headers(proxy_basic_auth=f"{proxy.user}:{proxy.password}") if proxy.user else None
        pool = urllib3.ProxyManager(proxy.url, num_pools=1, maxsize=1, ssl_context=context, proxy_headers=login)
    pool.pool_classes_by_scheme = POOLS
    return pool
