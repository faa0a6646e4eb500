"""The connection attempts an exchange allows one address, shared by every feed of the host through a small file."""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from collector.feed.shared import BUSY_SECS, SharedFile, ban_left_secs


class _Ledger(msgspec.Struct, forbid_unknown_fields=True):
    """What the file holds; times are seconds since the epoch, because processes share no other clock."""

    attempts: list[float] = []
    banned_at: float = 0.0
    banned_secs: float = 0.0


class ConnectionBudget:
    """At most `attempts` connection attempts in any `window_secs`, over all processes that use the same file.

    A file that cannot be read begins anew; times in the future (the wall clock stepped back) do not count. No call
    blocks. All raise OSError if the file cannot be opened or written.
    """

    def __init__(self, path: Path, attempts: int, window_secs: float, now_ns: Callable[[], int]) -> None:
        self._file = SharedFile(path)
        self._attempts = attempts
        self._window_secs = window_secs
        self._now_ns = now_ns

    def take(self) -> float:
        """0.0 if an attempt may be made now, which is then noted; else the seconds after which to ask again."""
        return self._change(self._take)

    def ban(self, secs: float) -> float:
        """Note that the exchange wants no attempt from this address for so long; 0.0 once noted, else as `take`."""

        def note(ledger: _Ledger, now: float) -> float:
            if secs > ban_left_secs(ledger.banned_at, ledger.banned_secs, now):
                ledger.banned_at, ledger.banned_secs = now, secs
            return 0.0

        return self._change(note)

    def _change(self, change: Callable[[_Ledger, float], float]) -> float:
        wait = self._file.change(_Ledger, lambda ledger: change(ledger, self._now_ns() / 1e9))
        return BUSY_SECS if wait is None else wait

    def _take(self, ledger: _Ledger, now: float) -> float:
        ledger.attempts = [at for at in ledger.attempts if now - self._window_secs < at <= now]
        wait = max(
            wait_secs(ledger.attempts, now, self._attempts, self._window_secs),
            ban_left_secs(ledger.banned_at, ledger.banned_secs, now),
        )
        if wait == 0:
            ledger.attempts.append(now)
        return wait


def wait_secs(attempts: Sequence[float], now: float, allowed: int, window_secs: float) -> float:
    """Seconds until a further attempt keeps to `allowed` in any `window_secs`; `attempts` lie within the window."""
    if len(attempts) < allowed:
        return 0.0
    return max(0.0, sorted(attempts)[-allowed] + window_secs - now)
