"""The log level that was asked for while the recorder runs: the supervisor writes it to a file, every child reads it."""

import os
from pathlib import Path
from typing import Final

from collector.logs.logger import LEVELS, set_level

FILE: Final = "log_level"


class LevelFile:
    """Follows `run/log_level`; the level of the start applies while that file is missing or holds no level."""

    def __init__(self, run_folder: Path, configured: str) -> None:
        self._path = run_folder / FILE
        self._configured = configured
        self._current = configured
        self._differs = False

    def keep_from_now_on(self) -> None:
        """Never remove the file again: processes have begun with different levels."""
        self._differs = True

    def follow(self) -> None:
        """Read the file, and change this process's level if it asks for another. Called about once a second."""
        asked = self._read()
        if asked != self._current:
            self._current = asked
            set_level(asked)

    def ask(self, level: str) -> None:
        """Make every process log events of `level` and above; the level of the start removes the file. Raises OSError."""
        if level == self._configured and not self._differs:
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
