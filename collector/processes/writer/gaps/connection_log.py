"""Which connections of a feed are open, and in which stretches all open connections of a plan were dead.

Whether a connection was dead, and since when, is known only when it ends, and others may have opened meanwhile. So when
each ended connection was alive is kept while another one is open that may turn out to have been dead at the same time.
"""

from typing import Final, NamedTuple

import msgspec

_ENDED_KEPT: Final = 64
"""Maximum number of ended connections kept per plan, the newest; a dead connection ends long before there are more."""

_DOUBTED_KEPT: Final = 64
"""Of those of which nothing came since a loss, the newest."""

_EVER: Final = 1 << 62


class Ended(NamedTuple):
    """What the end of a connection reveals."""

    plan: int
    stood_since_us: int | None
    """Since when the plan was connected without a break; None if another connection still carries it."""
    alive_us: int
    """Until when a connection that carried the plan was alive."""
    dead_stretches: list[tuple[int, int]]
    """Past stretches in which no connection of the plan was alive, though one was open."""


class ConnectionLog(msgspec.Struct, array_like=True):
    """The connections of a feed; committed with the rows. A plan is one share of the feed's streams.

    Each incarnation of ingest numbers its plans and connections anew, so whatever outlives an incarnation is kept by
    stream.
    """

    writer_id: str = ""
    """The incarnation of ingest whose journal is being read."""
    newest_us: int = 0
    """When the newest record was received."""
    up: dict[int, int] = {}
    """Plan of each open connection."""
    down: dict[int, tuple[int, str]] = {}
    """Written by version 1 of this state only: plans without a connection, since when, and why."""
    away_since_us: int | None = None
    """Written by version 1 only: when the previous incarnation's last record was received."""
    known: list[int] = []
    """Written by version 1 only: plans this incarnation has connected."""
    lines: dict[int, int] = {}
    """Line of each open connection."""
    since: dict[int, int] = {}
    """Since when each connected plan has been connected without a break."""
    stood: dict[int, tuple[int, int]] = {}
    """Written by version 1 only: per plan, when it was first connected, and for how long ended connections carried it."""
    opened: dict[int, int] = {}
    """When each open connection opened."""
    lives: dict[int, list[tuple[int, int]]] = {}
    """Per connected plan: from when to when each of its ended connections was alive."""
    incarnations: dict[int, str] = {}
    """Who opened each open connection, where it was not the incarnation named by `writer_id`, but one that goes on from it."""
    read_us: dict[str, int] = {}
    """When the newest record of each incarnation was received."""
    dead: dict[str, int] = {}
    """Incarnations that left connections open when they ended, and until when each lived. They end once another incarnation's
    stand; else with the next that goes on from none."""
    lacking: dict[int, set[int]] = {}
    """Per plan: lines that had a connection and will have one again, but have none now."""
    doubted: dict[int, tuple[int, int, str]] = {}
    """Plan, line and incarnation of connections that were open before a part of the journal was lost, and of which nothing came since."""

    def begin(self, writer_id: str) -> None:
        """Begin the journal of another incarnation: none of the previous one's connections is open any more."""
        self.writer_id, self.up, self.lines, self.since = writer_id, {}, {}, {}
        self.opened, self.lives = {}, {}
        self.down, self.away_since_us, self.known, self.stood = {}, None, [], {}
        self.incarnations, self.read_us, self.dead, self.lacking = {}, {}, {}, {}
        self.doubted = {}

    def connect(self, connection: int, plan: int, at_us: int, line: int = 0, incarnation: str = "") -> None:
        """Note that a connection has opened, for an incarnation that goes on from the one named by `writer_id`, or that one."""
        if incarnation not in ("", self.writer_id):
            self.incarnations[connection] = incarnation
        self.up[connection], self.lines[connection], self.opened[connection] = plan, line, at_us
        self.lacking.get(plan, set()).discard(line)
        self.since.setdefault(plan, at_us)
        self.doubted.pop(connection, None)

    def doubt_all(self) -> dict[int, tuple[int, int, str]]:
        """Note that any open connection may have ended in a lost part of the journal; returns all as `doubted` has them."""
        found = {number: (plan, self.lines.get(number, 0), self._owner(number)) for number, plan in self.up.items()}
        self.doubted = dict([*{**self.doubted, **found}.items()][-_DOUBTED_KEPT:])
        return found

    def disconnect(self, connection: int, alive_us: int) -> Ended:
        """Note that an open connection has ended, and was alive until `alive_us`."""
        plan = self.up.pop(connection)
        line = self.lines.pop(connection, 0)
        if line not in self.lines_of(plan):
            self.lacking.setdefault(plan, set()).add(line)
        self.incarnations.pop(connection, None)
        stood_since_us = self.since.get(plan, alive_us)
        # An earlier version did not store when a connection opened.
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

    def give_up(self, plan: int, line: int) -> None:
        """Note that a line without a connection will have none again."""
        self.lacking.get(plan, set()).discard(line)

    def end_incarnation(self, incarnation: str) -> None:
        """Note that an incarnation writes nothing more; what it left open ends with its newest record."""
        lived_until_us = self.read_us.pop(incarnation, self.newest_us)
        if incarnation in map(self._owner, self.up):
            self.dead[incarnation] = lived_until_us

    def left_by_the_dead(self) -> dict[int, int]:
        """Connections that incarnations left open when they ended, and until when each lived."""
        owners = {connection: self._owner(connection) for connection in self.up} if self.dead else {}
        return {connection: self.dead[owner] for connection, owner in owners.items() if owner in self.dead}

    def has_living(self) -> bool:
        """Whether a connection is open of an incarnation that has not ended."""
        return any(self._owner(connection) not in self.dead for connection in self.up)

    def beside(self, connection: int) -> list[int]:
        """The other open connections that carry the same plan."""
        plan = self.up.get(connection)
        return [other for other, carried in self.up.items() if carried == plan and other != connection]

    def lines_of(self, plan: int) -> set[int]:
        """The lines that carry the plan now."""
        return {self.lines.get(connection, 0) for connection, carried in self.up.items() if carried == plan}

    def is_alone(self, plan: int, line: int) -> bool:
        """Whether at most one connection carries the plan on that line; there are two while one is renewed."""
        return sum(self.up[connection] == plan for connection, on in self.lines.items() if on == line) <= 1

    def _owner(self, connection: int) -> str:
        return self.incarnations.get(connection, self.writer_id)

    def offline_since(self, last_message_us: int) -> tuple[int, str]:
        """Since when a stream is offline, and why, after its ingest has ended; `last_message_us` is its newest message."""
        # Version 1 does not say which of its unconnected plans was the stream's: the earliest after its last message counts.
        return min(
            (down for down in self.down.values() if down[0] >= last_message_us), default=(self.newest_us, "restart")
        )


def _uncovered(lives: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The stretches between these that none of them covers, ascending."""
    found: list[tuple[int, int]] = []
    ordered = sorted(lives)
    covered_until_us = ordered[0][0]
    for since_us, until_us in ordered:
        if since_us > covered_until_us:
            found.append((covered_until_us, since_us))
        covered_until_us = max(covered_until_us, until_us)
    return found
