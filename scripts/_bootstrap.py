"""What every tool imports first: it finds the project's packages, if need be by starting the tool again with `.venv`.

Any Python 3 can read this file, whichever one is on PATH.
"""

import importlib.util
import os
import sys
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
        os.execv(str(python), [str(python), *sys.argv])  # noqa: S606 (no shell is wanted)
    print(f"error: this tool's packages are not installed; '{ROOT}/scripts/run --help' installs them", file=sys.stderr)
    sys.exit(2)


def run(command: str) -> None:
    """Run a `collector` command under the name of the script that is the main module, and end the process."""
    from collector.cli import run_command  # noqa: PLC0415 -- slow, and by now Ctrl-C ends it

    name = Path(sys.argv[0]).name
    end_with(lambda: run_command(command, f"scripts/{name}"))


_find_packages()

from collector.tools.ending import end_with, leave, on_interrupt  # noqa: E402 -- it can be found by now

if Path(getattr(sys.modules["__main__"], "__file__", None) or "").resolve().parent == ROOT / "scripts":
    on_interrupt(leave)
