"""TLS over a connected socket, in large reads.

Exchanges send each frame in a TLS record of its own, and an `ssl.SSLSocket` reads the kernel twice for each record. Here
OpenSSL works in memory, so one read of the kernel brings all the records that have arrived.
"""

import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from copy import copy
from functools import partial
from typing import Final, TypeVar

READ_BYTES: Final = 256 << 10
"""The most that one read of the kernel takes."""

_RECORD_BYTES: Final = 16 << 10
"""The most that a TLS record holds, and one call of OpenSSL returns (RFC 8446 section 5.1)."""

T = TypeVar("T")


class TlsSocket:
    """The client's end of a TLS connection, used by websocket-client in place of a socket; for one thread.

    The handshake is made at once, in at most the socket's timeout, which must not be None. Raises OSError, of which
    ssl.SSLError is one, and ssl.SSLCertVerificationError for a certificate that cannot be trusted.
    """

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, host: str, monotonic: Callable[[], float]) -> None:
        self._sock = sock
        self._monotonic = monotonic
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        # The object below `self._tls`: its public method of the same name adds a call in Python to each record.
        openssl = self._tls._sslobj  # type: ignore[attr-defined]  # noqa: SLF001 -- see above
        self._read_record: Callable[[], bytes] = partial(openssl.read, _RECORD_BYTES)
        self._memory = memoryview(bytearray(READ_BYTES))
        self._is_drained = True
        """Whether everything that was read from the kernel has been decrypted, except for a part of a record."""
        self._is_over = False
        # Failures are kept and raised as copies: a traceback would hold this object and its memory in a reference cycle.
        self._read_failure: OSError | None = None
        self._send_failure: OSError | None = None
        self.fileno = sock.fileno
        self.settimeout = sock.settimeout
        self.gettimeout = sock.gettimeout
        self.close = sock.close
        self._exchange(self._tls.do_handshake)

    @property
    def has_waiting(self) -> bool:
        """Whether `receive` returns, or raises, without reading the kernel."""
        return not self._is_drained or self._is_over or self._read_failure is not None

    def receive(self) -> bool:
        """Read the kernel once, waiting at most the socket's timeout, if nothing is left of an earlier read.

        Returns False at the end of the stream. Raises OSError.
        """
        if self._read_failure is not None:
            raise copy(self._read_failure)
        return not self._is_over and (not self._is_drained or self._feed())

    def received(self) -> bytes:
        """Decrypt all whole records that were received; empty if there is only a part of one. Never waits for the peer.

        What follows a damaged record is lost; the next `receive` raises the error, or returns False after the peer's
        last record.
        """
        records: list[bytes] = []
        append, arrived = records.append, self._incoming
        try:
            for record in iter(self._read_record, b""):
                append(record)
                if not arrived.pending and not self._tls.pending():
                    break
            else:
                self._is_over = True
        except ssl.SSLWantReadError:
            pass  # the rest of a record is still to come
        except OSError as error:
            self._read_failure = copy(error)
        self._is_drained = True
        with suppress(OSError):  # kept for the next `send`: what was received counts first
            self._flush()  # TLS may have to answer, with new keys or an alert
        return b"".join(records)

    def recv(self, size: int) -> bytes:
        """Like `socket.recv`."""
        return self._exchange(partial(self._tls.read, size))

    def send(self, data: bytes) -> int:
        """Like `socket.sendall`, but returns the count. After a failure, which may have cut a record, nothing is sent."""
        return self._exchange(partial(self._tls.write, data))

    def _exchange(self, step: Callable[[], T]) -> T:
        """Do something for which TLS may first need answers of the peer, in at most the socket's timeout."""
        timeout_secs = self._sock.gettimeout()
        deadline = self._monotonic() + (timeout_secs or 0.0)
        try:
            result = self._repeat(step, deadline)
        except ssl.SSLError:
            with suppress(OSError):
                self._flush()  # the alert that tells the peer why
            raise
        finally:
            self._sock.settimeout(timeout_secs)
        self._flush()
        return result

    def _repeat(self, step: Callable[[], T], deadline: float) -> T:
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                self._flush()
            if (remaining_secs := deadline - self._monotonic()) <= 0:
                raise TimeoutError("timed out")
            self._sock.settimeout(remaining_secs)
            if not self._feed():
                self._incoming.write_eof()

    def _feed(self) -> bool:
        count = self._sock.recv_into(self._memory)
        self._incoming.write(self._memory[:count])
        self._is_drained = not count
        return bool(count)

    def _flush(self) -> None:
        if self._send_failure is not None:
            raise copy(self._send_failure)
        try:
            if self._outgoing.pending:
                self._sock.sendall(self._outgoing.read())
        except OSError as error:
            self._send_failure = copy(error)
            raise
