"""Which addresses took a connection and then failed: they are tried after all others, and never left out."""

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Final

from collector.dial.happy_eyeballs import Address

REMEMBERED_SECS: Final = 3_600.0
"""A round of many addresses has room in it, at the longest pause between two attempts (300 s)."""

MAX_REMEMBERED: Final = 256


class PassedOver:
    """For any thread. By address, not by count: two threads that fail at once must not come round to the same one."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._noted: dict[Address, float] = {}  # when, the oldest first
        self._changing = Lock()

    def note(self, address: Address) -> None:
        """It failed just now. Beyond MAX_REMEMBERED the one noted longest ago is forgotten."""
        with self._changing:
            self._noted.pop(address, None)
            self._noted[address] = self._monotonic()
            if len(self._noted) > MAX_REMEMBERED:
                del self._noted[next(iter(self._noted))]

    def parted(self, addresses: Sequence[Address]) -> tuple[list[Address], list[Address]]:
        """Those that are not remembered, in their order; and those that are, the one noted longest ago first."""
        with self._changing:
            since = self._monotonic() - REMEMBERED_SECS
            ranks = {address: rank for rank, (address, at) in enumerate(self._noted.items()) if at > since}
        return [address for address in addresses if address not in ranks], sorted(
            (address for address in addresses if address in ranks), key=ranks.__getitem__
        )
