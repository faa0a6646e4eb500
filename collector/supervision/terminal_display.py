"""The live view of a recorder that a person started at a terminal."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rich.console import RenderableType

from collector.config import Config
from collector.logs import LogFile
from collector.storage.locks import supervisor_lock
from collector.supervision.display import MakeStatus, Page
from collector.supervision.recorder import record
from collector.supervision.reload_plan import Source
from collector.supervision.stop_sequence import HURRY_SECS
from collector.terminal.attached import kept_terminal, on_terminal
from collector.terminal.closing import closing_lines
from collector.terminal.heading import About
from collector.terminal.live import LiveView
from collector.terminal.screen import fitted
from collector.terminal.speed import Speed
from collector.terminal.suspend import suspendable
from collector.terminal.tables import uncut

LOG_NAME: Final = "recorder.log"

_STOP: Final = "Ctrl-C stops"
_HURRY: Final = f"Ctrl-C again: stop within {HURRY_SECS:.0f} s"

_SUSPENDED: Final = (
    "Suspended: recording goes on, but the page does not answer and nothing restarts a process that dies. "
    "fg brings the view back; bg goes on without it."
)


class TerminalDisplay:
    """Shows each status on a live view, and keeps the newest one for what is said at the end."""

    def __init__(self, view: LiveView, about: About) -> None:
        self._view = view
        self._about = about
        self._speed = Speed()
        self.status: Mapping[str, Any] | None = None
        """The newest status."""
        self.closing: Sequence[RenderableType] = ()
        """What stays on the screen at the end."""

    def note(self, text: str) -> None:
        """Print a sentence before the first status."""
        self._view.note(uncut(text))

    def show(self, make_status: MakeStatus, page: Page) -> None:
        """Draw this status from now on."""
        self.status = status = make_status()
        rates = self._speed.rates(status, time.monotonic())
        about = self._about._replace(page=page.url, page_problem=page.problem)
        self._view.show(lambda console: fitted(status, datetime.now(UTC), console, rates, about))


def record_on_terminal(config: Config, stop_after_secs: float | None, source: Source | None) -> int:
    """Record until told to stop, with the live view; returns the exit code. Raises StopError when it cannot begin."""
    with terminal_display(config.data_dir) as (display, log_file):
        display.note(f"Recording into {config.data_dir}; the log is {log_file.path}; Ctrl-C stops in order.")
        code = record(config, stop_after_secs=stop_after_secs, display=display, log_file=log_file, source=source)
        lines = closing_lines(display.status, code, config.data_dir, log_file.path)
        display.closing = [uncut(line) for line in _handed_over(config.data_dir, log_file.path) or lines]
    return code


def _handed_over(data_dir: Path, log_path: Path) -> list[str]:
    """What to say at the end if another process is the recorder now."""
    lock = supervisor_lock(data_dir)
    if lock.is_free():
        return []
    pid = lock.holder()
    return [f"The recorder goes on as process {pid}, without a view: kill {pid} stops it in order.", f"Log: {log_path}"]


@contextmanager
def terminal_display(data_dir: Path, demo: str = "") -> Iterator[tuple[TerminalDisplay, LogFile]]:
    """Give the terminal to a live view, and standard output and error to the log file in `run/`, until the end.

    The display's `closing` then stays on the screen. A terminal that takes nothing is given up after two seconds.
    """
    log_file = LogFile(data_dir / "run" / LOG_NAME, on_terminal())
    with kept_terminal() as terminal:
        view = LiveView(terminal)
        display = TerminalDisplay(view, About(demo=demo, log=shortened(log_file.path), stop=_STOP, hurry=_HURRY))
        with suspendable(view, _SUSPENDED):
            try:
                yield display, log_file
            except Exception:
                display.closing = [uncut(f"Log: {log_file.path}")] if log_file.path.is_file() else []
                raise
            finally:
                view.finish(display.closing)


def shortened(path: Path) -> str:
    """The path as seen from the working directory, where it is below that."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
