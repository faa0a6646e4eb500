"""An outage of a stream without provable continuity that a source which is read late may still fill. Pure.

Of what such a source brings, only what was received during the outage is missing. At its borders one source may have
received before what another one received after: so the messages next to it, on either side, are remembered.
"""

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

import msgspec

from collector.domain.coverage import EVER, Stretch, without
from collector.domain.sequence.echoes import Echoes, ExpectedCopies, is_echo

OUTAGES_KEPT: Final = 12
"""Most outages kept per stream, the newest; what comes of older ones counts as a copy."""

NEXT_KEPT: Final = 8
"""Most messages remembered on each side."""

BORDER_US: Final = 1_000_000
"""What a source received up to so long before or after the outage may be missing, too."""

_SEC_US: Final = 1_000_000

TAKEN_KEPT: Final = 256
"""Ids of late messages remembered: another line of the source may bring them again."""


class Known(NamedTuple):
    """A message that is stored: its id, or a digest of its content, and when it was received."""

    name: int
    at_us: int


class PastOutage(msgspec.Struct, array_like=True):
    """Such an outage; committed with the rows."""

    kind: str
    cause: str
    since_us: int
    until_us: int
    left: list[Stretch]
    """The parts in which no source carried the stream, as far as they have told."""
    before: list[Known] = []
    """The newest messages before it, ascending by time."""
    after: list[Known] = []
    """The first ones after it."""
    is_open: bool = True
    """Whether the next message is still to be added to `after`."""
    taken: list[int] = []
    echoes: Echoes = {}
    """For messages without ids: what each connection of a late source is still expected to repeat."""
    has_row: bool = True
    """Whether the ledger tells of it: not while a source that is not read so far may have covered it."""

    def has_row_of(self, since_us: int, until_us: int) -> bool:
        """Whether it has a row, which tells of this stretch."""
        return self.has_row and self.since_us <= since_us and until_us <= self.until_us

    def cover(self, stretch: Stretch) -> bool:
        """Note that a source turns out to have carried the stream. Returns whether less is left than was."""
        left = [part for one in self.left for part in without(one, [stretch])]
        self.left, before = left, self.left
        return left != before

    def note_next(self, known: Known) -> None:
        """Note a message that came after it."""
        self.after.append(known)
        self.is_open = len(self.after) < NEXT_KEPT and known.at_us <= self.until_us + 2 * BORDER_US

    def is_near(self, at_us: int) -> bool:
        """Whether a message received then may be missing: during it, or shortly before or after."""
        since_us, until_us = self.since_us, self.until_us
        # Beyond a border nothing is known to be missing unless what is stored there is known.
        if len(self.before) < NEXT_KEPT or self.before[0].at_us <= since_us - 2 * BORDER_US:
            since_us -= BORDER_US
        if len(self.after) < NEXT_KEPT or self.after[-1].at_us >= until_us + 2 * BORDER_US:
            until_us += BORDER_US
        return since_us <= at_us <= until_us

    def takes_id(self, message_id: int, *, rises: bool) -> bool:
        """Whether a message received during the outage is missing by its id; then it is noted."""
        if rises:
            lowest = max((known.name for known in self.before), default=-EVER)
            highest = min((known.name for known in self.after), default=EVER)
            if not lowest < message_id < highest:
                return False
        elif any(known.name == message_id for known in (*self.before, *self.after)):
            return False
        self.taken = [*self.taken, message_id][-TAKEN_KEPT:]
        return True

    def takes_content(self, content: bytes, at_us: int, connection: int, beside: Collection[int], lag_us: int) -> bool:
        """As `takes_id`, for a message without an id that a connection brought; `beside` are others of its source."""
        if at_us < self.since_us and not self.before:
            return False  # while no other source was known, nothing was remembered of what came before the outage
        if connection not in self.echoes:
            known = [*self.before, *self.after]
            self.echoes[connection] = ExpectedCopies(
                [one.name for one in known], [(0, max(one.at_us, self.since_us)) for one in known]
            )
        return not is_echo(self.echoes, connection, beside, content, at_us, lag_us)


def borders(stored: Sequence[Known], since_us: int, until_us: int) -> tuple[list[Known], list[Known]]:
    """Of stored messages, those next to a stretch: before and after it. Their times may be whole seconds."""
    ascending = sorted(stored, key=lambda known: known.at_us)
    before = [known for known in ascending if known.at_us <= since_us][-NEXT_KEPT:]
    return before, [known for known in ascending if known.at_us > since_us and known.at_us + _SEC_US > until_us][
        :NEXT_KEPT
    ]
