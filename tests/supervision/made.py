"""Reports as children make them, and what the supervisor knows beside them."""

from typing import Any

from msgspec import convert
from msgspec.structs import replace

from collector.config import Config, FeedConfig
from collector.config.model import NatsConfig
from collector.monitoring.status import Status
from collector.monitoring.usage import Usage
from collector.monitoring.view import ChildState, QueueDepth, SupervisorFacts
from collector.reports import (
    ArchiverReport,
    ClusterReport,
    IngestReport,
    PublishReport,
    RelayReport,
    RepairReport,
    Report,
    StreamNumbers,
    SupervisorReport,
    TablerReport,
    WriterReport,
)

NOW_US = 1_795_000_000_000_000  # 2026-11-18T11:06:40Z
SECOND_US = 1_000_000
STREAM = {"exchange": "binance", "symbol": "BTCUSDT", "data_type": "trade"}
SILENT_AFTER_SECS = 300 + 5 + 5
CUT_OFF_AFTER_SECS = 30 + 5 + 5
CONFIG = Config(host_name="box", feed=(FeedConfig(symbols=("BTCUSDT",), data_types=("trade",)),))
GIB = 1 << 30


def known(uptime_secs: float = 10.0, now_us: int = NOW_US, **changes: Any) -> SupervisorFacts:
    return SupervisorFacts(
        now_us,
        uptime_secs,
        (
            ChildState("ingest:binance", 11, "running", 0, feed="binance", report=IngestReport),
            ChildState("writer", 12, "running", 2, report=WriterReport),
        ),
        (QueueDepth("ingest:binance", "writer", 1, 256),),
        {"supervisor": Usage(40_000_000, 1.5, 3.5, 30), "ingest:binance": Usage(50_000_000, 3.5, 7.25, 20)},
        50 * GIB,
        SupervisorReport(pid=10),
    )._replace(**changes)


def line(**changes: Any) -> dict[str, Any]:
    return {
        "line": 0, "plan": 0, "streams": 1, "connection": 1, "state": "open",
        "last_data_us": NOW_US - SECOND_US, "last_error": None, **changes,
    }  # fmt: skip


def ingest(*, pid: int = 11, incarnation: int = 1, **numbers: Any) -> IngestReport:
    report = {
        "role": "ingest:binance", "pid": pid, "incarnation": incarnation, "state": "running", "updated_us": NOW_US,
        "feed": "binance", "frames": 9, "bytes": 900, "control": 1, "refused": 0, "refused_bytes": 0, "reconnects": 2,
        "connect_failures": 1, "subscriptions_refused": 0, "never_spoke": 0, "disconnects": [["closed", 2]], "lines": [line()],
        "journal": {"number": 1, "position": 900, "files": 1, "bytes": 900}, "log_lines_dropped": 0, "events": [],
        **numbers,
    }  # fmt: skip
    return convert(report, IngestReport)


def writer(*, pid: int = 12, incarnation: int = 1, **numbers: Any) -> WriterReport:
    report = {
        "role": "writer", "pid": pid, "incarnation": incarnation, "state": "running", "updated_us": NOW_US,
        "batch_size": 100, "batch_limit": 10_000, "commit_secs": 0.02, "messages": 7, "stored": 6, "duplicates": 2,
        "undecodable": 1, "unasked": 4, "frame_holes": 5, "book_checks": [["matched", 8]], "refused": 0,
        "late": 3, "gaps": 1, "commit_failures": 0,
        "ledger": [["binance", "BTCUSDT", "trade", "sequence", "open", 1]],
        "to_receive": [["binance", 2, 5], ["binance", 15, 1], ["binance", -1, 400_000_000]],
        "to_durable": [["binance", 8, 6], ["binance", -1, 4_500_000]],
        "commits": [[0, 2], [3, 1], [-1, 26_000]],
        "clock_offsets_us": {"binance": 20_000},
        "streams": [stream()],
        "journals": [{"feed": "binance", "lag_bytes": 40, "lag_secs": 0.1, "unread_files": 1, "files": 3}],
        "segments": {"open": 1, "sealed": 2}, "log_lines_dropped": 0, "events": [],
        **numbers,
    }  # fmt: skip
    return convert(report, WriterReport)


def stream(**numbers: Any) -> list[Any]:
    """A row of the writer's report, as it is read back."""
    row = {
        **STREAM, "messages": 7, "bytes": 700, "duplicates": 2, "duplicate_bytes": 200, "stored": 6,
        "stored_bytes": 600, "gaps": 1, "last_received_us": NOW_US - SECOND_US,
        "last_durable_us": NOW_US - 2 * SECOND_US, **numbers,
    }  # fmt: skip
    return list(StreamNumbers(**row))


def archiver(**numbers: Any) -> ArchiverReport:
    report = {
        "role": "archiver", "pid": 13, "incarnation": 1, "state": "running", "updated_us": NOW_US,
        "archived": 4, "quarantined": 1, "in_quarantine": 0, "uploaded_objects": 12, "rows": 100, "bytes": 5_000,
        "failed_uploads": 2, "backlog_segments": 2, "backlog_bytes": 300, "backlog_since_us": NOW_US - 60 * SECOND_US,
        "backlog_objects": 9, "bytes_per_sec": 200, "store_state": "there", "store_away_secs": 0.0,
        "store_tries_failed": [["away", 3]],
        "last_error": None, "eta_secs": 1.5, "log_lines_dropped": 0, "events": [], **numbers,
    }  # fmt: skip
    return convert(report, ArchiverReport)


