"""Dialling: a name is looked up, and its addresses are raced."""

import socket
from collections import Counter
from threading import Lock
from typing import Final

from collector.dial.lookup import addresses_of
from collector.dial.race import in_turn, race

LOOKUP_SECS: Final = 10.0
"""Two of a resolver's usual tries, of 5 s each: https://man7.org/linux/man-pages/man5/resolv.conf.5.html"""

CONNECT_SECS: Final = 10.0

_turns: Final = Counter[tuple[str, int]]()
_turning: Final = Lock()


def dial(host: str, port: int, timeout_secs: float) -> socket.socket:
    """A connected socket, whose calls wait `timeout_secs` as connecting did; looking the name up has LOOKUP_SECS.

    Raises UnreachableError, or ValueError for a name that no lookup takes.
    """
    addresses = addresses_of(host, port, LOOKUP_SECS)
    sock = race(in_turn(addresses, _turns[host, port]), timeout_secs)
    sock.settimeout(timeout_secs)
    return sock


def pass_over(host: str, port: int) -> None:
    """Whoever dials this next begins with another address: the one that took the connection then failed."""
    with _turning:
        _turns[host, port] += 1
