"""Which exchanges send frames that cannot be decoded, as a share of what came from them lately. No I/O, no clock."""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from collector.domain.records import UNDECODED
from collector.reports import StreamNumbers

WINDOW_SECS: Final = 300.0
"""What counts as lately: five minutes, as for rates and restart loops."""

MAX_SHARE: Final = 0.01
"""Above this share of what an exchange sends something has changed there.

A message type that changed its form shows far above this, unless it is so rare that its streams fall silent, which is a
reason of its own. A connection that damages a frame now and then stays far below.
"""

MIN_FRAMES: Final = 20
"""Fewer within the window are never a reason: each is stored, logged and in the gap ledger anyway."""

STEP_SECS: Final = 10.0
"""How often the counts are sampled: the window holds 31 samples."""


class UndecodableShare(NamedTuple):
    """Frames of an exchange that could not be decoded, and all its messages and such frames, within the window."""

    undecodable: int
    total: int

    @property
    def is_too_large(self) -> bool:
        """Whether these are more than a few damaged frames."""
        return self.undecodable >= MIN_FRAMES and self.undecodable > MAX_SHARE * self.total


class UndecodableWatch:
    """Follows both counts of each exchange over the window."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, Mapping[str, UndecodableShare]]] = deque()
        self.shares: Mapping[str, UndecodableShare] = {}
        """By exchange, as of the newest sample."""

    def note(self, at_secs: float, streams: Iterable[StreamNumbers]) -> None:
        """Take in the totals of all streams at this monotonic time; ignored within STEP_SECS of the last sample."""
        if self._samples and at_secs - self._samples[-1][0] < STEP_SECS:
            return
        self._samples.append((at_secs, _totals(streams)))
        while self._samples[0][0] < at_secs - WINDOW_SECS:
            self._samples.popleft()
        then, now = self._samples[0][1], self._samples[-1][1]
        self.shares = {exchange: _rise(then.get(exchange), totals) for exchange, totals in now.items()}


def _totals(streams: Iterable[StreamNumbers]) -> Mapping[str, UndecodableShare]:
    undecodable: defaultdict[str, int] = defaultdict(int)
    total: defaultdict[str, int] = defaultdict(int)
    for stream in streams:
        received = stream.messages + stream.duplicates
        total[stream.exchange] += received
        if stream.data_type == UNDECODED:
            undecodable[stream.exchange] += received
    return {exchange: UndecodableShare(undecodable[exchange], count) for exchange, count in total.items()}


def _rise(then: UndecodableShare | None, now: UndecodableShare) -> UndecodableShare:
    if then is None:
        return now
    return UndecodableShare(now.undecodable - then.undecodable, now.total - then.total)
