"""How much is logged, changed while the recorder runs: SIGUSR1 asks for everything, SIGUSR2 for what is configured."""

import signal
from collections import deque
from pathlib import Path
from typing import Final

from structlog.typing import FilteringBoundLogger

from collector.logs import LevelFile

MOST: Final = "debug"


class Verbosity:
    """Notes the signals; `heed` acts on them. All processes follow within about a second."""

    def __init__(self, run_folder: Path, configured: str, log: FilteringBoundLogger) -> None:
        self._file = LevelFile(run_folder, configured)
        self._configured = configured
        self._log = log
        self._asked: deque[str] = deque()

    def install(self) -> None:
        """Begin with the configured level, whatever was asked of an earlier supervisor, and listen."""
        self._ask(self._configured)
        signal.signal(signal.SIGUSR1, lambda _number, _frame: self._asked.append(MOST))
        signal.signal(signal.SIGUSR2, lambda _number, _frame: self._asked.append(self._configured))

    def heed(self) -> None:
        """Do what was asked since the last time."""
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