def repair(**numbers: Any) -> RepairReport:
    report = {
        "role": "repair", "pid": 14, "incarnation": 1, "state": "running", "updated_us": NOW_US,
        "waiting": {"book": 2, "trades": 1, "checkpoint": 0}, "answers": [["book", 3], ["trades", 4]],
        "requests_failed": [["book", "stale", 1], ["trades", "refused", 2]], "weight": {"binance": 1_250},
        "clocks": {"binance": {"offset_us": -12_000, "within_us": 4_000}},
        "listed_us": {"binance": NOW_US - 60 * SECOND_US}, "log_lines_dropped": 0, "events": [],
        **numbers,
    }  # fmt: skip
    return convert(report, RepairReport)


def reports(*all_reports: Report) -> dict[str, Report]:
    return {report.role: report for report in all_reports}


def publish(**numbers: Any) -> PublishReport:
    report = {
        "role": "publish:binance", "pid": 21, "incarnation": 1, "state": "running", "updated_us": NOW_US,
        "feed": "binance", "is_connected": True, "slices": 6, "bytes": 800, "sent_bytes": 90, "rewinds": 1, "failures": 2,
        "lag_bytes": 100, "lag_secs": 0.25, "unpublished_bytes": 40, "journal_bytes": 900,
        "place_us": NOW_US - SECOND_US, **numbers,
    }  # fmt: skip
    return convert(report, PublishReport)


def source(**changes: Any) -> dict[str, Any]:
    return {
        "edge": "edge-1", "slot": 0, "received_us": NOW_US - SECOND_US, "arrived_us": NOW_US - SECOND_US // 2,
        "pending": 2, "pending_bytes": 512, "has_hole": False, "holes": 1, "late": 2, "lost": 3, **changes,
    }  # fmt: skip


def relay(**numbers: Any) -> RelayReport:
    report = {
        "role": "relay:binance", "pid": 22, "incarnation": 1, "state": "running", "updated_us": NOW_US,
        "feed": "binance", "is_connected": True, "slices": 8, "bytes": 700, "copies": 1, "holes": 2, "late": 3, "lost": 4,
        "sources": [source()], "journal": {"number": 1, "position": 700, "files": 1, "bytes": 700}, **numbers,
    }  # fmt: skip
    return convert(report, RelayReport)


def shown_host(**changes: Any) -> dict[str, Any]:
    return {
        "host": "edge-1", "role": "edge", "run_id": "run-2", "version": "0", "healthy": True, "reasons": [],
        "lag_secs": 0.5, "lag_bytes": 30, "seen_secs": 0.7, "is_alive": True, **changes,
    }  # fmt: skip


def cluster(**numbers: Any) -> ClusterReport:
    report = {
        "role": "cluster", "pid": 23, "incarnation": 1, "state": "running", "updated_us": NOW_US, "is_connected": True,
        "hosts": [shown_host()], "members": ["edge-1"], "changes": 1, "copies": 2, **numbers,
    }  # fmt: skip
    return convert(report, ClusterReport)


def tabler(**numbers: Any) -> TablerReport:
    report = {
        "role": "tabler", "pid": 24, "incarnation": 1, "state": "running", "updated_us": NOW_US, "commits": 5, "segments": 4,
        "files": 30, "conflicts": 1, "commit_secs": 0.2, "last_commit_us": NOW_US - SECOND_US, **numbers,
    }  # fmt: skip
    return convert(report, TablerReport)


def config_of(role: str) -> Config:
    """The configuration of a host of that role."""
    return replace(CONFIG, role=role, nats=NatsConfig(urls=("nats://127.0.0.1:1",)))


def known_on(role: str, uptime_secs: float = 10.0, now_us: int = NOW_US, **changes: Any) -> SupervisorFacts:
    """What the supervisor of a host of that role knows."""
    edge = (
        ChildState("ingest:binance", 11, "running", 0, feed="binance", report=IngestReport),
        ChildState("publish:binance", 21, "running", 0, feed="binance", report=PublishReport),
    )
    storage = (
        ChildState("relay:binance", 22, "running", 0, feed="binance", report=RelayReport),
        ChildState("writer", 12, "running", 0, report=WriterReport),
        ChildState("archiver", 13, "running", 0, report=ArchiverReport),
        ChildState("tabler", 24, "running", 0, report=TablerReport),
    )
    children = (*(edge if role == "edge" else storage), ChildState("cluster", 23, "running", 0, report=ClusterReport))
    return known(uptime_secs, now_us, **{"children": children, "hops": (), **changes})


def known_everywhere(**changes: Any) -> SupervisorFacts:
    """As if one host had the processes of all roles."""
    children = dict.fromkeys((*known().children, *known_on("edge").children, *known_on("storage").children))
    return known(**{"children": tuple({child.name: child for child in children}.values()), **changes})


def told_everywhere() -> dict[str, Report]:
    """What those processes say."""
    return reports(ingest(), writer(), archiver(), repair(), publish(), relay(), cluster(), tabler())


def status(role: str = "all") -> Status:
    return Status("run-1", CONFIG if role == "all" else config_of(role))
