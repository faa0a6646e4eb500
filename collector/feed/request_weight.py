"""The request weight that an exchange allows one IP address: a file counts the weight this recorder has used.

What other programs at this address use is read from the exchange's answers: a header gives the weight used by all of them.
Source: https://developers.binance.com/docs/binance-spot-api-docs/rest-api/limits
"""

from collections.abc import Callable, Sequence
from math import floor
from pathlib import Path
from typing import Final

import msgspec

from collector.feed.shared_budget import BanState, SharedBudget

RESERVE_SHARE: Final = 0.1
"""Share of the exchange's limit that we leave unused, counting the requests of others at this address."""


class _Account(BanState):
    """The content of the file."""

    spent: list[tuple[float, int]] = msgspec.field(default_factory=list)
    """Our requests within the window: wall time in seconds, and weight."""
    used_at: float = 0.0
    """Wall time of the last answer that gave the weight used."""
    used: int = 0
    """The weight used by everybody at this address: as that answer gave it, and what we have used since."""


class WeightBudget(SharedBudget[_Account]):
    """At most `share` of the exchange's `weight` in any `window_secs`, over all feeds and incarnations that use the file.

    A single request that is larger than the share is allowed if it is the only one within the window. Times in the future,
    left by a wall clock that was set back, do not count.
    """

    def __init__(self, path: Path, weight: int, window_secs: float, share: float, now_ns: Callable[[], int]) -> None:
        super().__init__(path, _Account, now_ns)
        self._weight = weight
        self._window_secs = window_secs
        self._share = share
        self._spare = self.allowed

    def take(self, weight: int, keep: int = 0) -> float:
        """0.0 if a request of this weight may be sent now, which then counts; else the seconds to wait before the next call.

        It may be sent only if `keep` of our share is left after it.
        """
        return self._wait_secs(lambda account, now: self._take(account, weight, keep, now))

    def spare(self) -> int:
        """The weight of our share that may be used now; as it was known last while another process holds the file."""

        def left(account: _Account, now: float) -> int:
            if account.ban_left_secs(now) > 0:
                return 0
            return self.allowed - sum(cost for _, cost in self._recent(account, now))

        found = self._change(left)
        if found is not None:
            self._spare = max(0, found)
        return self._spare

    @property
    def allowed(self) -> int:
        """Our share: the weight that may be used in any window."""
        return floor(self._share * self._weight)

    def note_used(self, used: int) -> float:
        """An answer gave the weight used by everybody in this window; 0.0 once noted, else the seconds to wait, as `take`."""

        def note(account: _Account, now: float) -> float:
            account.used_at, account.used = now, used
            return 0.0

        return self._wait_secs(note)

    def spent(self) -> int | None:
        """The weight of our requests within the window; None while another process holds the file."""
        return self._change(lambda account, now: sum(cost for _, cost in self._recent(account, now)))

    def _take(self, account: _Account, weight: int, keep: int, now: float) -> float:
        account.spent = self._recent(account, now)
        wait = max(
            account.ban_left_secs(now),
            own_wait_secs(account.spent, now, weight, self._share * self._weight - keep, self._window_secs),
            self._common_wait_secs(account, weight, now),
        )
        if wait == 0:
            account.spent.append((now, weight))
            account.used += weight
        return wait

    def _recent(self, account: _Account, now: float) -> list[tuple[float, int]]:
        return [(at, cost) for at, cost in account.spent if now - self._window_secs < at <= now]

    def _common_wait_secs(self, account: _Account, weight: int, now: float) -> float:
        """Seconds until the exchange's window is over, if its limit is reached; windows begin at multiples of their length."""
        window = floor(now / self._window_secs)
        if floor(account.used_at / self._window_secs) != window:
            account.used_at, account.used = now, 0
        if account.used == 0 or account.used + weight <= self._weight * (1 - RESERVE_SHARE):
            return 0.0
        return (window + 1) * self._window_secs - now


def own_wait_secs(
    spent: Sequence[tuple[float, int]], now: float, weight: int, allowed: float, window_secs: float
) -> float:
    """Seconds until `weight` more makes at most `allowed` in any `window_secs`, or until it is the only request in it.

    `spent` are the times and weights of the requests within the window, oldest first.
    """
    used, wait = sum(cost for _, cost in spent), 0.0
    for at, cost in spent:
        if used + weight <= allowed:
            break
        used -= cost
        wait = at + window_secs - now
    return max(0.0, wait)
