"""The newest log events of all processes in the order they happened; repeated ones are counted."""

import re
from typing import Final, NamedTuple

from collector.reports import Report

KEPT: Final = 100
_NUMBERS: Final = re.compile(r"\S+=-?\d[\d.]*(?=\s|$)")


class Event(NamedTuple):
    """A log event, or several equal ones in a row of a process; `text` holds the other fields of the newest one."""

    at: str
    """When the newest of them happened."""
    level: str
    process: str
    event: str
    text: str
    times: int
    first_at: str

    @property
    def subject(self) -> tuple[str, str, str]:
        """What makes events equal: all but fields that are numbers, such as a delay or a pid, which differ each time."""
        return self.level, self.event, " ".join(_NUMBERS.sub("", self.text).split())


class Events:
    """Collects events from reports, each once: reports repeat the newest ones, numbered from 1 in each process."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, int]] = {}
        self._newest: list[Event] = []

    def take(self, role: str, report: Report) -> None:
        """Add the events that this report is the first to contain; one equal to its process's newest is counted there."""
        seen_pid, seen = self._seen.get(role, (report.pid, 0))
        if report.pid != seen_pid:
            seen = 0
        new = [
            Event(at, level, role, event, text, 1, at)
            for number, at, level, event, text in report.events
            if number > seen
        ]
        if new:
            self._seen[role] = (report.pid, report.events[-1].number)
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
