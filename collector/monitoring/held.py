"""For how long each of several things has held without a break. No I/O, no clock."""

from collections.abc import Collection, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Held(Generic[K]):
    """Follows them by the uptime, which no step of the clock affects."""

    def __init__(self) -> None:
        self._since: dict[K, float] = {}

    def update(self, holding: Collection[K], uptime_secs: float) -> dict[K, float]:
        """Those that hold now, each with its seconds."""
        self._since = {key: self._since.get(key, uptime_secs) for key in holding}
        return {key: uptime_secs - since for key, since in self._since.items()}

    def longer(self, holding: Collection[K], uptime_secs: float, limit_secs: float) -> list[K]:
        """Those of them that have held for longer than the limit."""
        return [key for key, secs in self.update(holding, uptime_secs).items() if secs > limit_secs]
