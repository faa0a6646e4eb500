"""Environments of the peers: pinned packages, made on the spot, apart from the project's own."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

MAKE_SECS: Final = 900.0
UV: Final = Path(sys.executable).parent / "uv"
SHOWN_CHARS: Final = 120


class CannotMakeError(Exception):
    """The packages cannot be installed here; the text is one line."""


def make(folder: Path, requirements: Path) -> str:
    """Install them into a new folder; returns the Python to run scripts with. Raises CannotMakeError."""
    python = folder / "bin/python"
    _run(UV, "venv", "--python", sys.executable, folder)
    _run(UV, "pip", "install", "--python", python, "--require-hashes", "-r", requirements)
    return str(python)


def _run(*command: str | Path) -> None:
    # Packages that are built on the spot run code of their own, whose encodings are not our business.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHONWARN")}
    try:
        subprocess.run(
            command, check=True, capture_output=True, text=True, encoding="utf-8", timeout=MAKE_SECS, env=environment
        )
    except subprocess.CalledProcessError as error:
        raise CannotMakeError(_why(error.stderr)) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotMakeError(_why(str(error))) from error


def _why(text: str) -> str:
    """The last line that has words, without the drawing around it."""
    lines = [line for line in (re.sub(r"^\W+", "", line) for line in text.splitlines()) if line]
    return lines[-1][:SHOWN_CHARS] if lines else "no reason was given"
