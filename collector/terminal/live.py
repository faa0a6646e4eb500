"""The live view's terminal: the newest frame, drawn by a thread that alone waits for the terminal.

A terminal that takes nothing (Ctrl-S, a pseudo-terminal that nobody reads) or that is gone holds up nobody else.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, TextIO

from rich.console import Console, ConsoleDimensions, RenderableType
from rich.live import Live
from rich.text import Text

from collector.terminal.attached import is_in_foreground

FRAME_SECS: Final = 1.0
"""A frame is drawn again after this time, because ages in it grow."""

LOOK_SECS: Final = 0.2
"""How often the terminal's size is asked for."""

FINISH_SECS: Final = 2.0
"""How long the end waits for a terminal that takes nothing."""

_NOTES: Final = 20
_USUAL_SIZE: Final = (80, 24)

Draw = Callable[[Console], RenderableType]
"""Makes a frame of the console's size."""


class LiveView:
    """Shows the newest frame on a terminal's alternate screen; when it ends, the screen before is back."""

    def __init__(self, file: TextIO) -> None:
        """`file` is the terminal, and stays open as long as the process."""
        self._file = file
        self._console = Console(file=file, force_terminal=True)
        self._changed = threading.Condition()
        self._notes: deque[RenderableType] = deque(maxlen=_NOTES)
        self._draw: Draw | None = None
        self._is_new = self._ends = False
        self._pausing = self._paused = False
        self._closing: Sequence[RenderableType] = ()
        self._remark: RenderableType = ""
        self._live: Live | None = None
        self._drawn_at = 0.0
        self._thread = threading.Thread(target=self._run, name="view", daemon=True)
        self._thread.start()

    def show(self, draw: Draw) -> None:
        """Draw this frame from now on. Never waits."""
        with self._changed:
            self._draw, self._is_new = draw, True
            self._changed.notify_all()

    def note(self, text: RenderableType) -> None:
        """Print a line before the first frame. Never waits."""
        with self._changed:
            self._notes.append(text)
            self._changed.notify_all()

    def pause(self, remark: RenderableType, secs: float = FINISH_SECS) -> None:
        """Give the terminal back with `remark` on it, and draw nothing until `resume`; waits for that at most `secs`.

        A signal handler may call it: the lock is reentrant, and waiting releases it.
        """
        with self._changed:
            self._remark, self._pausing, self._paused = remark, True, False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._paused or not self._thread.is_alive(), secs)

    def resume(self) -> None:
        """Draw again."""
        with self._changed:
            self._pausing = False
            self._is_new = True
            self._changed.notify_all()

    def finish(self, closing: Sequence[RenderableType] = (), secs: float = FINISH_SECS) -> bool:
        """Give the terminal back, with `closing` on it; false when it does not take that within `secs`."""
        with self._changed:
            self._closing, self._ends = closing, True
            self._changed.notify_all()
        self._thread.join(secs)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while not self._step():
                pass
            self._leave_screen()
            self._fit()
            for part in self._closing:
                self._console.print(part, crop=False)
        except OSError:
            return  # the terminal is gone, and nobody looks: the log has what happens, and recording goes on

    def _step(self) -> bool:
        """Wait for something to draw, and draw it; true at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_new or self._notes or self._ends or self._is_to_pause, LOOK_SECS)
            notes, draw, is_new = list(self._notes), self._draw, self._is_new
            self._notes.clear()
            self._is_new = False
        resized = self._fit()
        if self._live is None:
            for note in notes:
                self._console.print(note, crop=False)
        if self._ends:
            return True
        if self._pausing:
            self._keep_paused()
            return False
        is_due = is_new or resized or time.monotonic() - self._drawn_at >= FRAME_SECS
        if draw is not None and is_due and is_in_foreground(self._file.fileno()):
            self._drawn_at = time.monotonic()
            self._put(self._frame(draw))
        return False

    @property
    def _is_to_pause(self) -> bool:
        return self._pausing and not self._paused

    def _keep_paused(self) -> None:
        if self._is_to_pause:
            self._leave_screen()
            self._console.print(self._remark, crop=False)
            with self._changed:
                self._paused = True
                self._changed.notify_all()

    def _leave_screen(self) -> None:
        if self._live is not None:
            self._live.stop()
        self._live = None

    def _put(self, frame: RenderableType) -> None:
        if self._live is None:
            # Standard output and error are left alone: what is printed there belongs into the log.
            self._live = Live(
                console=self._console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
            )
            self._live.start()
        self._live.update(frame, refresh=True)

    def _frame(self, draw: Draw) -> RenderableType:
        try:
            return draw(self._console)
        except Exception as error:  # noqa: BLE001 -- whatever is wrong with what is shown must not end the view
            return Text(f"This status cannot be shown ({type(error).__name__}: {error}).")

    def _fit(self) -> bool:
        """Take the terminal's size; true when it has changed."""
        size = os.get_terminal_size(self._file.fileno())
        width, height = size if all(size) else _USUAL_SIZE
        changed = self._console.size != (width, height)
        if changed:
            self._console.size = ConsoleDimensions(width, height)
        return changed
