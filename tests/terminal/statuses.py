"""Statuses as the recorder makes them, for what a terminal shows of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from collector.config import Config, FeedConfig
from collector.monitoring import status_json as shown_to
from collector.monitoring.status import Status
from collector.monitoring.usage import Usage
from collector.monitoring.view import ChildState, QueueDepth, Snapshot, SupervisorFacts
from collector.reports import JournalLag, SegmentsReport, StreamNumbers, WriterReport

NOW = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)
NOW_US = int(NOW.timestamp()) * 1_000_000
EVIL = "B\x1b]0;owned\x07[red]T"
"""A symbol that would steer a terminal."""


def make_status(*, archiver: str = "running", symbols: tuple[str, ...] = ("BTCUSDT", EVIL)) -> dict[str, Any]:
    return shown_to.status(make_view(archiver=archiver, symbols=symbols))


def make_view(*, archiver: str = "running", symbols: tuple[str, ...] = ("BTCUSDT", EVIL)) -> Snapshot:
    config = Config(host_name="box", feed=(FeedConfig(data_types=("trade",)),))
    streams = [
        StreamNumbers(
            "binance", symbol, "trade", messages=12_345_678, gaps=index,
            last_received_us=NOW_US - 500_000, last_durable_us=NOW_US - (index + 2) * 1_000_000,
        )
        for index, symbol in enumerate(symbols)
    ]  # fmt: skip
    writer = WriterReport(
        pid=12, incarnation=1, updated_us=NOW_US, batch_size=512, batch_limit=10_000,
        commit_secs=0.02, messages=24_691_356, duplicates=7, undecodable=3, refused=0,
        segments=SegmentsReport(open=1, sealed=2), streams=streams,
        journals=[JournalLag(feed="binance", lag_bytes=5_000, lag_secs=0.1, unread_files=1, files=3)],
    )  # fmt: skip
    children = [
        ChildState("ingest:binance", 11, "running", 0), ChildState("writer", 12, "running", 2),
        ChildState("archiver", 13, archiver, 0),
    ]  # fmt: skip
    known = SupervisorFacts(
        NOW_US, 20.0, children, [QueueDepth("ingest:binance", "writer", 1, 256)], {"writer": Usage(50_000_000, 3.5)}
    )
    return Status("run-1", config).look({"writer": writer}, known)


def log_events(count: int) -> list[dict[str, Any]]:
    """So many warnings of the writer, a second apart, each longer than a line."""
    times = [(NOW - timedelta(seconds=count - number)).isoformat().replace("+00:00", "Z") for number in range(count)]
    return [
        {"at": at, "level": "warning", "process": "writer", "event": f"event_{number}", "text": "x" * 300,
         "times": 1, "first_at": at}
        for number, at in enumerate(times)
    ]  # fmt: skip


def many_feeds(status: dict[str, Any], count: int) -> dict[str, Any]:
    """The status with so many feeds, each with its process, its journal and its queue."""
    names = [f"binance_usdm_{number}" for number in range(count)]
    ingest = status["processes"][1]
    status["processes"] = [
        status["processes"][0], *({**ingest, "name": f"ingest:{name}"} for name in names), *status["processes"][2:],
    ]  # fmt: skip
    status["feeds"] = [{**status["feeds"][0], "feed": name, "connections": 2, "connections_open": 2} for name in names]
    status["journals"] = [{**status["journals"][0], "feed": name} for name in names]
    return status
