"""The value of every metric, taken out of a view. No I/O, no clock."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate, product
from math import inf
from typing import Final, NamedTuple

from collector import __version__
from collector.domain.histogram import BOUNDS_US
from collector.domain.records import StreamKey
from collector.domain.store_state import STATES as STORE_STATES
from collector.monitoring.health import RULES
from collector.monitoring.totals import RoleTotals
from collector.monitoring.view import Snapshot
from collector.stats_files import StreamNumbers

Value = tuple[str, tuple[str, ...], float]
"""The metric's name, its labels' values, and the number."""

STATES: Final = ("waiting", "connecting", "open", "closing")
DISCONNECTS: Final = ("stopped", "renewed", "trial", "silent", "closed", "lost", "protocol", "too_big")
REPAIR_KINDS: Final = ("book", "trades", "checkpoint", "clock")
REPAIR_REASONS: Final = (
    "rate_limited", "forbidden", "server", "unreachable", "slow", "too_large", "stale", "disk", "refused", "unreadable",
)  # fmt: skip

_STREAM_VALUES: Final[Mapping[str, Callable[[StreamNumbers], float | None]]] = {
    "collector_messages_received_total": lambda stream: stream.messages + stream.duplicates,
    "collector_messages_received_bytes_total": lambda stream: stream.bytes + stream.duplicate_bytes,
    "collector_messages_duplicate_total": lambda stream: stream.duplicates,
    "collector_messages_stored_total": lambda stream: stream.stored,
    "collector_messages_stored_bytes_total": lambda stream: stream.stored_bytes,
    "collector_stream_last_received_timestamp_seconds": lambda stream: _secs(stream.last_received_us),
    "collector_stream_last_stored_timestamp_seconds": lambda stream: _secs(stream.last_durable_us),
}
_FEED_COUNTS: Final = {
    "frames": "collector_frames_received_total",
    "bytes": "collector_frames_received_bytes_total",
    "refused": "collector_frames_refused_total",
    "refused_bytes": "collector_frames_refused_bytes_total",
    "control": "collector_frames_control_total",
    "reconnects": "collector_reconnects_total",
    "connect_failures": "collector_connect_failures_total",
    "subscriptions_refused": "collector_subscriptions_refused_total",
    "never_spoke": "collector_streams_never_spoke_total",
}
_WRITER_COUNTS: Final = {
    "late": "collector_messages_late_total",
    "undecodable": "collector_messages_undecodable_total",
    "commit_failures": "collector_commit_failures_total",
}
_ARCHIVER_COUNTS: Final = {
    "archived": "collector_segments_archived_total",
    "quarantined": "collector_segments_quarantined_total",
    "rows": "collector_archived_rows_total",
    "bytes": "collector_archived_bytes_total",
}


class Buckets(NamedTuple):
    """A histogram: how many values lie at or below each bound in seconds, the last of which is +Inf, and their sum."""

    cumulative: tuple[tuple[str, int], ...]
    sum_secs: float


def values(view: Snapshot) -> Iterator[Value]:
    """Every sample of a counter or gauge that is not one stream's."""
    for (_, *labels), count in view.role("writer").by_label("ledger"):
        yield "collector_gaps_total", tuple(map(str, labels)), count
    for feed, numbers in view.ingests().items():
        yield from _of_feed(feed, numbers)
        by_state = Counter(line["state"] for line in view.live_lines(feed))
        for state in STATES:
            yield "collector_connections", (feed, state), by_state[state]
    yield from _of_writer(view)
    yield from _of_repair(view)
    yield from _of_archiver(view)
    yield from _of_processes(view)
    yield from _of_supervisor(view)


def histograms(view: Snapshot) -> Iterator[tuple[str, tuple[str, ...], Buckets]]:
    """Every histogram, by name and labels."""
    writer = view.role("writer")
    yield "collector_commit_seconds", (), _buckets({int(row[1]): count for row, count in writer.by_label("commits")})
    for name, metric in (
        ("to_receive", "collector_exchange_to_receive_seconds"),
        ("to_durable", "collector_receive_to_durable_seconds"),
    ):
        rows: dict[str, dict[int, int]] = {feed: {} for feed in view.exchanges}
        for (_, feed, index), count in writer.by_label(name):
            rows.setdefault(str(feed), {})[int(index)] = count
        yield from ((metric, (feed,), _buckets(counts)) for feed, counts in rows.items())


def _buckets(counts: dict[int, int]) -> Buckets:
    bounds = [*(str(bound / 1e6) for bound in BOUNDS_US), "+Inf"]
    cumulative = accumulate(counts.get(index, 0) for index in range(len(bounds)))
    return Buckets(tuple(zip(bounds, cumulative, strict=True)), counts.get(-1, 0) / 1e6)


def stream_values(view: Snapshot) -> Iterator[tuple[str, list[tuple[StreamKey, float | None]]]]:
    """Every metric that each stream has, with its value for each, None where there is none."""
    streams = view.streams()
    for name, value_of in _STREAM_VALUES.items():
        yield name, [(key, value_of(numbers)) for key, numbers in streams.items()]
    yield "collector_stream_silence_limit_seconds", [(key, view.limit_secs(key)) for key in streams]


def _secs(time_us: int | None) -> float | None:
    return time_us / 1e6 if time_us else None


