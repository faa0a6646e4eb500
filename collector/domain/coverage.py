"""Which sources carry a stream, and in which stretches none did. Pure.

A source is a feed on one of several hosts that record it. Each tells of its own connections, and what one tells may be read
long after what another one tells of the same time. So a stretch that no source covered may come out in retrospect: a
connection turns out to have been dead while the other source's was closed. For that the earlier times of each source are
kept until no other source can still tell of a time before their end.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

EVER: Final = 1 << 62
"""The end of a stretch that lasts."""

LIVES_KEPT: Final = 16
"""Most earlier stretches kept, the newest: without one, more may be said to be missing than is."""

Stretch = tuple[int, int]
"""From when to when, in µs."""


class Coverage(msgspec.Struct, array_like=True):
    """The sources of one stream; committed with the rows."""

    sources: dict[str, int] = {}
    """Every source that subscribes the stream: since when it has carried it without a break; below zero, until when it did;
    0 if it never has."""
    lives: list[Stretch] = []
    """From when to when sources carried it earlier."""

    def stands(self, source: str) -> bool:
        """Whether the source carries the stream, as far as it has told."""
        return self.sources.get(source, 0) > 0

    def others(self, source: str) -> list[str]:
        """The other sources that carry it."""
        return [other for other, since_us in self.sources.items() if other != source and since_us > 0]

    @property
    def is_shared(self) -> bool:
        """Whether several sources subscribe it."""
        return len(self.sources) > 1

    def begin(self, source: str, at_us: int) -> None:
        """Note that the source carries the stream from then on."""
        if not self.stands(source):
            self.sources[source] = max(at_us, 1)

    def end(self, source: str, dead: Iterable[Stretch]) -> list[Stretch]:
        """Note that the source did not carry the stream in these ascending stretches; the last may last (EVER).

        Returns those parts of them in which no other source carried it either, ascending.
        """
        since_us = self.sources.get(source, 0)
        if since_us <= 0:
            return []
        ended = list(dead)
        for from_us, until_us in ended:
            self.lives.append((since_us, max(since_us, from_us)))
            since_us = until_us
        self.sources[source] = since_us if since_us < EVER else -max(1, ended[-1][0])
        found = [part for stretch in ended for part in self.uncovered(stretch)]
        self._forget()
        return found

    def leave(self, source: str) -> None:
        """Note that the source, which does not carry the stream, subscribes it no more."""
        self.sources.pop(source, None)
        self._forget()

    def uncovered(self, stretch: Stretch) -> list[Stretch]:
        """The parts of a stretch in which no source carried the stream."""
        standing = [(since_us, EVER) for since_us in self.sources.values() if since_us > 0]
        return without(stretch, [*self.lives, *standing])

    def missed_by_others(self, source: str, stretch: Stretch) -> list[Stretch]:
        """The parts of a stretch in which no other source carried the stream."""
        return without(stretch, [*self.lives, *((self.sources[other], EVER) for other in self.others(source))])

    def _forget(self) -> None:
        """A source that stands, or begins again, tells nothing of the time before it began, or ended."""
        untold_us = min((abs(told_us) for told_us in self.sources.values() if told_us), default=EVER)
        self.lives = sorted(life for life in self.lives if life[1] > untold_us)[-LIVES_KEPT:]


def without(stretch: Stretch, covered: Iterable[Stretch]) -> list[Stretch]:
    """The parts of a stretch that none of the others covers, ascending."""
    at_us, until_us = stretch
    found: list[Stretch] = []
    for from_us, to_us in sorted(covered):
        if from_us >= until_us:
            break
        if from_us > at_us:
            found.append((at_us, from_us))
        at_us = max(at_us, to_us)
    if at_us < until_us:
        found.append((at_us, until_us))
    return found
