"""How far the pages of missing trades have come, for each request. In memory only."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from collector.domain.records import INT64_MAX

EMPTY_DELAY_SECS: Final = 2.0
"""Delay before an empty page of trades is requested again, in seconds; it doubles each time. Trades that are missing at
the end of what the exchange has may still come: it may answer from a replica that is not up to date."""

EMPTY_TRIES: Final = 6
"""Empty pages in a row, after the first, before the request ends."""


class Pages:
    """By the request's name."""

    def __init__(self) -> None:
        self._cursors: dict[str, str] = {}
        self._seen: dict[str, tuple[int, int]] = {}
        """The lowest and the highest id that the pages of a request have brought."""
        self._empty: Counter[str] = Counter()

    def cursor(self, name: str) -> str:
        """Where the next page begins; empty for the first one."""
        return self._cursors.get(name, "")

    def is_new(self, name: str, ids: Sequence[int]) -> bool:
        """Whether a page goes beyond those before it, up or down; one that does not is as good as empty, whatever its cursor."""
        if not ids:
            return False
        low, high = self._seen.get(name, (INT64_MAX, -1))
        return min(ids) < low or max(ids) > high

    def saw(self, name: str, ids: Sequence[int]) -> None:
        """A page brought these ids."""
        if ids:
            low, high = self._seen.get(name, (INT64_MAX, -1))
            self._seen[name] = min(low, *ids), max(high, *ids)

    def advance(self, name: str, cursor: str) -> None:
        """A page came; the next one begins at `cursor`."""
        self._cursors[name] = cursor
        del self._empty[name]

    def empty(self, name: str) -> float | None:
        """A page brought nothing new; returns the delay before it is requested again, or None if it need not be."""
        tries = self._empty[name]
        if tries == EMPTY_TRIES:
            return None
        self._empty[name] += 1
        return EMPTY_DELAY_SECS * 2.0**tries

    def forget(self, name: str) -> None:
        """The request begins anew, or is not asked any more."""
        self._cursors.pop(name, None)
        self._seen.pop(name, None)
        del self._empty[name]