def _of_feed(feed: str, numbers: RoleTotals) -> Iterator[Value]:
    for name, metric in _FEED_COUNTS.items():
        yield metric, (feed,), numbers.total(name)
    # From 0 on, as all whose labels are known: a counter that begins with its first event shows no increase by it.
    disconnects = dict.fromkeys(DISCONNECTS, 0) | {
        str(why): count for (_, why), count in numbers.by_label("disconnects")
    }
    for cause, count in disconnects.items():
        yield "collector_disconnects_total", (feed, cause), count
    last_data_us = max((line["last_data_us"] or 0 for line in numbers.report.get("lines", ())), default=0)
    if last_data_us:
        yield "collector_feed_last_data_timestamp_seconds", (feed,), last_data_us / 1e6
    journal = numbers.report.get("journal", {})
    yield "collector_journal_bytes", (feed,), journal.get("bytes", 0)
    yield "collector_journal_files", (feed,), journal.get("files", 0)


def _of_writer(view: Snapshot) -> Iterator[Value]:
    writer = view.role("writer")
    for name, metric in _WRITER_COUNTS.items():
        yield metric, (), writer.total(name)
    yield "collector_batch_messages", (), writer.report.get("batch_size", 0)
    yield "collector_batch_limit_messages", (), writer.report.get("batch_limit", 0)
    for feed, offset_us in writer.report.get("clock_offsets_us", {}).items():
        yield "collector_clock_offset_seconds", (feed,), offset_us / 1e6
    for journal in view.journals:
        yield "collector_journal_lag_bytes", (journal["feed"],), journal["lag_bytes"]
        yield "collector_journal_lag_seconds", (journal["feed"],), journal["lag_secs"]


def _of_repair(view: Snapshot) -> Iterator[Value]:
    repair = view.role("repair")
    waits = repair.report.get("waiting", {})
    for kind, waiting in waits.items():
        yield "collector_repair_requests_waiting", (kind,), waiting
    answered = dict.fromkeys(waits, 0) | {str(kind): count for (_, kind), count in repair.by_label("answers")}
    for kind, count in answered.items():
        yield "collector_repair_answers_total", (kind,), count
    mends = any(child.name == "repair" for child in view.known.children)
    failures = dict.fromkeys(product(REPAIR_KINDS, REPAIR_REASONS) if mends else (), 0) | {
        (str(kind), str(why)): count for (_, kind, why), count in repair.by_label("requests_failed")
    }
    for labels, count in failures.items():
        yield "collector_repair_failures_total", labels, count
    for budget, weight in repair.report.get("weight", {}).items():
        yield "collector_repair_weight_used", (budget,), weight
    for feed, clock in repair.report.get("clocks", {}).items():
        yield "collector_rest_clock_offset_seconds", (feed,), clock["offset_us"] / 1e6


def _of_archiver(view: Snapshot) -> Iterator[Value]:
    archiver, segments = view.role("archiver"), view.role("writer").report.get("segments", {})
    for name, metric in _ARCHIVER_COUNTS.items():
        yield metric, (), archiver.total(name)
    for state in ("open", "sealed"):
        yield "collector_segments", (state,), segments.get(state, 0)
    yield "collector_segments", ("quarantined",), archiver.report.get("in_quarantine", 0)
    yield "collector_uploads_total", ("ok",), archiver.total("uploaded_objects")
    yield "collector_uploads_total", ("failed",), archiver.total("failed_uploads")
    for name in ("segments", "objects", "bytes"):
        yield f"collector_archive_backlog_{name}", (), archiver.report.get(f"backlog_{name}", 0)
    yield "collector_archive_backlog_age_seconds", (), view.backlog_age_secs
    for state in STORE_STATES:
        yield "collector_store_state", (state,), archiver.report.get("store_state", "there") == state
    yield "collector_store_away_seconds", (), archiver.report.get("store_away_secs", 0)
    for kind in ("away", "refusing"):
        yield "collector_store_tries_failed_total", (kind,), archiver.total("store_tries_failed", kind)


def _of_processes(view: Snapshot) -> Iterator[Value]:
    for child in view.known.children:
        yield "collector_process_up", (child.name,), child.state in {"running", "draining"}
        yield "collector_process_restarts_total", (child.name,), child.restarts
    for name, used in view.known.usage.items():
        yield "collector_process_cpu_seconds_total", (name,), used.cpu_secs
        yield "collector_process_resident_memory_bytes", (name,), used.rss_bytes
        yield "collector_process_open_fds", (name,), used.open_files
    for name, numbers in view.roles.items():
        yield "collector_log_lines_dropped_total", (name,), numbers.total("log_lines_dropped")
        if "updated_us" in numbers.report:
            yield "collector_process_last_report_timestamp_seconds", (name,), numbers.report["updated_us"] / 1e6


def _of_supervisor(view: Snapshot) -> Iterator[Value]:
    known = view.known
    for hop in known.hops:
        yield "collector_queue_depth", (hop.sender, hop.receiver), hop.depth
        yield "collector_queue_capacity", (hop.sender, hop.receiver), hop.capacity
    if known.disk_free_bytes is not None:
        full_in_secs = view.disk_full_in_secs
        yield "collector_disk_free_bytes", (), known.disk_free_bytes
        yield "collector_disk_full_in_seconds", (), inf if full_in_secs is None else full_in_secs
    holding = {reason["code"] for reason in view.reasons}
    yield "collector_healthy", (), not holding
    for code in RULES:
        yield "collector_unhealthy_reason", (code,), code in holding
    yield "collector_ready", (), view.ready
    for result in ("ok", "failed"):
        yield "collector_pings_total", (result,), view.role("supervisor").total("pings", result)
    yield "collector_start_timestamp_seconds", (), view.started_us / 1e6
    yield "collector_build_info", (__version__,), 1
