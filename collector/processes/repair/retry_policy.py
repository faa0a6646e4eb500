"""How often a request that was refused, or answered so that nobody can read it, is asked again before it is given up."""

from typing import Final

FOR_GOOD: Final = frozenset({400, 451})
"""A bad request, and a legal bar: the same question never gets another answer."""

FORBIDDEN: Final = 403
"""From the exchange's firewall: a limit that passes, unless it still stands after"""

FORBIDDEN_TRIES: Final = 8
FORBIDDEN_SECS: Final = 86_400.0
"""so many tries over so long."""

FIRST_SECS: Final = 10.0
"""Other refusals, and what cannot be read, may be a proxy's or a server's in the making: asked again after so long,"""

GROWTH: Final = 3
"""so many times as long after each try,"""

LONGEST_SECS: Final = 3_600.0
"""and no longer than that,"""

TRIES: Final = 6
"""but only so many times."""


class RetryPolicy:
    """Of one mender, with each of its requests by name; a new process begins anew. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._failed: dict[str, tuple[float, int]] = {}
        self._unread: set[str] = set()

    def retry_delay_secs(self, name: str, status: int, now: float, *, never_give_up: bool) -> float | None:
        """After what time to ask again what an answer of that status did not bring; None: never.

        `never_give_up`: only what is refused for good is given up.
        """
        since, tries = self._failed.get(name, (now, 0))
        tries += 1
        self._failed[name] = since, tries
        if status in FOR_GOOD:
            return None
        most, longest_secs = (FORBIDDEN_TRIES, FORBIDDEN_SECS) if status == FORBIDDEN else (TRIES, 0.0)
        if tries >= most and now - since >= longest_secs and not never_give_up:
            return None
        # Beyond the tries it grows no more, so that the power stays small.
        return min(LONGEST_SECS, FIRST_SECS * float(GROWTH) ** (min(tries, TRIES) - 1))

    def is_first_unread(self, name: str) -> bool:
        """Whether nothing unreadable came before; true once."""
        known = name in self._unread
        self._unread.add(name)
        return not known

    def forget(self, name: str) -> None:
        """It was answered, or is not asked any more."""
        self._failed.pop(name, None)
        self._unread.discard(name)
