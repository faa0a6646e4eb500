"""The newest events of all processes, in the order they happened: what the log said last."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

KEPT: Final = 100


class Event(NamedTuple):
    """A line of the log; `text` is its further fields, fit to be shown."""

    at: str
    level: str
    process: str
    event: str
    text: str


class Events:
    """Takes events out of reports, each once: a report repeats the newest, numbered from 1 in each life of a process."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[Any, int]] = {}
        self._newest: list[Event] = []

    def take(self, role: str, report: Mapping[str, Any]) -> None:
        """Add what this report says for the first time."""
        life, events = report.get("pid"), report.get("events", ())
        seen_life, seen = self._seen.get(role, (None, 0))
        if life != seen_life:
            seen = 0
        new = [Event(at, level, role, event, text) for number, at, level, event, text in events if number > seen]
        if new:
            self._seen[role] = (life, events[-1][0])
            self._newest = sorted([*self._newest, *new])[-KEPT:]

    def newest(self) -> tuple[Event, ...]:
        """Oldest first."""
        return tuple(self._newest)
