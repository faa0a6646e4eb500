"""A second connection on trial: whether it goes on is settled once, by whoever comes first."""

import threading
from collections.abc import Iterable

from collector.domain.records import StreamKey


class ConnectionTrial:
    """It is kept if it brings one of the streams it is for, or if the first connection ends; else it is given up.

    Both connections' threads may ask for either: the answer is the same for both.
    """

    def __init__(self, wanted: Iterable[StreamKey]) -> None:
        self.wanted = frozenset(wanted)
        self._lock = threading.Lock()
        self._kept: bool | None = None

    @property
    def is_pending(self) -> bool:
        """Whether nothing is settled yet."""
        return self._kept is None

    @property
    def is_kept(self) -> bool:
        """Whether it goes on."""
        return self._kept is True

    @property
    def is_given_up(self) -> bool:
        """Whether it ends."""
        return self._kept is False

    def keep(self) -> bool:
        """Let it go on; False if it had been given up."""
        return self._settle(kept=True)

    def give_up(self) -> bool:
        """Let it end; False if it had been kept."""
        return not self._settle(kept=False)

    def _settle(self, *, kept: bool) -> bool:
        with self._lock:
            if self._kept is None:
                self._kept = kept
            return self._kept
