"""Connecting to the first of several addresses that answers: RFC 8305 sections 4 and 5.

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
"""An address that has not answered after this gets company. The RFC's "Connection Attempt Delay"."""

DOUBTFUL_PAUSE_SECS: Final = 2.0
"""The same before the first that is only tried for want of better ones: a far one whose SYN was lost once (sent again
after 1 s, RFC 6298 section 2) must win against a near one that takes connections and is no good.
"""

_UNDER_WAY: Final = frozenset({0, errno.EINPROGRESS})


class UnreachableError(OSError):
    """No connection came about; the text names what was tried, and what became of it."""


class Address(NamedTuple):
    """One address of a name, as the system's calls want it."""

    family: int
    place: tuple[Any, ...]

    def __str__(self) -> str:
        host, port = self.place[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def alternating(addresses: Sequence[Address]) -> list[Address]:
    """In the order to try them: the families alternate, beginning with the preferred one."""
    preferred = [address for address in addresses if address.family == addresses[0].family]
    others = [address for address in addresses if address.family != addresses[0].family]
    return [address for pair in zip_longest(preferred, others) for address in pair if address is not None]


def race(
    addresses: Sequence[Address], timeout_secs: float, doubtful: Sequence[Address] = ()
) -> tuple[socket.socket, Address]:
    """A socket connected to the address that answered first, and which that is; the others are closed. It does not block.

    The next address is tried PAUSE_SECS after the last one, or as soon as all before it refused; those that are doubtful
    last, DOUBTFUL_PAUSE_SECS after the others. Raises UnreachableError.
    """
    attempts = _Attempts()
    try:
        untried = deque((PAUSE_SECS, address) for address in addresses)
        untried.extend((PAUSE_SECS if at else DOUBTFUL_PAUSE_SECS, address) for at, address in enumerate(doubtful))
        winner = attempts.first_of(untried, time.monotonic() + timeout_secs)
        if winner is None:
            raise UnreachableError(
                f"no address took the connection: {attempts.told(f'no answer in {timeout_secs:g} s')}"
            )
        return winner
    finally:
        attempts.close()


class _Attempts:
    """The sockets that are connecting, and what became of those that are not any more."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._waiting: dict[int, tuple[socket.socket, Address]] = {}
        self._failed: list[str] = []

    def first_of(self, untried: deque[tuple[float, Address]], ends_at: float) -> tuple[socket.socket, Address] | None:
        """Each address comes with the longest pause before it.

        None when the time is up, or no attempt is left to wait for.
        """
        began_at = time.monotonic()
        while (now := time.monotonic()) < ends_at and (untried or self._waiting):
            next_at = min(began_at + untried[0][0], ends_at) if untried else ends_at
            if untried and (now >= next_at or not self._waiting):
                self._begin(untried.popleft()[1])
                began_at = now
                continue
            winner = self._answered(next_at - now)
            if winner is not None:
                return winner
        return None

    def told(self, unanswered: str) -> str:
        """Every address that was tried, and what became of it."""
        silent = [f"{address} ({unanswered})" for _, address in self._waiting.values()]
        return ", ".join(self._failed + silent)

    def close(self) -> None:
        """Give up what is still connecting."""
        for sock, _ in self._waiting.values():
            sock.close()

    def _begin(self, address: Address) -> None:
        try:
            sock = socket.socket(address.family, socket.SOCK_STREAM)
        except OSError as error:  # this machine does not know the family, or has no descriptor left
            self._failed.append(f"{address} ({error.strerror})")
            return
        sock.setblocking(False)
        number = sock.connect_ex(address.place)
        if number in _UNDER_WAY:
            self._waiting[sock.fileno()] = sock, address
            self._poll.register(sock, select.POLLOUT)
        else:
            self._lost(sock, address, number)

    def _answered(self, wait_secs: float) -> tuple[socket.socket, Address] | None:
        for fd, _ in self._poll.poll(math.ceil(wait_secs * 1_000)):
            self._poll.unregister(fd)
            sock, address = self._waiting.pop(fd)
            number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if not number:
                return sock, address
            self._lost(sock, address, number)
        return None

    def _lost(self, sock: socket.socket, address: Address, number: int) -> None:
        sock.close()
        self._failed.append(f"{address} ({os.strerror(number)})")
