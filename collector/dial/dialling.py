"""Dialling: a name is looked up, and its addresses are raced."""

import socket
import time
from typing import Final

from collector.dial.failed_addresses import PassedOver
from collector.dial.happy_eyeballs import Address, alternating, race
from collector.dial.lookup import addresses_of

LOOKUP_SECS: Final = 10.0
"""Two of a resolver's usual tries, of 5 s each: https://man7.org/linux/man-pages/man5/resolv.conf.5.html"""

CONNECT_SECS: Final = 10.0

SERVER_ERROR: Final = 500
"""Statuses from here on are the server's own fault (RFC 9110 section 15.6), which another may not have."""

_passed: Final = PassedOver(time.monotonic)


def dial(host: str, port: int, timeout_secs: float) -> tuple[socket.socket, Address]:
    """A connected socket, whose calls wait `timeout_secs` as connecting did, and its address.

    Looking the name up has LOOKUP_SECS.
    Raises UnreachableError, or ValueError for a name that no lookup takes.
    """
    addresses = addresses_of(host, port, LOOKUP_SECS)
    sound, doubtful = _passed.parted(alternating(addresses))
    sock, address = race(sound, timeout_secs, doubtful)
    sock.settimeout(timeout_secs)
    return sock, address


def pass_over(address: Address) -> None:
    """Whoever dials next begins with another of a name's addresses: this one took the connection and then failed."""
    _passed.note(address)
