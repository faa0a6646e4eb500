"""Dialling: looks a name up and connects to the first of its addresses that answers."""

import socket
import time
from typing import Final

from collector.dial.failed_addresses import FailedAddresses
from collector.dial.happy_eyeballs import Address, alternating, race
from collector.dial.lookup import addresses_of

LOOKUP_SECS: Final = 10.0
"""Timeout of a name lookup: two usual tries of a resolver, of 5 s each.
https://man7.org/linux/man-pages/man5/resolv.conf.5.html"""

CONNECT_SECS: Final = 10.0
"""Timeout of the connection attempts to all addresses together."""

SERVER_ERROR: Final = 500
"""Statuses from here on are failures of that server (RFC 9110 section 15.6); another address may work."""

_failed_addresses: Final = FailedAddresses(time.monotonic)


def dial(host: str, port: int, timeout_secs: float) -> tuple[socket.socket, Address]:
    """Connect within `timeout_secs`, after a name lookup of at most LOOKUP_SECS; returns the socket and its address.

    The socket's timeout is `timeout_secs`, too. Raises UnreachableError, or ValueError for a name that cannot be looked up.
    """
    addresses = addresses_of(host, port, LOOKUP_SECS)
    others, failed = _failed_addresses.split(alternating(addresses))
    sock, address = race(others, timeout_secs, failed)
    sock.settimeout(timeout_secs)
    return sock, address


def mark_failed(address: Address) -> None:
    """Note that an address took a connection and then failed: the next dial begins with another address of the name."""
    _failed_addresses.note(address)
