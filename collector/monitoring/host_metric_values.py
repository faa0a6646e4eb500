"""The values of the metrics about several hosts, from a snapshot. No I/O, no clock."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from collector.monitoring.host_facts import lag_secs
from collector.monitoring.view import Snapshot, Value
from collector.reports import ClusterReport, PublishReport, RelayReport, TablerReport

_PUBLISH: Final[Mapping[str, Callable[[PublishReport], float]]] = {
    "collector_publish_lag_bytes": lambda publish: publish.lag_bytes,
    "collector_publish_lag_seconds": lambda publish: publish.lag_secs,
    "collector_publish_unpublished_bytes": lambda publish: publish.unpublished_bytes,
    "collector_publish_slices_total": lambda publish: publish.slices,
    "collector_publish_bytes_total": lambda publish: publish.bytes,
    "collector_publish_sent_bytes_total": lambda publish: publish.sent_bytes,
    "collector_publish_rewinds_total": lambda publish: publish.rewinds,
    "collector_publish_failures_total": lambda publish: publish.failures,
}
_RELAY: Final[Mapping[str, Callable[[RelayReport], float]]] = {
    "collector_relay_slices_total": lambda relay: relay.slices,
    "collector_relay_bytes_total": lambda relay: relay.bytes,
    "collector_relay_copies_total": lambda relay: relay.copies,
    "collector_relay_holes_total": lambda relay: relay.holes,
    "collector_relay_late_total": lambda relay: relay.late,
    "collector_relay_lost_total": lambda relay: relay.lost,
}
_TABLES: Final[Mapping[str, Callable[[TablerReport], float]]] = {
    "collector_table_commits_total": lambda tabler: tabler.commits,
    "collector_table_segments_total": lambda tabler: tabler.segments,
    "collector_table_files_total": lambda tabler: tabler.files,
    "collector_table_conflicts_total": lambda tabler: tabler.conflicts,
    "collector_table_backlog_segments": lambda tabler: tabler.backlog_segments,
}


def between_hosts(view: Snapshot) -> Iterator[Value]:
    """Every sample about other hosts and what goes to them; none from a process that this host does not have."""
    for feed, publish in view.publishing().items():
        yield "collector_nats_connected", (publish.role,), publish.is_connected and view.is_living(publish)
        yield from ((name, (feed,), value_of(publish)) for name, value_of in _PUBLISH.items())
    for feed, relay in view.relays().items():
        yield from _of_relay(feed, relay, view)
        if not view.receives:  # else the journal is that of an ingest
            yield "collector_journal_bytes", (feed,), relay.journal.bytes
            yield "collector_journal_files", (feed,), relay.journal.files
    if view.cluster.updated_us:
        yield from _of_cluster(view.cluster, view)
    if view.tabler.updated_us:
        yield from _of_tables(view.tabler)


def _of_relay(feed: str, relay: RelayReport, view: Snapshot) -> Iterator[Value]:
    yield "collector_nats_connected", (relay.role,), relay.is_connected and view.is_living(relay)
    yield from ((name, (feed,), value_of(relay)) for name, value_of in _RELAY.items())
    for source in relay.sources:
        labels = (feed, source.edge)
        yield "collector_edge_lag_seconds", labels, lag_secs(source, view.known.now_us)
        yield "collector_edge_pending_slices", labels, source.pending
        yield "collector_edge_pending_bytes", labels, source.pending_bytes
        yield "collector_edge_hole", labels, source.has_hole
        if source.received_us:
            yield "collector_edge_last_received_timestamp_seconds", labels, source.received_us / 1e6


def _of_cluster(cluster: ClusterReport, view: Snapshot) -> Iterator[Value]:
    yield "collector_nats_connected", (cluster.role,), cluster.is_connected and view.is_living(cluster)
    yield "collector_cluster_quorum", (), cluster.has_quorum
    yield "collector_cluster_members", (), len(cluster.members)
    yield "collector_cluster_changes_total", (), cluster.changes
    yield "collector_symbols_uncovered", (), cluster.uncovered_count
    yield "collector_symbols_overcovered", (), cluster.overcovered_count
    for host in cluster.hosts:
        yield "collector_host_up", (host.host, host.role), host.is_alive
        yield "collector_host_healthy", (host.host, host.role), host.is_alive and host.healthy


def _of_tables(tabler: TablerReport) -> Iterator[Value]:
    yield from ((name, (), value_of(tabler)) for name, value_of in _TABLES.items())
    if tabler.commit_secs is not None:
        yield "collector_table_commit_seconds", (), tabler.commit_secs
    if tabler.last_commit_us:
        yield "collector_table_last_commit_timestamp_seconds", (), tabler.last_commit_us / 1e6
