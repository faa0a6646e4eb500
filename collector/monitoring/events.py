"""The newest events of all processes, in the order they happened: what the log said last, and how often in a row."""

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

KEPT: Final = 100
_NUMBERS: Final = re.compile(r"\S+=-?\d[\d.]*(?=\s|$)")


class Event(NamedTuple):
    """A line of the log, or several in a row that say the same; `text` is the newest one's further fields, fit to be shown."""

    at: str
    """Of the newest."""
    level: str
    process: str
    event: str
    text: str
    times: int
    first_at: str

    @property
    def subject(self) -> tuple[str, str, str]:
        """What happened to what: fields that are numbers, such as a delay or a pid, tell only of the one time."""
        return self.level, self.event, " ".join(_NUMBERS.sub("", self.text).split())


class Events:
    """Takes events out of reports, each once: a report repeats the newest, numbered from 1 in each life of a process."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[Any, int]] = {}
        self._newest: list[Event] = []

    def take(self, role: str, report: Mapping[str, Any]) -> None:
        """Add what this report says for the first time; what its process said the last time too is counted there."""
        life, events = report.get("pid"), report.get("events", ())
        seen_life, seen = self._seen.get(role, (None, 0))
        if life != seen_life:
            seen = 0
        new = [Event(at, level, role, event, text, 1, at) for number, at, level, event, text in events if number > seen]
        if new:
            self._seen[role] = (life, events[-1][0])
            for event in new:
                self._add(event)
            self._newest = sorted(self._newest, key=lambda event: event.at)[-KEPT:]

    def _add(self, event: Event) -> None:
        before = next((known for known in reversed(self._newest) if known.process == event.process), None)
        if before is not None and before.subject == event.subject:
            self._newest.remove(before)
            event = event._replace(times=before.times + 1, first_at=before.first_at)
        self._newest.append(event)

    def newest(self) -> tuple[Event, ...]:
        """Oldest first."""
        return tuple(self._newest)
