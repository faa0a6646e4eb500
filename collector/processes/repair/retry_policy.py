"""How often, and after what delays, a refused or unreadable answer is requested again before the request is given up."""

from typing import Final

PERMANENT_STATUSES: Final = frozenset({400, 451})
"""Bad request, and unavailable for legal reasons: the same request never gets another answer."""

FORBIDDEN: Final = 403
"""The status of the exchange's web application firewall. Its limits pass, so it is given up much later than others."""

FORBIDDEN_TRIES: Final = 8
"""Fewest tries before a request that is answered 403 is given up."""

FORBIDDEN_SECS: Final = 86_400.0
"""Shortest time since the first try, in seconds, before a request that is answered 403 is given up."""

TRIES: Final = 6
"""Tries before a request with any other refusal, or with unreadable answers, is given up."""

FIRST_DELAY_SECS: Final = 10.0
"""Delay after the first try, in seconds. Such answers may come from a proxy, or from a server that is starting."""

DELAY_FACTOR: Final = 3
"""By how much each delay is longer than the one before."""

MAX_DELAY_SECS: Final = 3_600.0
"""The longest delay, in seconds."""


class RetryPolicy:
    """The policy of one feed, with a state for each request, by name. Times are monotonic seconds.

    The state is in memory only: a new process begins with none.
    """

    def __init__(self) -> None:
        self._failed: dict[str, tuple[float, int]] = {}
        """When each request first failed, and how often it has since."""
        self._unread: set[str] = set()

    def retry_delay_secs(self, name: str, status: int, now: float, *, never_give_up: bool) -> float | None:
        """Seconds to wait before the next try, after an answer of that status was of no use; None to give up.

        With `never_give_up` only permanent refusals are given up.
        """
        first_failed_at, tries = self._failed.get(name, (now, 0))
        tries += 1
        self._failed[name] = first_failed_at, tries
        if status in PERMANENT_STATUSES:
            return None
        min_tries, min_secs = (FORBIDDEN_TRIES, FORBIDDEN_SECS) if status == FORBIDDEN else (TRIES, 0.0)
        if tries >= min_tries and now - first_failed_at >= min_secs and not never_give_up:
            return None
        # The exponent is bounded, so that the power does not overflow after many tries.
        return min(MAX_DELAY_SECS, FIRST_DELAY_SECS * float(DELAY_FACTOR) ** (min(tries, TRIES) - 1))

    def is_first_unread(self, name: str) -> bool:
        """Whether this is the request's first unreadable answer; true once for each request."""
        known = name in self._unread
        self._unread.add(name)
        return not known

    def forget(self, name: str) -> None:
        """The request was answered, or is not asked any more."""
        self._failed.pop(name, None)
        self._unread.discard(name)
