"""Ctrl-Z at a live view: gives the terminal back before the process stops, and takes it again when the process goes on."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import RenderableType

from collector.terminal.live import LiveView


@contextmanager
def suspendable(view: LiveView, remark: RenderableType) -> Iterator[None]:
    """Let Ctrl-Z (SIGTSTP) stop this process with `remark` instead of the view on the terminal, until the end.

    For the main thread. A process that was started with the signal ignored goes on ignoring it.
    """

    def suspend(_number: int, _frame: object) -> None:
        signal.signal(signal.SIGTSTP, signal.SIG_IGN)  # another Ctrl-Z must not stop it before the terminal is back
        view.pause(remark)
        # The kernel stops it only where a shell can continue it: with the signal's default, and not with SIGSTOP.
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        signal.raise_signal(signal.SIGTSTP)
        # Here it goes on after SIGCONT: `fg` and `bg` send it.
        signal.signal(signal.SIGTSTP, suspend)
        view.resume()

    before = signal.getsignal(signal.SIGTSTP)
    if before is signal.SIG_IGN:
        yield
        return
    signal.signal(signal.SIGTSTP, suspend)
    try:
        yield
    finally:
        signal.signal(signal.SIGTSTP, before)
