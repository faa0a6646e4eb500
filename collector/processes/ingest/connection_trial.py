"""A connection on trial: whether it is kept is decided once, by whichever thread decides first."""

import threading
from collections.abc import Iterable

from collector.domain.records import StreamKey


class ConnectionTrial:
    """The connection is kept if it brings one of the streams it was opened for, or if the first connection ends.

    Otherwise it is given up. The threads of both connections may decide; both get the same answer.
    """

    def __init__(self, wanted: Iterable[StreamKey]) -> None:
        self.wanted = frozenset(wanted)
        """The streams it was opened for."""
        self._lock = threading.Lock()
        self._kept: bool | None = None

    @property
    def is_pending(self) -> bool:
        """Whether nothing is decided yet."""
        return self._kept is None

    @property
    def is_kept(self) -> bool:
        """Whether the connection is kept."""
        return self._kept is True

    @property
    def is_given_up(self) -> bool:
        """Whether the connection is given up."""
        return self._kept is False

    def keep(self) -> bool:
        """Decide to keep the connection; False if it was given up before."""
        return self._decide(kept=True)

    def give_up(self) -> bool:
        """Decide to give the connection up; False if it was kept before."""
        return not self._decide(kept=False)

    def _decide(self, *, kept: bool) -> bool:
        with self._lock:
            if self._kept is None:
                self._kept = kept
            return self._kept
