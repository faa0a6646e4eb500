"""Which feeds refuse frames because their disk budget is spent. No I/O, no clock."""

from collections.abc import Mapping
from typing import Final

_REFUSING_SECS: Final = 10.0
"""A feed that refused a frame this recently counts as refusing, unless it has recorded one since."""


class Refusals:
    """Remembers when each feed last refused a frame."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._recorded: dict[str, int] = {}
        """How many frames a feed had recorded when it last refused one."""
        self._refused_at_secs: dict[str, float] = {}

    def update(self, refused: Mapping[str, int], recorded: Mapping[str, int], uptime_secs: float) -> list[str]:
        """Take in how many frames each feed has refused and recorded so far; returns the feeds that refuse now."""
        for feed, count in refused.items():
            if count > self._counts.get(feed, 0):
                self._counts[feed], self._refused_at_secs[feed] = count, uptime_secs
                self._recorded[feed] = recorded[feed]
            elif recorded[feed] > self._recorded.get(feed, 0):
                self._refused_at_secs.pop(feed, None)
        return [feed for feed, at_secs in self._refused_at_secs.items() if uptime_secs - at_secs < _REFUSING_SECS]
