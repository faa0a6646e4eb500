"""How often an event may be logged: what happens a thousand times a second is not worth a thousand lines."""

from typing import Final

LINES: Final = 100
"""Of one event in one window."""

WINDOW_SECS: Final = 60.0


class EventLimit:
    """Lets each event through LINES times a window and counts the rest."""

    def __init__(self) -> None:
        self._windows: dict[str, tuple[float, int]] = {}
        self._held_back: dict[str, int] = {}

    def admit(self, event: str, at_secs: float) -> int | None:
        """Whether it may be logged at this (monotonic) time: None if not, else how often it was not since it last was."""
        began, lines = self._windows.get(event, (at_secs, 0))
        if at_secs - began >= WINDOW_SECS:
            began, lines = at_secs, 0
        self._windows[event] = (began, lines + 1)
        if lines >= LINES:
            self._held_back[event] = self._held_back.get(event, 0) + 1
            return None
        return self._held_back.pop(event, 0)
