"""The connection attempts an exchange allows one address, shared by every feed of the host through a small file."""

import fcntl
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

BUSY_SECS: Final = 0.05
"""How long to wait while another feed holds the file: it holds it for the time of one small write."""


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
        self._path = path
        self._attempts = attempts
        self._window_secs = window_secs
        self._now_ns = now_ns

    def take(self) -> float:
        """0.0 if an attempt may be made now, which is then noted; else the seconds after which to ask again."""
        return self._under_lock(self._take)

    def ban(self, secs: float) -> float:
        """Note that the exchange wants no attempt from this address for so long; 0.0 once noted, else as `take`."""

        def note(ledger: _Ledger, now: float) -> float:
            if secs > _ban_left(ledger, now):
                ledger.banned_at, ledger.banned_secs = now, secs
            return 0.0

        return self._under_lock(note)

    def _take(self, ledger: _Ledger, now: float) -> float:
        ledger.attempts = [at for at in ledger.attempts if now - self._window_secs < at <= now]
        wait = max(wait_secs(ledger.attempts, now, self._attempts, self._window_secs), _ban_left(ledger, now))
        if wait == 0:
            ledger.attempts.append(now)
        return wait

    def _under_lock(self, change: Callable[[_Ledger, float], float]) -> float:
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return self._change(fd, change)
        except BlockingIOError:
            return BUSY_SECS
        finally:
            os.close(fd)

    def _change(self, fd: int, change: Callable[[_Ledger, float], float]) -> float:
        old = os.pread(fd, os.fstat(fd).st_size, 0)
        ledger = _read(old)
        wait = change(ledger, self._now_ns() / 1e9)
        new = msgspec.json.encode(ledger)
        if new != old:
            # In place: a renamed file would leave a waiting feed with a lock on the old one.
            os.pwrite(fd, new, 0)
            os.ftruncate(fd, len(new))
        return wait


def wait_secs(attempts: Sequence[float], now: float, allowed: int, window_secs: float) -> float:
    """Seconds until a further attempt keeps to `allowed` in any `window_secs`; `attempts` lie within the window."""
    if len(attempts) < allowed:
        return 0.0
    return max(0.0, sorted(attempts)[-allowed] + window_secs - now)


def _ban_left(ledger: _Ledger, now: float) -> float:
    if ledger.banned_at > now:
        return 0.0
    return max(0.0, ledger.banned_at + ledger.banned_secs - now)


def _read(data: bytes) -> _Ledger:
    try:
        return msgspec.json.decode(data, type=_Ledger)
    except msgspec.MsgspecError:
        # Empty when new, torn when its writer was killed: forgetting some attempts is better than never connecting.
        return _Ledger()
