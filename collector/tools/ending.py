"""How a tool's process ends: with an exit code and, where something went wrong, one line."""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from collector.terminal.output import discard_output


def end_with(main: Callable[[], int]) -> NoReturn:
    """End the process with the code that `main` returns.

    Ctrl-C (130), a reader that closes the pipe (0) and an OSError (2) end it without a traceback.
    """
    prepare_output()
    try:
        on_interrupt(signal.default_int_handler)
        code = main()
        sys.stdout.flush()
    except KeyboardInterrupt:
        on_interrupt(leave)
        with suppress(OSError):
            sys.stdout.flush()
        leave()
    except BrokenPipeError:
        discard_output()
        code = 0
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        with suppress(OSError):
            sys.stdout.flush()
        discard_output()
        code = 2
    on_interrupt(leave)
    sys.exit(code)


def prepare_output() -> None:
    """Make standard output and error usable: closed ones lead nowhere, and no character makes printing raise."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            _open_nowhere(number, name)
    _escape_unprintable()


def _open_nowhere(number: int, name: str) -> None:
    # Were the descriptor left closed, the next file opened, such as a journal, would get it, and log lines with it. Child
    # processes inherit it for the same reason.
    opened = os.open(os.devnull, os.O_WRONLY)
    if opened != number:
        os.dup2(opened, number)
        os.close(opened)
    os.set_inheritable(number, True)
    stream = os.fdopen(number, "w", encoding="utf-8", closefd=False)
    setattr(sys, name, stream)
    setattr(sys, f"__{name}__", stream)


def _escape_unprintable() -> None:
    """Have characters that standard output's encoding lacks written as escapes instead of raising."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")


def on_interrupt(handler: Callable[..., object]) -> None:
    """Set what Ctrl-C does, unless the shell that started this process in the background has it ignored."""
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, handler)


def leave(*_: object) -> NoReturn:
    """End the process at once, threads included: they may wait long, and an import cannot be interrupted."""
    os.write(2, b"interrupted\n")
    os._exit(130)
