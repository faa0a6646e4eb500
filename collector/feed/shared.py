"""A small file that processes share under a lock: read, changed and written by one of them at a time."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import msgspec

BUSY_SECS: Final = 0.05
"""How long to wait while another holds the file: it holds it for the time of one small write."""

Content = TypeVar("Content", bound=msgspec.Struct)
Result = TypeVar("Result")


class SharedFile:
    """One struct in one file. A file that cannot be read begins anew: forgetting is better than never going on."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def change(self, kind: type[Content], rule: Callable[[Content], Result]) -> Result | None:
        """What `rule` returns after it changed the content; None, and nothing done, while another holds the file.

        Never blocks. Raises OSError if the file cannot be opened or written.
        """
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            old = os.pread(fd, os.fstat(fd).st_size, 0)
            content = _read(old, kind)
            result = rule(content)
            new = msgspec.json.encode(content)
            if new != old:
                # In place: a renamed file would leave a waiting process with a lock on the old one.
                os.pwrite(fd, new, 0)
                os.ftruncate(fd, len(new))
        except BlockingIOError:
            return None
        else:
            return result
        finally:
            os.close(fd)


def ban_left_secs(banned_at: float, banned_secs: float, now: float) -> float:
    """How much is left of a ban; a beginning in the future (the wall clock stepped back) does not count."""
    return 0.0 if banned_at > now else max(0.0, banned_at + banned_secs - now)


def _read(data: bytes, kind: type[Content]) -> Content:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.MsgspecError:
        # Empty when new, torn when its writer was killed.
        return kind()
