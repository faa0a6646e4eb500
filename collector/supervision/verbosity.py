"""Changes how the running recorder logs: SIGUSR1 asks for debug, SIGUSR2 for the configured level, a reload for others."""

import signal
from collections import deque
from pathlib import Path
from typing import Final

from collector.config import LogConfig
from collector.domain.log import Log
from collector.logs import FormatFile, LevelFile

DEBUG: Final = "debug"


class Verbosity:
    """Notes the signals; `apply` acts on them. All processes follow within about a second."""

    def __init__(self, run_folder: Path, configured: LogConfig, log: Log) -> None:
        self._level = LevelFile(run_folder, configured.level)
        self._format = FormatFile(run_folder, configured.format)
        self._configured = configured
        self._log = log
        self._asked: deque[str] = deque()

    def install(self) -> None:
        """Reset to what is configured, whatever an earlier supervisor was asked for, and listen for the signals."""
        self._ask(self._level, self._configured.level)
        self._ask(self._format, self._configured.format)
        signal.signal(signal.SIGUSR1, lambda _number, _frame: self._asked.append(DEBUG))
        signal.signal(signal.SIGUSR2, lambda _number, _frame: self._asked.append(self._configured.level))

    def reconfigure(self, configured: LogConfig) -> None:
        """Let this be what is configured from now on."""
        before, self._configured = self._configured, configured
        if configured.level != before.level:
            self._level.keep_from_now_on()
            self._asked.append(configured.level)
        if configured.format != before.format:
            self._format.keep_from_now_on()
            self._ask(self._format, configured.format)

    def apply(self) -> None:
        """Set the levels that were asked for since the last call."""
        while self._asked:
            level = self._asked.popleft()
            if self._ask(self._level, level):
                self._log.warning("log_level_changed", to=level)

    def _ask(self, file: LevelFile | FormatFile, word: str) -> bool:
        try:
            file.ask(word)
        except OSError as error:
            self._log.warning("log_level_kept", error=str(error))
            return False
        return True
