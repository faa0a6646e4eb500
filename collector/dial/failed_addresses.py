"""The addresses that took a connection and then failed: they are tried after all others, but never left out."""

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Final

from collector.dial.happy_eyeballs import Address

REMEMBERED_SECS: Final = 3_600.0
"""How long an address is remembered: long enough to try many addresses at the longest reconnect delay (300 s)."""

MAX_REMEMBERED: Final = 256
"""How many addresses are remembered at most."""


class FailedAddresses:
    """For any thread. It keeps addresses, not a count of failures: with a count, threads that fail together would all come
    back to the same address.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._failed_at: dict[Address, float] = {}
        """Oldest first."""
        self._lock = Lock()

    def note(self, address: Address) -> None:
        """The address failed just now. Beyond MAX_REMEMBERED the oldest one is forgotten."""
        with self._lock:
            self._failed_at.pop(address, None)
            self._failed_at[address] = self._monotonic()
            if len(self._failed_at) > MAX_REMEMBERED:
                del self._failed_at[next(iter(self._failed_at))]

    def split(self, addresses: Sequence[Address]) -> tuple[list[Address], list[Address]]:
        """Those that have not failed, in their order, and those that have, oldest failure first."""
        with self._lock:
            since = self._monotonic() - REMEMBERED_SECS
            ranks = {address: rank for rank, (address, at) in enumerate(self._failed_at.items()) if at > since}
        return [address for address in addresses if address not in ranks], sorted(
            (address for address in addresses if address in ranks), key=ranks.__getitem__
        )
