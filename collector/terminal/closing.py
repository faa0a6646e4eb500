"""What stays on a terminal once the recorder has stopped."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from collector.domain.redact import printable
from collector.terminal.hosts import stores
from collector.terminal.tables import counts, number, size, span

_LATE: Final = 5
_ERRORS: Final = 3
"""Log lines that are repeated when it did not end well."""


def closing_lines(status: Mapping[str, Any] | None, code: int, data_dir: Path, log_path: Path) -> list[str]:
    """How it ended, what was stored, and where that is; `status` is the newest one, None if there was none."""
    lines = [outcome(status, code)]
    if status is not None:
        lines += [_stored(status), f"Archive: {_archive(status, data_dir)}"] if stores(status) else [_published(status)]
        lines += _errors(status["events"]) if code else []
    return [printable(line) for line in [*lines, f"Log: {log_path}"]]


def outcome(status: Mapping[str, Any] | None, code: int) -> str:
    """How it ended, as one sentence."""
    after = f" after {span(status['uptime_secs'])}" if status is not None else " before it began to record"
    if code == 0:
        return f"Stopped in order{after}."
    late = "; what was received is safe on disk, and the next start goes on with it" if code == _LATE else ""
    return f"Stopped with exit code {code}{after}{late}."


def _stored(status: Mapping[str, Any]) -> str:
    streams = status["streams"]
    gaps = sum(stream["gaps"] for stream in streams)
    return f"Stored {number(status['writer']['stored'])} messages of {len(streams)} streams; {number(gaps)} gap rows."


def _published(status: Mapping[str, Any]) -> str:
    frames = sum(feed["frames"] for feed in status["feeds"])
    lag_bytes = sum(journal["lag_bytes"] for journal in status["journals"])
    later = f"; {size(lag_bytes)} in the journal wait for the next start" if lag_bytes else "; storage has all of it"
    return f"Received {number(frames)} frames{later}."


def _archive(status: Mapping[str, Any], data_dir: Path) -> str:
    archive, segments = status["archive"], status["segments"]
    archived = counts({"segments": segments["archived"], "Parquet files": archive["uploaded_objects"]})
    waiting = archive["backlog_segments"]
    later = f"; {number(waiting)} segments in {data_dir}/segments wait for the next start" if waiting else ""
    return f"{archived} archived in this run{later}."


def _errors(events: Sequence[Mapping[str, Any]]) -> list[str]:
    """The newest errors of the log."""
    errors = [event for event in events if event["level"] in {"error", "critical"}]
    return [f"  {event['process']}: {event['event']} {event['text']}" for event in errors[-_ERRORS:]]
