"""What was asked of the log while the recorder runs: the supervisor writes it to files, every child reads them."""

import os
from collections.abc import Callable, Container
from pathlib import Path

from collector.logs.logger import FORMATS, LEVELS, set_format, set_level


class AskedFile:
    """Follows a file that holds one word; the word of the start applies while it is missing or holds no known word."""

    def __init__(self, path: Path, configured: str, known: Container[str], change: Callable[[str], None]) -> None:
        self._path = path
        self._configured = configured
        self._known = known
        self._change = change
        self._current = configured
        self._is_kept = False

    def follow(self) -> None:
        """Read the file, and log so in this process if it asks for another word. Called about once a second."""
        asked = self._read()
        if asked != self._current:
            self._current = asked
            self._change(asked)

    def ask(self, word: str) -> None:
        """Make every process log so; the word of the start removes the file. Raises OSError."""
        if word == self._configured and not self._is_kept:
            self._path.unlink(missing_ok=True)
        else:
            draft = self._path.with_name(f"{self._path.name}.{os.getpid()}.new")
            draft.write_text(word, "utf-8")
            draft.replace(self._path)
        self.follow()

    def keep_from_now_on(self) -> None:
        """Never remove the file again: processes have begun with different words."""
        self._is_kept = True

    def _read(self) -> str:
        try:
            asked = self._path.read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            return self._configured
        return asked if asked in self._known else self._configured


class LevelFile(AskedFile):
    """`run/log_level`: the least level that is logged."""

    def __init__(self, run_folder: Path, configured: str) -> None:
        super().__init__(run_folder / "log_level", configured, LEVELS, set_level)


class FormatFile(AskedFile):
    """`run/log_format`: the form of a line."""

    def __init__(self, run_folder: Path, configured: str) -> None:
        super().__init__(run_folder / "log_format", configured, FORMATS, set_format)
