"""What is known of several hosts: this one's way to NATS, the others, symbols, tables. No I/O, no clock."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from collector.monitoring.held import Held
from collector.monitoring.totals import Totals, by_feed, totals_of
from collector.reports import ClusterReport, EdgeSource, HostSummary, PublishReport, RelayReport, TablerReport

AWAY_SECS: Final = 10.0
"""A process without a connection to NATS for longer has lost it; before, it is on the way to another server."""

HOLE_SECS: Final = 30.0
"""An edge fills a hole within seconds; one that stands for longer is not being filled."""

UNCOVERED_SECS: Final = 30.0
"""Another edge has taken over a symbol by then, and has connected."""

GONE_SECS: Final = 30.0
"""A host that has shown no sign of life for longer is gone."""

RETIRED_SECS: Final = 24 * 3600.0
"""A host that has been gone for longer was taken out of service; the others forget it then."""

TABLES_SECS: Final = 900.0
"""Segments that wait for the tables for so long without a commit are not waiting for their turn."""

NO_QUORUM: Final = "most of the servers do not answer"


class HostFacts(NamedTuple):
    """What the rules about several hosts look at; all is well by default."""

    without_nats: Mapping[str, str] = {}
    """Processes that have had no connection to NATS for too long, each with its last error."""
    waiting_secs: Mapping[str, float] = {}
    """Feeds of which rows may wait on edges or in NATS, each with the seconds for which they may have."""
    publishing: Sequence[PublishReport] = ()
    """The publishers of this edge."""
    standing_holes: Sequence[tuple[str, str]] = ()
    """Feed and edge of holes that are not being filled."""
    refused: Mapping[str, str] = {}
    """Feeds whose relay does not take what an edge sends, each with the reason."""
    gone: Mapping[str, float] = {}
    """Edges that were seen and show no sign of life, each with the seconds for which they have not."""
    unwell: Mapping[str, Sequence[tuple[str, str]]] = {}
    """Other hosts that are not healthy, each with its reasons."""
    uncovered: Sequence[tuple[str, str]] = ()
    """Feed and symbol of what too few edges have received for too long."""
    uncovered_count: int = 0
    """How many there are now; only the first are named."""
    trouble: str = ""
    """In what hosts that should agree differ."""
    waiting_segments: int = 0
    """Segments that wait for the tables, if no commit has come for too long."""
    tables_error: str = ""


class HostWatch:
    """Follows what processes report of other hosts. On a host with the role `all` nothing is ever wrong here."""

    def __init__(self, host: str, role: str) -> None:
        self._host = host
        self._role = role
        self._away: Held[str] = Held()
        self._cut_off: Held[str] = Held()
        self._connected: Held[str] = Held()
        self._holes: Held[tuple[str, str]] = Held()
        self._uncovered: Held[tuple[str, str]] = Held()
        self._waiting: Held[int] = Held()

    def update(self, totals: Totals, living: Mapping[str, int | None], now_us: int, uptime_secs: float) -> HostFacts:
        """Take in the newest reports; `living` has the process id of every child that runs."""
        publishing = by_feed(totals, PublishReport)
        relays = by_feed(totals, RelayReport)
        cluster, tabler = totals_of(totals, ClusterReport).total, totals_of(totals, TablerReport).total
        holes = [(feed, source.edge) for feed, relay in relays.items() for source in relay.sources if source.has_hole]
        uncovered = cluster.uncovered if cluster.has_quorum else []
        is_storage = self._role == "storage"
        waits = [tabler.commits] if tabler.backlog_segments else []
        is_late = bool(self._waiting.longer(waits, uptime_secs, TABLES_SECS))
        return HostFacts(
            without_nats=self._without_nats(totals, living, uptime_secs),
            waiting_secs=self._waiting_secs(relays, now_us, uptime_secs),
            publishing=list(publishing.values()),
            standing_holes=self._holes.longer(holes, uptime_secs, HOLE_SECS),
            refused={feed: relay.refused for feed, relay in relays.items() if relay.refused},
            gone=self._gone(relays, cluster, now_us, uptime_secs) if is_storage else {},
            unwell=_unwell(cluster.hosts, self._host) if is_storage else {},
            uncovered=self._uncovered.longer(uncovered, uptime_secs, UNCOVERED_SECS),
            uncovered_count=cluster.uncovered_count,
            trouble=cluster.trouble,
            waiting_segments=tabler.backlog_segments if is_late else 0,
            tables_error=tabler.last_error or "",
        )

    def _waiting_secs(self, relays: Mapping[str, RelayReport], now_us: int, uptime_secs: float) -> dict[str, float]:
        cut_off = self._cut_off.update([feed for feed, relay in relays.items() if not relay.is_connected], uptime_secs)
        lags = {
            feed: max((lag_secs(each, now_us) for each in relay.sources), default=0.0) for feed, relay in relays.items()
        }
        return {feed: max(lag, cut_off.get(feed, 0.0)) for feed, lag in lags.items()}

    def _gone(
        self, relays: Mapping[str, RelayReport], cluster: ClusterReport, now_us: int, uptime_secs: float
    ) -> dict[str, float]:
        connected = self._connected.update([feed for feed, relay in relays.items() if relay.is_connected], uptime_secs)
        return gone_edges({feed: (relays[feed], secs) for feed, secs in connected.items()}, cluster, now_us)

    def _without_nats(self, totals: Totals, living: Mapping[str, int | None], uptime_secs: float) -> Mapping[str, str]:
        errors: dict[str, str] = {}
        for name, each in totals.items():
            report = each.newest
            if not isinstance(report, PublishReport | RelayReport | ClusterReport) or living.get(name) != report.pid:
                continue
            if not report.is_connected:
                errors[name] = report.last_error or ""
            elif isinstance(report, ClusterReport) and not report.has_quorum:
                errors[name] = NO_QUORUM
        return {name: errors[name] for name in self._away.longer(list(errors), uptime_secs, AWAY_SECS)}


def gone_edges(
    relays: Mapping[str, tuple[RelayReport, float]], cluster: ClusterReport, now_us: int
) -> dict[str, float]:
    """Edges that were seen and show no sign of life, with the seconds since the last one, but for those long retired.

    An edge is alive if it shows itself to the others, or if a slice of it came lately. `relays`: those that are connected,
    by feed, each with the seconds for which it has been; what an edge did before nobody knows.
    """
    silent_secs = {host.host: host.seen_secs for host in cluster.hosts if host.role == "edge" and not host.is_alive}
    shown = {host.host for host in cluster.hosts if host.is_alive}
    for relay, connected_secs in relays.values():
        for source in relay.sources:
            arrived_secs = (now_us - (source.arrived_us or now_us)) / 1e6
            if source.edge not in shown and source.arrived_us and arrived_secs < RETIRED_SECS:
                arrived_secs = min(arrived_secs, connected_secs)
                silent_secs[source.edge] = min(arrived_secs, silent_secs.get(source.edge, arrived_secs))
    return {edge: secs for edge, secs in sorted(silent_secs.items()) if GONE_SECS < secs < RETIRED_SECS}


def lag_secs(source: EdgeSource, now_us: int) -> float:
    """How old the newest record is that came, if others wait or are missing; else 0."""
    if source.received_us is None or not (source.pending or source.has_hole):
        return 0.0
    return round(max(0.0, (now_us - source.received_us) / 1e6), 3)


def is_alive(source: EdgeSource, cluster: ClusterReport) -> bool | None:
    """Whether the edge shows itself to the others; None if nobody knows."""
    return next((host.is_alive for host in cluster.hosts if host.host == source.edge), None)


def _unwell(hosts: Sequence[HostSummary], this: str) -> dict[str, Sequence[tuple[str, str]]]:
    """Hosts without a reason have begun, and given no verdict yet.

    That another one finds a host unhealthy is no reason of its own: two that watch each other would never be well again.
    """
    own = {host.host: [why for why in host.reasons if why[0] != "host_unhealthy"] for host in hosts if host.is_alive}
    return {host: reasons for host, reasons in own.items() if reasons and host != this}
