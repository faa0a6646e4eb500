"""Which connections of a feed stand, from what they said of themselves."""

import msgspec


class Links(msgspec.Struct, array_like=True):
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

    def begin(self, writer_id: str) -> None:
        """Another incarnation's journal begins: whatever was open is not any more."""
        self.writer_id, self.up, self.lines, self.since = writer_id, {}, {}, {}
        self.down, self.away_since_us, self.known, self.stood = {}, None, [], {}

    def connect(self, connection: int, plan: int, at_us: int, line: int = 0) -> None:
        """A connection stands."""
        self.up[connection], self.lines[connection] = plan, line
        self.since.setdefault(plan, at_us)

    def disconnect(self, connection: int, at_us: int) -> tuple[int, int | None] | None:
        """A connection is over: its plan, and since when that stood if nothing carries it now; None for an unknown one."""
        plan = self.up.pop(connection, None)
        self.lines.pop(connection, None)
        if plan is None:
            return None
        return plan, None if plan in self.up.values() else self.since.pop(plan, at_us)

    def beside(self, connection: int) -> list[int]:
        """The other connections that carry the same plan."""
        plan = self.up.get(connection)
        return [other for other, carried in self.up.items() if carried == plan and other != connection]

    def is_alone(self, plan: int, line: int) -> bool:
        """Whether at most one connection carries the plan on that line: two do while one is renewed."""
        return sum(self.up[connection] == plan for connection, on in self.lines.items() if on == line) <= 1

    def left_since(self, heard_us: int) -> tuple[int, str]:
        """Since when nobody listens to a stream that was last heard at `heard_us`, once its ingest is gone."""
        # Of several plans that version 1 left down it is not known which was the stream's: the first since it was heard.
        return min((down for down in self.down.values() if down[0] >= heard_us), default=(self.newest_us, "restart"))
