"""Checksums of a book: proof that it was built from every message, for exchanges that send a checksum with each.

They are computed from the text of the best levels, so prices and sizes must be kept as sent, with trailing zeros, and
the book must be cut to its subscribed depth after each message.
"""

import zlib
from collections.abc import Iterable
from typing import Final

Level = tuple[str, str]
"""Price and size as the exchange wrote them."""

_LEVELS: Final = 10


def kraken(bids: Iterable[Level], asks: Iterable[Level]) -> int:
    """Kraken's checksum, v1 and v2: CRC32 of the digits of the ten best asks, then bids, without point and leading zeros.

    Best levels first. v1 sends the numbers as strings (and the checksum as a decimal string), v2 as JSON numbers.
    Source: https://docs.kraken.com/api/docs/guides/spot-ws-book-v2
    """
    text = "".join(_digits(number) for side in (asks, bids) for level in list(side)[:_LEVELS] for number in level)
    return zlib.crc32(text.encode())


def _digits(number: str) -> str:
    return number.replace(".", "").lstrip("0")
