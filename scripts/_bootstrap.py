"""What every tool imports first: it finds the project's packages, if need be by starting the tool again with `.venv`.

Any Python 3 can read this file, so that any may be the one on PATH.
"""

import importlib.util
import os
import sys
from collections.abc import Callable
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
        code = main()
        sys.stdout.flush()
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:
        # The interpreter flushes once more at its end; there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


_find_packages()
