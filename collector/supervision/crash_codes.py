"""Whether a process ended by a fault of its own, as far as its exit code tells. Pure."""

import signal
from typing import Final

_UNFORESEEN: Final = 1
"""The exit code of an error that nobody caught."""

_FAULTS: Final = frozenset(
    (signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV, signal.SIGSYS, signal.SIGTRAP)
)


def is_own_fault(exit_code: int) -> bool:
    """`exit_code` as multiprocessing gives it: negative for the signal that ended the process.

    A SIGKILL tells nothing: the kernel sends it to a process that takes too much memory, an operator to any, and the
    supervisor to one that stands still.
    """
    return exit_code == _UNFORESEEN or -exit_code in _FAULTS
