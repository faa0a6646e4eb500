"""When nobody listened: from what connections said of themselves to the stretches in which no line of a plan stood."""

from typing import NamedTuple

import msgspec


class Outage(NamedTuple):
    """A stretch in which no line of a plan was connected."""

    plan: int
    since_us: int
    until_us: int
    cause: str
    """disconnect, or restart where ingest itself was away."""


class Links(msgspec.Struct, array_like=True):
    """What is known of a feed's connections; it commits with the rows. A plan is one share of the feed's streams."""

    writer_id: str = ""
    """Of the incarnation of ingest whose journal is being read."""
    newest_us: int = 0
    """When the newest record was received."""
    up: dict[int, int] = {}
    """Open connections, each with its plan."""
    down: dict[int, tuple[int, str]] = {}
    """Plans without one: since when, and why."""
    away_since_us: int | None = None
    """When the incarnation before fell silent; None in the first one."""
    known: list[int] = []
    """Plans this incarnation has connected."""
    lines: dict[int, int] = {}
    """Open connections, each with its line."""
    since: dict[int, int] = {}
    """Plans that stand: since when without a break."""
    stood: dict[int, tuple[int, int]] = {}
    """Plans that this incarnation has connected and that did not stay: when they first stood, and for how long in all."""

    def begin(self, writer_id: str) -> bool:
        """Another incarnation's journal begins: whatever was open is not any more. True if there was one before."""
        had_one = self.writer_id != ""
        if had_one:
            self.away_since_us = self.newest_us
            for plan in self.up.values():
                self.down.setdefault(plan, (self.newest_us, "restart"))
        self.writer_id, self.up, self.known, self.lines = writer_id, {}, [], {}
        self.since, self.stood = {}, {}
        return had_one

    def left_since(self, heard_us: int) -> tuple[int, str]:
        """Since when a stream is away that the next incarnation does not bring, and why; it was last heard at `heard_us`.

        Of several plans that are down it is not known which was the stream's: the first one since it was heard.
        """
        return min((down for down in self.down.values() if down[0] >= heard_us), default=(self.newest_us, "restart"))

    def connect(self, connection: int, plan: int, at_us: int, line: int = 0) -> Outage | None:
        """A connection stands; returns the outage it ends, if any."""
        stood = plan in self.up.values()
        self.up[connection], self.lines[connection] = plan, line
        if not stood:
            self.since[plan] = at_us
        since = self.down.pop(plan, None)
        if since is None and plan not in self.known and self.away_since_us is not None:
            since = (self.away_since_us, "restart")
        self.known = sorted({*self.known, plan})
        if since is None or stood:
            return None
        return Outage(plan, since[0], max(at_us, since[0]), since[1])

    def disconnect(self, connection: int, at_us: int, cause: str) -> int | None:
        """A connection is over; returns its plan, if it is known."""
        plan = self.up.pop(connection, None)
        self.lines.pop(connection, None)
        if plan is not None and plan not in self.up.values():
            self.stood[plan] = self.listened(plan, at_us)
            self.since.pop(plan, None)
            self.down.setdefault(plan, (at_us, cause))
        return plan

    def listened(self, plan: int, now_us: int) -> tuple[int, int]:
        """When a plan first stood in this incarnation, and for how many microseconds in all."""
        since_us = self.since.get(plan, now_us)
        first_us, before_us = self.stood.get(plan, (since_us, 0))
        return first_us, before_us + max(0, now_us - since_us)

    def is_alone(self, plan: int, line: int) -> bool:
        """Whether at most one connection carries the plan on that line: two do while one is renewed."""
        return sum(self.up[connection] == plan for connection, on in self.lines.items() if on == line) <= 1
