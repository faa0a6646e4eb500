"""How fast the streams' counts rise."""

from collections import deque
from collections.abc import Mapping
from typing import Any, Final

RATE_SECS: Final = 10.0
"""What a rate is the mean of."""

Rates = Mapping[tuple[str, ...], float]
"""Messages a second of each stream (exchange, symbol, data type)."""


class Speed:
    """Keeps the streams' counts of the last RATE_SECS."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, dict[tuple[str, ...], int]]] = deque()

    def rates(self, status: Mapping[str, Any], at_secs: float) -> Rates:
        """Messages a second of each stream; empty for the first status."""
        now: dict[tuple[str, ...], int] = {
            (s["exchange"], s["symbol"], s["data_type"]): s["messages"] for s in status["streams"]
        }
        self._seen.append((at_secs, now))
        while at_secs - self._seen[0][0] > RATE_SECS:
            self._seen.popleft()
        first_secs, before = self._seen[0]
        elapsed_secs = at_secs - first_secs
        if elapsed_secs <= 0:
            return {}
        return {key: max(0, count - before.get(key, count)) / elapsed_secs for key, count in now.items()}
