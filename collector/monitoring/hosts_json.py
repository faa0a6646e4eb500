"""What /status says of several hosts: the parts `publish`, `edges`, `cluster` and `tables`. No I/O, no clock."""

from collections.abc import Iterator
from typing import Any

from collector.domain.names import iso_time
from collector.monitoring.host_facts import is_alive, lag_secs
from collector.monitoring.view import Snapshot
from collector.reports import HostSummary, PublishReport, RelayReport


def between_hosts(view: Snapshot) -> dict[str, Any]:
    """The same keys on every host; empty where a host has no such process."""
    return {
        "publish": [_publish(feed, report, view) for feed, report in view.publishing().items()],
        "relays": [_relay(feed, report, view) for feed, report in view.relays().items()],
        "edges": list(_edges(view)),
        "cluster": _cluster(view),
        "tables": _tables(view),
    }


def _publish(feed: str, report: PublishReport, view: Snapshot) -> dict[str, Any]:
    return {
        "feed": feed,
        "connected": report.is_connected and view.is_living(report),
        "lag_bytes": report.lag_bytes,
        "lag_secs": round(report.lag_secs, 3),
        "unpublished_bytes": report.unpublished_bytes,
        "rewinds": report.rewinds,
        "failures": report.failures,
        "journal_bytes": report.journal_bytes,
        "place_at": _iso(report.place_us),
        "last_error": report.last_error,
    }


def _relay(feed: str, report: RelayReport, view: Snapshot) -> dict[str, Any]:
    return {
        "feed": feed,
        "connected": report.is_connected and view.is_living(report),
        "slices": report.slices,
        "bytes": report.bytes,
        "copies": report.copies,
        "holes": report.holes,
        "late": report.late,
        "lost": report.lost,
        "refused": report.refused,
        "journal_bytes": report.journal.bytes,
        "last_error": report.last_error,
    }


def _edges(view: Snapshot) -> Iterator[dict[str, Any]]:
    for feed, relay in view.relays().items():
        for source in relay.sources:
            yield {
                "edge": source.edge,
                "feed": feed,
                "slot": source.slot,
                "lag_secs": lag_secs(source, view.known.now_us),
                "lag_bytes": source.pending_bytes,
                "pending": source.pending,
                "hole": source.has_hole,
                "holes": source.holes,
                "late": source.late,
                "lost": source.lost,
                "last_received_at": _iso(source.received_us),
                "alive": is_alive(source, view.cluster),
            }


def _cluster(view: Snapshot) -> dict[str, Any]:
    cluster = view.cluster
    return {
        "connected": cluster.is_connected and view.is_living(cluster),
        "quorum": cluster.has_quorum,
        "hosts": [_host(host) for host in cluster.hosts],
        "members": cluster.members,
        "changes": cluster.changes,
        "copies": cluster.copies,
        "moving": cluster.is_moving,
        "trouble": cluster.trouble,
        "uncovered": [{"feed": feed, "symbol": symbol} for feed, symbol in cluster.uncovered],
        "uncovered_count": cluster.uncovered_count,
        "overcovered": [{"feed": feed, "symbol": symbol} for feed, symbol in cluster.overcovered],
        "overcovered_count": cluster.overcovered_count,
        "last_error": cluster.last_error,
    }


def _host(host: HostSummary) -> dict[str, Any]:
    return {
        "host": host.host,
        "role": host.role,
        "run_id": host.run_id,
        "version": host.version,
        "healthy": host.healthy,
        "reasons": [{"code": code, "text": text} for code, text in host.reasons],
        "lag_secs": round(host.lag_secs, 3),
        "lag_bytes": host.lag_bytes,
        "seen_secs": round(host.seen_secs, 3),
        "alive": host.is_alive,
    }


def _tables(view: Snapshot) -> dict[str, Any]:
    tabler = view.tabler
    return {
        "commits": tabler.commits,
        "segments": tabler.segments,
        "files": tabler.files,
        "conflicts": tabler.conflicts,
        "backlog_segments": tabler.backlog_segments,
        "commit_secs": tabler.commit_secs,
        "last_commit_at": _iso(tabler.last_commit_us),
        "last_error": tabler.last_error,
    }


def _iso(time_us: int | None) -> str | None:
    return iso_time(time_us) if time_us else None
