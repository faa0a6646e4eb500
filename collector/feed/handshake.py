"""From an address to an open WebSocket, in bounded time and bytes, whatever the other side answers."""

import socket
import ssl
from collections.abc import Callable
from contextlib import ExitStack
from http.cookies import CookieError
from typing import Final, cast
from urllib.parse import urlsplit

from websocket import WebSocketBadStatusException, WebSocketException
from websocket._http import _tunnel
from websocket._socket import DEFAULT_SOCKET_OPTION

from collector.domain.errors import RetryError
from collector.feed.proxy import proxy_for
from collector.feed.socket import RecorderSocket

STEP_SECS: Final = 10.0
"""The longest wait for a connection, for TLS, or for a next piece of an answer."""

HANDSHAKE_SECS: Final = 20.0
"""Once an attempt is this old, no further piece of an answer is waited for."""

MAX_ANSWER_BYTES: Final = 1 << 20
"""An exchange's answer has some hundred bytes, the page of a firewall some ten thousand."""

_USER_AGENT = "market-data-collector"
_BODY_SHOWN_BYTES = 200


class HandshakeError(RetryError):
    """No connection came about. `status` and `retry_after` are the HTTP answer's, if there was one."""

    def __init__(self, text: str, status: int | None = None, retry_after: str | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.retry_after = retry_after


class Answering:
    """A connected socket, as far as websocket-client uses it while it reads an HTTP answer byte by byte.

    The answer is held to a deadline and to MAX_ANSWER_BYTES; beyond them `recv` raises HandshakeError.
    """

    def __init__(self, sock: socket.socket, monotonic: Callable[[], float], deadline: float) -> None:
        self.sock = sock
        self.send = sock.send
        self.close = sock.close
        self.fileno = sock.fileno
        self.gettimeout = sock.gettimeout
        self._monotonic = monotonic
        self._deadline = deadline
        self._left_bytes = MAX_ANSWER_BYTES

    def recv(self, size: int) -> bytes:
        """As a socket's."""
        if self._monotonic() > self._deadline:
            raise HandshakeError(f"an answer that took more than {HANDSHAKE_SECS:g} s")
        if not self._left_bytes:
            raise HandshakeError(f"an answer of more than {MAX_ANSWER_BYTES} bytes")
        data = self.sock.recv(min(size, self._left_bytes))
        self._left_bytes -= len(data)
        return data


def shake_hands(url: str, monotonic: Callable[[], float]) -> RecorderSocket:
    """Connect, through the environment's proxy if there is one, verifying certificates and following no redirect.

    Raises HandshakeError.
    """
    # UTF-8 is checked where text is decoded: here it costs 0.15 µs a byte without a compiled helper.
    ws = RecorderSocket(skip_utf8_validation=True, enable_multithread=False)
    try:
        answering = _dial(url, monotonic)
        ws.connect(url, header={"User-Agent": _USER_AGENT}, socket=answering, redirect_limit=0)  # type: ignore[no-untyped-call]
    except WebSocketBadStatusException as error:
        body = (error.resp_body or b"")[:_BODY_SHOWN_BYTES].decode(errors="replace")
        headers = error.resp_headers or {}
        text = " ".join(filter(None, ["HTTP", str(error.status_code), error.status_message, body]))
        raise HandshakeError(text, error.status_code, headers.get("retry-after")) from error
    except (OSError, WebSocketException, ValueError, CookieError) as error:  # ValueError: a name that no lookup takes
        raise HandshakeError(f"{type(error).__name__}: {error}") from error
    ws.sock = answering.sock
    return ws


def _dial(url: str, monotonic: Callable[[], float]) -> Answering:
    parts = urlsplit(url)
    secure = parts.scheme == "wss"
    host, port = parts.hostname or "", parts.port or (443 if secure else 80)
    proxy = proxy_for(url)
    deadline = monotonic() + HANDSHAKE_SECS
    with ExitStack() as undo:
        sock = undo.enter_context(socket.create_connection((proxy or (host, port))[:2], STEP_SECS))
        for option in DEFAULT_SOCKET_OPTION:
            sock.setsockopt(*option)
        if proxy is not None:
            tunnelled = cast(socket.socket, Answering(sock, monotonic, deadline))
            _tunnel(tunnelled, host, port, (proxy.user, proxy.password))
        if secure:
            sock = ssl.create_default_context().wrap_socket(sock, server_hostname=host)
        undo.pop_all()
    return Answering(sock, monotonic, deadline)
