"""Happy Eyeballs: connects to the first of several addresses that answers, by RFC 8305 sections 4 and 5.

https://www.rfc-editor.org/rfc/rfc8305
"""

import errno
import math
import os
import select
import socket
import time
from collections import deque
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, Final, NamedTuple

PAUSE_SECS: Final = 0.25
"""Time from one attempt to the next, in seconds: the RFC's "Connection Attempt Delay"."""

FAILED_PAUSE_SECS: Final = 2.0
"""The same before the first address that failed lately. A distant address whose SYN was lost once (it is sent again after
1 s, RFC 6298 section 2) must win against a near one that takes connections and then fails.
"""

_UNDER_WAY: Final = frozenset({0, errno.EINPROGRESS})


class UnreachableError(OSError):
    """No address could be connected to; the text names each address that was tried, and its error."""


class Address(NamedTuple):
    """One address of a name, in the form that socket calls take."""

    family: int
    place: tuple[Any, ...]

    def __str__(self) -> str:
        host, port = self.place[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def alternating(addresses: Sequence[Address]) -> list[Address]:
    """The addresses in the order to try them: the families alternate, beginning with that of the first address."""
    preferred = [address for address in addresses if address.family == addresses[0].family]
    others = [address for address in addresses if address.family != addresses[0].family]
    return [address for pair in zip_longest(preferred, others) for address in pair if address is not None]


def race(
    addresses: Sequence[Address], timeout_secs: float, failed: Sequence[Address] = ()
) -> tuple[socket.socket, Address]:
    """Connect to the address that answers first; returns a non-blocking socket and that address.

    Each next address is tried PAUSE_SECS after the last one, or as soon as all before it have refused. Those that `failed`
    lately come last, FAILED_PAUSE_SECS after the others. Raises UnreachableError.
    """
    attempts = _Attempts()
    try:
        untried = deque((PAUSE_SECS, address) for address in addresses)
        untried.extend((PAUSE_SECS if index else FAILED_PAUSE_SECS, address) for index, address in enumerate(failed))
        winner = attempts.first_of(untried, time.monotonic() + timeout_secs)
        if winner is None:
            raise UnreachableError(
                f"no address took the connection: {attempts.errors(f'no answer in {timeout_secs:g} s')}"
            )
        return winner
    finally:
        attempts.close()


class _Attempts:
    """The sockets that are connecting, and the errors of those that failed."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._waiting: dict[int, tuple[socket.socket, Address]] = {}
        self._errors: list[str] = []

    def first_of(self, untried: deque[tuple[float, Address]], ends_at: float) -> tuple[socket.socket, Address] | None:
        """The first socket that connects, with its address; `untried` gives each address with the pause before it.

        None when the time is up or every attempt has failed.
        """
        started_at = time.monotonic()
        while (now := time.monotonic()) < ends_at and (untried or self._waiting):
            next_at = min(started_at + untried[0][0], ends_at) if untried else ends_at
            if untried and (now >= next_at or not self._waiting):
                self._start(untried.popleft()[1])
                started_at = now
                continue
            winner = self._wait_for_answer(next_at - now)
            if winner is not None:
                return winner
        return None

    def errors(self, unanswered: str) -> str:
        """The address and error of every attempt; `unanswered` is the error of those that still wait."""
        waiting = [f"{address} ({unanswered})" for _, address in self._waiting.values()]
        return ", ".join(self._errors + waiting)

    def close(self) -> None:
        """Close the sockets that are still connecting."""
        for sock, _ in self._waiting.values():
            sock.close()

    def _start(self, address: Address) -> None:
        try:
            sock = socket.socket(address.family, socket.SOCK_STREAM)
        except OSError as error:  # this machine lacks the address family, or has no descriptor left
            self._errors.append(f"{address} ({error.strerror})")
            return
        sock.setblocking(False)
        error_number = sock.connect_ex(address.place)
        if error_number in _UNDER_WAY:
            self._waiting[sock.fileno()] = sock, address
            self._poll.register(sock, select.POLLOUT)
        else:
            self._note_error(sock, address, error_number)

    def _wait_for_answer(self, wait_secs: float) -> tuple[socket.socket, Address] | None:
        for fd, _ in self._poll.poll(math.ceil(wait_secs * 1_000)):
            self._poll.unregister(fd)
            sock, address = self._waiting.pop(fd)
            error_number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if not error_number:
                return sock, address
            self._note_error(sock, address, error_number)
        return None

    def _note_error(self, sock: socket.socket, address: Address, error_number: int) -> None:
        sock.close()
        self._errors.append(f"{address} ({os.strerror(error_number)})")
