"""What every tool imports first: it finds the project's packages, if need be by starting the tool again with `.venv`.

Any Python 3 can read this file, so that any may be the one on PATH.
"""

import importlib.util
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
NEEDED = ("boto3", "msgspec", "psutil", "pyarrow", "pydantic", "rich")


def _find_packages() -> None:
    if sys.version_info >= (3, 11) and all(importlib.util.find_spec(name) for name in NEEDED):
        sys.path.insert(0, str(ROOT))
        return
    python = VENV / "bin" / "python"
    if python.exists() and Path(sys.prefix).resolve() != VENV.resolve():
        os.execv(str(python), [str(python), *sys.argv])  # noqa: S606 (there is no shell to want)
    print(f"error: this tool's packages are not installed; '{ROOT}/scripts/run --help' installs them", file=sys.stderr)
    sys.exit(2)


def run(main: "Callable[[], int]") -> None:
    """End the process with what `main` returns; Ctrl-C and a reader that leaves end it without a traceback."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        _on_interrupt(signal.default_int_handler)
        code = main()
        sys.stdout.flush()
    except KeyboardInterrupt:
        _on_interrupt(_leave)
        with suppress(OSError):
            sys.stdout.flush()
        _leave()
    except BrokenPipeError:
        _write_no_more()
        code = 0
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        with suppress(OSError):
            sys.stdout.flush()
        _write_no_more()
        code = 2
    _on_interrupt(_leave)
    sys.exit(code)


def _write_no_more() -> None:
    """The interpreter flushes once more at its end; there is nobody left to tell."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _on_interrupt(handler: "Callable[..., object]") -> None:
    # A shell that starts a tool in the background has it ignore Ctrl-C, and so it stays.
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, handler)


def _leave(*_: object) -> None:
    """End the process now, with its threads: what they wait for may take long, and imports cannot be interrupted."""
    os.write(2, b"interrupted\n")
    os._exit(130)


if Path(getattr(sys.modules["__main__"], "__file__", None) or "").resolve().parent == ROOT / "scripts":
    _on_interrupt(_leave)
_find_packages()
