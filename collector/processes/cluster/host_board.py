"""What is known of all hosts: their own words, and whether they are alive as seen from here."""

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from collector.domain.errors import DamagedError
from collector.processes.cluster.signs import Signs
from collector.processes.cluster.values import HostValue, decode, encode
from collector.reports import HostSummary

DEAD_SECS: Final = 10.0
"""A host that says nothing for so long, while the servers answer, is shown as not alive."""

FORGOTTEN_SECS: Final = 86_400.0
"""A host that has been gone for so long is shown no more."""

REPEAT_SECS: Final = 4.0
"""How often a host says the same again."""


class HostBoard:
    """Pure: times are monotonic, in seconds."""

    def __init__(self, host: str, regain_secs: float) -> None:
        """As `Signs`."""
        self._host = host
        self._signs = Signs(DEAD_SECS, regain_secs)
        self._summaries: dict[str, HostSummary] = {}
        self._own: HostSummary | None = None
        self._told_at: float | None = None
        self._beat = 0

    def due(self, own: HostSummary, now: float) -> bytes | None:
        """What to tell the others; None while they know it."""
        if own == self._own and self._told_at is not None and now - self._told_at < REPEAT_SECS:
            return None
        self._own, self._told_at = own, now
        self._beat += 1
        return encode(HostValue(self._beat, own))

    def farewell(self) -> bytes | None:
        """What to tell the others at the end; None if they were told nothing."""
        self._beat += 1
        return None if self._own is None else encode(HostValue(self._beat, self._own, leaving=True))

    def observe(self, values: Mapping[str, bytes], now: float) -> list[str]:
        """The servers answered: these are the values of all hosts. Returns those that nobody needs to know any more."""
        leaving = set()
        for name, value in values.items():
            try:
                told = decode(value, HostValue)
                self._summaries[name] = told.summary
                leaving |= {name} if told.leaving else set()
            except DamagedError:
                continue  # of a version that speaks otherwise: it is alive all the same
        self._signs.observe(values, leaving, now)
        seen_secs = self._signs.seen_secs(now)
        forgotten = [name for name, secs in seen_secs.items() if secs >= FORGOTTEN_SECS and name != self._host]
        for name in forgotten:
            self._signs.forget(name)
            self._summaries.pop(name, None)
        return forgotten

    def interrupt(self) -> None:
        """The servers did not answer."""
        self._signs.interrupt()
        self._told_at = None

    def shown(self, now: float) -> list[HostSummary]:
        """All hosts by name, this one as it knows itself."""
        alive, seen_secs = self._signs.alive, self._signs.seen_secs(now)
        others = [
            replace(summary, host=name, seen_secs=round(seen_secs.get(name, 0.0), 1), is_alive=name in alive)
            for name, summary in self._summaries.items()
            if name != self._host
        ]
        return sorted([*others, *([] if self._own is None else [self._own])], key=lambda summary: summary.host)
