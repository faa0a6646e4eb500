"""The level somebody asked for while the recorder runs: a file that the supervisor writes and every child looks at."""

import os
from pathlib import Path
from typing import Final

from collector.logs.logger import LEVELS, set_level

FILE: Final = "log_level"


class LevelFile:
    """Follows `run/log_level`; without such a file the configured level holds."""

    def __init__(self, run_folder: Path, configured: str) -> None:
        self._path = run_folder / FILE
        self._configured = configured
        self._now = configured

    def follow(self) -> None:
        """Look, and change this process's level if need be. For about once a second."""
        asked = self._read()
        if asked != self._now:
            self._now = asked
            set_level(asked)

    def ask(self, level: str) -> None:
        """Let every process log from `level` on; the configured one for as before. Raises OSError."""
        if level == self._configured:
            self._path.unlink(missing_ok=True)
        else:
            draft = self._path.with_name(f"{FILE}.{os.getpid()}.new")
            draft.write_text(level, "utf-8")
            draft.replace(self._path)
        self.follow()

    def _read(self) -> str:
        try:
            asked = self._path.read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            return self._configured
        return asked if asked in LEVELS else self._configured
