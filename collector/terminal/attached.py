"""Whether a person looks at standard output, and how it is kept for the live view. Loads no drawing library."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, TextIO

_DUMB: Final = frozenset({"", "dumb", "unknown"})
"""Values of TERM that promise no cursor."""


def is_live(environment: Mapping[str, str]) -> bool:
    """Whether standard output is a terminal that can show a live view, and this process runs in its foreground."""
    if sys.__stdout__ is None or not os.isatty(1) or environment.get("TERM", "").lower() in _DUMB:
        return False
    return is_in_foreground(1)


def is_in_foreground(fd: int) -> bool:
    """Whether this process may draw on the terminal `fd`: not while a shell runs it in the background."""
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        return True  # not the terminal that controls this process, so no shell shares it


def on_terminal() -> tuple[int, ...]:
    """Those of the descriptors 1 and 2 that write to a terminal."""
    return tuple(fd for fd, file in ((1, sys.__stdout__), (2, sys.__stderr__)) if file is not None and os.isatty(fd))


def can_hang_up() -> bool:
    """Whether this process has a terminal that controls it, whose end is told by SIGHUP, wherever its output goes."""
    try:
        fd = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    os.close(fd)
    return True


@contextmanager
def kept_terminal() -> Iterator[TextIO]:
    """Yield the terminal behind standard output; descriptors 1 and 2 may lead elsewhere meanwhile, and lead back at the end.

    The file stays open: a thread may still wait for a terminal that takes nothing.
    """
    sys.stdout.flush()
    saved = {fd: os.dup(fd) for fd in on_terminal()}
    # What this terminal cannot show, in a path or a name, ends nothing.
    file = os.fdopen(os.dup(1), "w", closefd=False, encoding=sys.stdout.encoding, errors="backslashreplace")
    try:
        yield file
    finally:
        for fd, copy in saved.items():
            os.dup2(copy, fd)
            os.close(copy)
