"""Limits how often one event is logged: an event that comes a thousand times a second is not worth a thousand lines."""

from typing import Final

LINES: Final = 100
"""Lines of one event that a window admits."""

WINDOW_SECS: Final = 60.0


class EventLimit:
    """Admits LINES lines of each event in a window of WINDOW_SECS, and counts the others."""

    def __init__(self) -> None:
        self._windows: dict[str, tuple[float, int]] = {}  # start of the window, lines in it
        self._held_back: dict[str, int] = {}

    def admit(self, event: str, at_secs: float) -> int | None:
        """How many lines of `event` were held back since its last one; None when this one is to be held back too.

        `at_secs` is a monotonic time.
        """
        started_secs, lines = self._windows.get(event, (at_secs, 0))
        if at_secs - started_secs >= WINDOW_SECS:
            started_secs, lines = at_secs, 0
        self._windows[event] = (started_secs, lines + 1)
        if lines >= LINES:
            self._held_back[event] = self._held_back.get(event, 0) + 1
            return None
        return self._held_back.pop(event, 0)
