"""Tells from an exit code whether a process ended by a fault of its own. Pure."""

import signal
from typing import Final

_UNCAUGHT: Final = 1
"""The exit code of a process that an uncaught error ended."""

_FAULTS: Final = frozenset(
    (signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV, signal.SIGSYS, signal.SIGTRAP)
)


def is_own_fault(exit_code: int) -> bool:
    """Whether the process crashed; `exit_code` is multiprocessing's: negative for the signal that ended the process.

    SIGKILL is not a fault of the process: the kernel sends it when memory runs out, an operator to any process, and the
    supervisor to one that hangs.
    """
    return exit_code == _UNCAUGHT or -exit_code in _FAULTS
