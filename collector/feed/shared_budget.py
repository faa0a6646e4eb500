"""A rate limit that a recorder's processes share through a small file, which one of them at a time reads, changes and writes."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, TypeVar

import msgspec

from collector.domain.disk_waits import disk_wait
from collector.domain.retry import LONGEST_BAN_SECS

BUSY_SECS: Final = 0.05
"""How long to wait while another process holds the file, which it does for the time of one small write."""


class BanState(msgspec.Struct, forbid_unknown_fields=True):
    """What every such file contains; times are seconds since the epoch, because processes share no other clock."""

    banned_at: float = 0.0
    banned_secs: float = 0.0

    def ban(self, secs: float, now: float) -> None:
        """Begin a ban, unless the present one lasts longer."""
        if secs > self.ban_left_secs(now):
            self.banned_at, self.banned_secs = now, secs

    def ban_left_secs(self, now: float) -> float:
        """Seconds until the ban ends. A ban that begins in the future, left by a clock that was set back, does not count.

        Never more than LONGEST_BAN_SECS, whatever the file says.
        """
        secs = min(self.banned_secs, LONGEST_BAN_SECS)
        return 0.0 if self.banned_at > now else max(0.0, self.banned_at + secs - now)


Content = TypeVar("Content", bound=BanState)
Result = TypeVar("Result")


class SharedBudget(Generic[Content]):
    """One struct in one file. An unreadable file counts as empty: losing the count is better than never connecting again.

    No call blocks. Every call raises OSError if the file cannot be opened or written.
    """

    def __init__(self, path: Path, kind: type[Content], now_ns: Callable[[], int]) -> None:
        self._path = path
        self._kind = kind
        self._now_ns = now_ns

    def ban(self, secs: float) -> float:
        """The exchange bans this address for that long; 0.0 once noted, else the seconds to wait before the next call."""

        def note(content: Content, now: float) -> float:
            content.ban(secs, now)
            return 0.0

        return self._wait_secs(note)

    def _wait_secs(self, rule: Callable[[Content, float], float]) -> float:
        wait = self._change(rule)
        return BUSY_SECS if wait is None else wait

    def _change(self, rule: Callable[[Content, float], Result]) -> Result | None:
        """Apply `rule` to the content and the wall time; returns its result, or None if another process holds the file."""
        with disk_wait():
            return self._change_file(rule)

    def _change_file(self, rule: Callable[[Content, float], Result]) -> Result | None:
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            old = os.pread(fd, os.fstat(fd).st_size, 0)
            content = _read(old, self._kind)
            result = rule(content, self._now_ns() / 1e9)
            new = msgspec.json.encode(content)
            if new != old:
                # In place: after a rename another process might hold a lock on the old file.
                os.pwrite(fd, new, 0)
                os.ftruncate(fd, len(new))
        except BlockingIOError:
            return None
        else:
            return result
        finally:
            os.close(fd)


def _read(data: bytes, kind: type[Content]) -> Content:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        # Empty when new, torn when its writer was killed.
        return kind()
