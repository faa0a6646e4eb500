"""The value of every metric, from a snapshot. No I/O, no clock."""

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
from collector.monitoring.host_metric_values import between_hosts
from collector.monitoring.view import Snapshot, Value
from collector.reports import ArchiverReport, IngestReport, RepairReport, StreamNumbers

STATES: Final = ("waiting", "connecting", "open", "closing")
DISCONNECTS: Final = ("stopped", "renewed", "trial", "silent", "closed", "lost", "protocol", "too_big")
REPAIR_KINDS: Final = ("book", "trades", "checkpoint", "clock", "poll", "list")
REPAIR_REASONS: Final = (
    "rate_limited", "forbidden", "server", "unreachable", "slow", "too_large", "stale", "disk", "refused", "unreadable",
)  # fmt: skip

_STREAM_VALUES: Final[Mapping[str, Callable[[StreamNumbers], float | None]]] = {
    "collector_messages_received_total": lambda stream: stream.messages + stream.duplicates,
    "collector_messages_received_bytes_total": lambda stream: stream.bytes + stream.duplicate_bytes,
    "collector_messages_duplicate_total": lambda stream: stream.duplicates,
    "collector_messages_saved_by_lines_total": lambda stream: stream.saved if stream.first else None,
    "collector_messages_stored_total": lambda stream: stream.stored,
    "collector_messages_stored_bytes_total": lambda stream: stream.stored_bytes,
    "collector_stream_last_received_timestamp_seconds": lambda stream: _secs(stream.last_received_us),
    "collector_stream_last_stored_timestamp_seconds": lambda stream: _secs(stream.last_durable_us),
}
_FEED_COUNTS: Final[Mapping[str, Callable[[IngestReport], int]]] = {
    "collector_frames_received_total": lambda ingest: ingest.frames,
    "collector_frames_received_bytes_total": lambda ingest: ingest.bytes,
    "collector_frames_refused_total": lambda ingest: ingest.refused,
    "collector_frames_refused_bytes_total": lambda ingest: ingest.refused_bytes,
    "collector_frames_control_total": lambda ingest: ingest.control,
    "collector_reconnects_total": lambda ingest: ingest.reconnects,
    "collector_connect_failures_total": lambda ingest: ingest.connect_failures,
    "collector_subscriptions_refused_total": lambda ingest: ingest.subscriptions_refused,
    "collector_streams_never_spoke_total": lambda ingest: ingest.never_spoke,
}


class Buckets(NamedTuple):
    """A histogram: the number of values at or below each bound in seconds, the last being +Inf, and the values' sum."""

    cumulative: tuple[tuple[str, int], ...]
    sum_secs: float


def values(view: Snapshot) -> Iterator[Value]:
    """Every sample of the counters and gauges without stream labels."""
    for *labels, count in view.writer.ledger:
        yield "collector_gaps_total", tuple(labels), count
    for feed, ingest in view.ingests().items() if view.receives else ():
        yield from _of_feed(feed, ingest)
        by_state = Counter(line.state for line in view.live_lines(ingest))
        for state in STATES:
            yield "collector_connections", (feed, state), by_state[state]
    for journal in view.journals:
        yield "collector_journal_lag_bytes", (journal.feed,), journal.lag_bytes
        yield "collector_journal_lag_seconds", (journal.feed,), journal.lag_secs
    if view.stores:
        yield from _of_writer(view)
        yield from _of_archiver(view)
    yield from _of_repair(view)
    yield from between_hosts(view)
    yield from _of_processes(view)
    yield from _of_supervisor(view)


def histograms(view: Snapshot) -> Iterator[tuple[str, tuple[str, ...], Buckets]]:
    """Every histogram, by name and labels."""
    if not view.stores:
        return
    writer = view.writer
    yield "collector_commit_seconds", (), _buckets(dict(writer.commits))
    for metric, rows in (
        ("collector_exchange_to_receive_seconds", writer.to_receive),
        ("collector_receive_to_durable_seconds", writer.to_durable),
    ):
        by_feed: dict[str, dict[int, int]] = {feed: {} for feed in view.exchanges}
        for feed, index, count in rows:
            by_feed.setdefault(feed, {})[index] = count
        yield from ((metric, (feed,), _buckets(counts)) for feed, counts in by_feed.items())


def _buckets(counts: dict[int, int]) -> Buckets:
    bounds = [*(str(bound / 1e6) for bound in BOUNDS_US), "+Inf"]
    cumulative = accumulate(counts.get(index, 0) for index in range(len(bounds)))
    return Buckets(tuple(zip(bounds, cumulative, strict=True)), counts.get(-1, 0) / 1e6)


def stream_values(view: Snapshot) -> Iterator[tuple[str, list[tuple[StreamKey, float | None]]]]:
    """Every metric with stream labels, and its value for each stream; None where a stream has none."""
    streams = view.streams()
    for name, value_of in _STREAM_VALUES.items():
        yield name, [(key, value_of(numbers)) for key, numbers in streams.items()]
    yield "collector_stream_silence_limit_seconds", [(key, view.limit_secs(key)) for key in streams]


def _secs(time_us: int | None) -> float | None:
    return time_us / 1e6 if time_us else None


