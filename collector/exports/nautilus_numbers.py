"""Prices and sizes as nautilus_trader stores them: multiples of 10⁻¹⁶, in 16 bytes, little-endian.

Source: nautilus_trader 1.221, `PRECISION_BYTES` and `FIXED_PRECISION` of its builds with high precision, which its wheels are.
"""

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from collector.read.errors import QuestionError

NUMBER: Final = pa.binary(16)
"""The type of a price or a size."""
_SCALE: Final = 16
_DIGITS: Final = 38
_EXACT: Final = float(1 << 53)
"""Below it every whole number is a double."""


class Decimals:
    """Makes the numbers of one kind, and knows how many decimals they have: those of the data, whatever the exchange's steps are."""

    def __init__(self, what: str) -> None:
        """`what` they are, for an error."""
        self._what = what
        self.most = 0
        """Decimals of the number that has most of them so far."""

    def numbers(self, values: pa.Array) -> pa.Array:
        """The numbers as they are stored, each exactly the decimal that the exchange sent. Raises QuestionError if one cannot be stored.

        None may be null.
        """
        scaled = self._by_counting(values)
        if scaled is None:
            scaled = self._by_text(values)
        return pa.Array.from_buffers(NUMBER, len(scaled), [None, scaled.buffers()[1]], offset=scaled.offset)

    def text(self, value: float) -> str:
        """A value with as many decimals as the numbers have."""
        return f"{value:.{self.most}f}"

    def _by_counting(self, values: pa.Array) -> pa.Array | None:
        """Count the smallest units that each value has; None where that takes more digits than a double has."""
        for decimals in range(self.most, _SCALE + 1):
            units = pc.round(pc.multiply(values, 10.0**decimals))
            if (pc.max(pc.abs(units)).as_py() or 0.0) >= _EXACT:
                return None
            if pc.all(pc.equal(pc.divide(units, 10.0**decimals), values)).as_py():
                self.most = decimals
                return units.cast(pa.int64()).cast(pa.decimal128(_DIGITS, _SCALE - decimals))
        return None

    def _by_text(self, values: pa.Array) -> pa.Array:
        try:
            scaled = values.cast(pa.string()).cast(pa.decimal128(_DIGITS, _SCALE))
        except pa.ArrowInvalid as error:
            raise QuestionError(f"nautilus_trader cannot store each {self._what}: {error}") from error
        while not self._fits(scaled):
            self.most += 1
        return scaled

    def _fits(self, scaled: pa.Array) -> bool:
        try:
            scaled.cast(pa.decimal128(_DIGITS, self.most))
        except pa.ArrowInvalid:
            return False
        return True
