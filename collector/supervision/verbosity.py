"""Changes the log level of the running recorder: SIGUSR1 sets debug, SIGUSR2 the configured level."""

import signal
from collections import deque
from pathlib import Path
from typing import Final

from collector.domain.log import Log
from collector.logs import LevelFile

DEBUG: Final = "debug"


class Verbosity:
    """Notes the signals; `apply` acts on them. All processes follow within about a second."""

    def __init__(self, run_folder: Path, configured: str, log: Log) -> None:
        self._file = LevelFile(run_folder, configured)
        self._configured = configured
        self._log = log
        self._asked: deque[str] = deque()

    def install(self) -> None:
        """Reset to the configured level, whatever an earlier supervisor was asked for, and listen for the signals."""
        self._ask(self._configured)
        signal.signal(signal.SIGUSR1, lambda _number, _frame: self._asked.append(DEBUG))
        signal.signal(signal.SIGUSR2, lambda _number, _frame: self._asked.append(self._configured))

    def reconfigure(self, level: str) -> None:
        """Let this be the configured level from now on."""
        if level != self._configured:
            self._configured = level
            self._file.keep_from_now_on()
            self._asked.append(level)

    def apply(self) -> None:
        """Set the levels that were asked for since the last call."""
        while self._asked:
            level = self._asked.popleft()
            if self._ask(level):
                self._log.warning("log_level_changed", to=level)

    def _ask(self, level: str) -> bool:
        try:
            self._file.ask(level)
        except OSError as error:
            self._log.warning("log_level_kept", error=str(error))
            return False
        return True