def _of_feed(feed: str, ingest: IngestReport) -> Iterator[Value]:
    for metric, count_of in _FEED_COUNTS.items():
        yield metric, (feed,), count_of(ingest)
    # Known labels start at 0: a counter that appears with its first event shows no increase for that event.
    for cause, count in (dict.fromkeys(DISCONNECTS, 0) | dict(ingest.disconnects)).items():
        yield "collector_disconnects_total", (feed, cause), count
    last_data_us = max((line.last_data_us or 0 for line in ingest.lines), default=0)
    if last_data_us:
        yield "collector_feed_last_data_timestamp_seconds", (feed,), last_data_us / 1e6
    yield "collector_journal_bytes", (feed,), ingest.journal.bytes
    yield "collector_journal_files", (feed,), ingest.journal.files


def _of_writer(view: Snapshot) -> Iterator[Value]:
    writer = view.writer
    yield "collector_messages_late_total", (), writer.late
    yield "collector_messages_undecodable_total", (), writer.undecodable
    yield "collector_frames_unasked_total", (), writer.unasked
    yield "collector_frame_holes_total", (), writer.frame_holes
    for feed, line, count in writer.first:
        yield "collector_messages_first_total", (feed, str(line)), count
    for result, count in writer.book_checks:
        yield "collector_book_checks_total", (result,), count
    yield "collector_commit_failures_total", (), writer.commit_failures
    yield "collector_batch_messages", (), writer.batch_size
    yield "collector_batch_limit_messages", (), writer.batch_limit
    for feed, offset_us in writer.clock_offsets_us.items():
        yield "collector_clock_offset_seconds", (feed,), offset_us / 1e6


def _of_repair(view: Snapshot) -> Iterator[Value]:
    repair = view.repair
    for kind, waiting in repair.waiting.items():
        yield "collector_repair_requests_waiting", (kind,), waiting
    for kind, count in (dict.fromkeys(repair.waiting, 0) | dict(repair.answers)).items():
        yield "collector_repair_answers_total", (kind,), count
    is_there = any(child.report is RepairReport for child in view.known.children)
    failures = dict.fromkeys(product(REPAIR_KINDS, REPAIR_REASONS) if is_there else (), 0)
    failures |= {(kind, reason): count for kind, reason, count in repair.requests_failed}
    for labels, count in failures.items():
        yield "collector_repair_failures_total", labels, count
    for budget, weight in repair.weight.items():
        yield "collector_repair_weight_used", (budget,), weight
    for feed, clock in repair.clocks.items():
        yield "collector_rest_clock_offset_seconds", (feed,), clock.offset_us / 1e6
    for feed, listed_us in repair.listed_us.items():
        yield "collector_instrument_list_age_seconds", (feed,), (view.known.now_us - listed_us) / 1e6


def _of_archiver(view: Snapshot) -> Iterator[Value]:
    archiver, segments = view.archiver, view.writer.segments
    yield "collector_segments_archived_total", (), archiver.archived
    yield "collector_segments_quarantined_total", (), archiver.quarantined
    yield "collector_archived_rows_total", (), archiver.rows
    yield "collector_archived_bytes_total", (), archiver.bytes
    yield "collector_segments", ("open",), segments.open
    yield "collector_segments", ("sealed",), segments.sealed
    yield "collector_segments", ("quarantined",), archiver.in_quarantine
    yield "collector_uploads_total", ("ok",), archiver.uploaded_objects
    yield "collector_uploads_total", ("failed",), archiver.failed_uploads
    yield "collector_archive_backlog_segments", (), archiver.backlog_segments
    yield "collector_archive_backlog_objects", (), archiver.backlog_objects
    yield "collector_archive_backlog_bytes", (), archiver.backlog_bytes
    yield "collector_archive_backlog_age_seconds", (), view.backlog_age_secs
    yield from _of_store(archiver)


def _of_store(archiver: ArchiverReport) -> Iterator[Value]:
    for state in STORE_STATES:
        yield "collector_store_state", (state,), archiver.store_state == state
    yield "collector_store_away_seconds", (), archiver.store_away_secs
    tries_failed = dict(archiver.store_tries_failed)
    for kind in ("away", "refusing"):
        yield "collector_store_tries_failed_total", (kind,), tries_failed.get(kind, 0)


def _of_processes(view: Snapshot) -> Iterator[Value]:
    for child in view.known.children:
        yield "collector_process_up", (child.name,), child.state in {"running", "draining"}
        yield "collector_process_restarts_total", (child.name,), child.restarts
    for name, used in view.known.usage.items():
        yield "collector_process_cpu_seconds_total", (name,), used.cpu_secs
        yield "collector_process_resident_memory_bytes", (name,), used.rss_bytes
        yield "collector_process_open_fds", (name,), used.open_files
    for name, totals in view.roles.items():
        yield "collector_log_lines_dropped_total", (name,), totals.total.log_lines_dropped
        if totals.total.updated_us:
            yield "collector_process_last_report_timestamp_seconds", (name,), totals.total.updated_us / 1e6


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
    yield "collector_pings_total", ("ok",), known.own.pings_sent
    yield "collector_pings_total", ("failed",), known.own.pings_failed
    yield "collector_start_timestamp_seconds", (), view.started_us / 1e6
    yield "collector_build_info", (__version__,), 1
