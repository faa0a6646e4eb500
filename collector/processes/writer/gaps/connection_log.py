"""Which connections of a feed stand, from what they said of themselves, and when none of those that stood was alive.

That one was dead long before it ended is known only then, and others may have opened meanwhile: so what is known of
those that ended is kept for as long as one stands that may turn out to have been dead in the same time.
"""

from typing import Final, NamedTuple

import msgspec

_ENDED_KEPT: Final = 64
"""So many connections of a plan that ended are remembered, the newest: a dead one is found out long before there are more."""

_EVER: Final = 1 << 62


class Ended(NamedTuple):
    """What the end of a connection shows."""

    plan: int
    stood_since_us: int | None
    """Since when the plan stood without a break; None if another connection carries it on."""
    alive_us: int
    """Until when one that carried the plan was alive."""
    dead_stretches: list[tuple[int, int]]
    """Stretches before now in which none of them was, though one stood."""


class ConnectionLog(msgspec.Struct, array_like=True):
    """What is known of a feed's connections; it commits with the rows. A plan is one share of the feed's streams.

    Plans and connections are numbered anew by each incarnation of ingest: whatever outlives one is kept by stream.
    """

    writer_id: str = ""
    """Of the incarnation of ingest whose journal is being read."""
    newest_us: int = 0
    """When the newest record was received."""
    up: dict[int, int] = {}
    """Open connections, each with its plan."""
    down: dict[int, tuple[int, str]] = {}
    """Only version 1 of this state wrote it: plans without a connection, since when, and why."""
    away_since_us: int | None = None
    """Only version 1 wrote it: when the incarnation before fell silent."""
    known: list[int] = []
    """Only version 1 wrote it: plans this incarnation has connected."""
    lines: dict[int, int] = {}
    """Open connections, each with its line."""
    since: dict[int, int] = {}
    """Plans that stand: since when without a break."""
    stood: dict[int, tuple[int, int]] = {}
    """Only version 1 wrote it."""
    opened: dict[int, int] = {}
    """Open connections, since when."""
    lives: dict[int, list[tuple[int, int]]] = {}
    """By plan that stands, of connections that ended: from when and until when each was alive."""

    def begin(self, writer_id: str) -> None:
        """Another incarnation's journal begins: whatever was open is not any more."""
        self.writer_id, self.up, self.lines, self.since = writer_id, {}, {}, {}
        self.opened, self.lives = {}, {}
        self.down, self.away_since_us, self.known, self.stood = {}, None, [], {}

    def connect(self, connection: int, plan: int, at_us: int, line: int = 0) -> None:
        """A connection stands."""
        self.up[connection], self.lines[connection], self.opened[connection] = plan, line, at_us
        self.since.setdefault(plan, at_us)

    def disconnect(self, connection: int, alive_us: int) -> Ended:
        """An open connection is over, and was alive until then."""
        plan = self.up.pop(connection)
        self.lines.pop(connection, None)
        stood_since_us = self.since.get(plan, alive_us)
        # Of those that an earlier version knew it is not known when they opened.
        opened_us = self.opened.pop(connection, stood_since_us)
        lives = sorted([*self.lives.pop(plan, []), (opened_us, max(alive_us, opened_us))])
        standing = [other for other, carried in self.up.items() if carried == plan]
        if not standing:
            self.since.pop(plan, None)
            return Ended(plan, stood_since_us, max(until for _, until in lives), _uncovered(lives))
        stands_us = min(self.opened.get(other, stood_since_us) for other in standing)
        dead_stretches = _uncovered([*lives, (stands_us, _EVER)])
        if dead_stretches:
            self.since[plan] = dead_stretches[-1][1]
        self.lives[plan] = [life for life in lives if life[1] > stands_us][-_ENDED_KEPT:]
        return Ended(plan, None, alive_us, dead_stretches)

    def beside(self, connection: int) -> list[int]:
        """The other connections that carry the same plan."""
        plan = self.up.get(connection)
        return [other for other, carried in self.up.items() if carried == plan and other != connection]

    def is_alone(self, plan: int, line: int) -> bool:
        """Whether at most one connection carries the plan on that line: two do while one is renewed."""
        return sum(self.up[connection] == plan for connection, on in self.lines.items() if on == line) <= 1

    def offline_since(self, last_message_us: int) -> tuple[int, str]:
        """Since when nobody listens to a stream that was last heard at `last_message_us`, once its ingest is gone."""
        # Of several plans that version 1 left down it is not known which was the stream's: the first since it was heard.
        return min(
            (down for down in self.down.values() if down[0] >= last_message_us), default=(self.newest_us, "restart")
        )


def _uncovered(lives: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The stretches between these that none of them covers."""
    found: list[tuple[int, int]] = []
    ordered = sorted(lives)
    covered_until_us = ordered[0][0]
    for since_us, until_us in ordered:
        if since_us > covered_until_us:
            found.append((covered_until_us, since_us))
        covered_until_us = max(covered_until_us, until_us)
    return found
