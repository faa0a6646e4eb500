"""Opens a WebSocket in bounded time and bytes, whatever the other side answers."""

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

from collector.dial import CONNECT_SECS, SERVER_ERROR, UnreachableError, dial, mark_failed
from collector.domain.errors import RetryError
from collector.feed.proxy import Proxy, peer_of, proxy_for
from collector.feed.socket import ConnectedSocket, RecorderSocket
from collector.feed.tls import TlsSocket

STEP_SECS: Final = 10.0
"""Timeout of the TLS handshake, and of each read of an answer."""

ANSWER_SECS: Final = 20.0
"""Timeout of a whole answer; a read that is under way then may take STEP_SECS more."""

MAX_ANSWER_BYTES: Final = 1 << 20
"""Longest answer accepted. That of an exchange has some hundred bytes, a firewall's page some ten thousand."""

_USER_AGENT = "market-data-collector"
_BODY_SHOWN_BYTES = 200


class HandshakeError(RetryError):
    """The connection could not be opened. `status` and `retry_after` are from the HTTP answer, if there was one."""

    def __init__(self, text: str, status: int | None = None, retry_after: str | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.retry_after = retry_after


class BoundedSocket:
    """The part of a connected socket that websocket-client uses while it reads an HTTP answer byte by byte.

    `recv` raises HandshakeError once the answer has taken ANSWER_SECS or is longer than MAX_ANSWER_BYTES.
    """

    def __init__(self, sock: ConnectedSocket, monotonic: Callable[[], float]) -> None:
        self.sock = sock
        self.send = sock.send
        self.close = sock.close
        self.fileno = sock.fileno
        self.gettimeout = sock.gettimeout
        self._monotonic = monotonic
        self._deadline = monotonic() + ANSWER_SECS
        self._remaining_bytes = MAX_ANSWER_BYTES

    def recv(self, size: int) -> bytes:
        """Like `socket.recv`."""
        if self._monotonic() > self._deadline:
            raise HandshakeError(f"an answer that took more than {ANSWER_SECS:g} s")
        if not self._remaining_bytes:
            raise HandshakeError(f"an answer of more than {MAX_ANSWER_BYTES} bytes")
        data = self.sock.recv(min(size, self._remaining_bytes))
        self._remaining_bytes -= len(data)
        return data


def open_websocket(url: str, monotonic: Callable[[], float]) -> RecorderSocket:
    """Connect, through the environment's proxy if there is one, verifying certificates and following no redirect.

    Name lookup, connecting, TLS, the proxy's answer and the exchange's answer have a timeout each. If a server takes the
    connection and then fails, or answers 5xx, the next attempt begins with another address of the name. Other refusals
    would be the same at every address.
    Raises HandshakeError.
    """
    try:
        proxy = proxy_for(url)
        peer = peer_of(url, proxy)
        sock, address = dial(*peer, CONNECT_SECS)
    except (UnreachableError, ValueError) as error:  # ValueError: a name that cannot be looked up
        raise _failed(error) from error
    try:
        ws = _handshake(sock, url, proxy, monotonic)
    except WebSocketBadStatusException as error:
        if error.status_code >= SERVER_ERROR:
            mark_failed(address)
        raise _refused(error) from error
    except (HandshakeError, OSError, WebSocketException, ValueError, CookieError) as error:
        mark_failed(address)
        raise error if isinstance(error, HandshakeError) else _failed(error) from error
    ws.address = address
    return ws


def _handshake(sock: socket.socket, url: str, proxy: Proxy | None, monotonic: Callable[[], float]) -> RecorderSocket:
    # UTF-8 is checked where frames are decoded: here it would cost 0.15 µs a byte without a compiled helper.
    ws = RecorderSocket(skip_utf8_validation=True, enable_multithread=False)
    host, port = peer_of(url, None)
    with ExitStack() as undo:
        undo.enter_context(sock)
        sock.settimeout(STEP_SECS)
        for option in DEFAULT_SOCKET_OPTION:
            sock.setsockopt(*option)
        if proxy is not None:
            tunnelled = cast(socket.socket, BoundedSocket(sock, monotonic))
            _tunnel(tunnelled, host, port, (proxy.user, proxy.password))
        connected: ConnectedSocket = sock
        if urlsplit(url).scheme == "wss":
            connected = TlsSocket(sock, ssl.create_default_context(), host, monotonic)
        bounded = BoundedSocket(connected, monotonic)
        ws.connect(url, header={"User-Agent": _USER_AGENT}, socket=bounded, redirect_limit=0)  # type: ignore[no-untyped-call]
        undo.pop_all()
    ws.sock = cast(socket.socket, connected)
    return ws


def _refused(error: WebSocketBadStatusException) -> HandshakeError:
    body = (error.resp_body or b"")[:_BODY_SHOWN_BYTES].decode(errors="replace")
    headers = error.resp_headers or {}
    text = " ".join(filter(None, ["HTTP", str(error.status_code), error.status_message, body]))
    return HandshakeError(text, error.status_code, headers.get("retry-after"))


def _failed(error: Exception) -> HandshakeError:
    return HandshakeError(f"{type(error).__name__}: {error}")
