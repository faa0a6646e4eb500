"""The JSON objects that outsiders read, from a snapshot: /status, /healthz and run/health.json. No I/O, no clock."""

from typing import Any, Final

from msgspec.structs import asdict

from collector import __version__
from collector.domain.names import iso_time
from collector.domain.records import StreamKey
from collector.monitoring import hosts_json
from collector.monitoring.coverage import CELL_SECS, CoveredGap
from collector.monitoring.coverage_cells import proves_continuity, runs
from collector.monitoring.status import SUPERVISOR
from collector.monitoring.view import ChildState, Snapshot
from collector.reports import IngestReport, RelayReport, StreamNumbers

DAY_SECS: Final = 24 * 3600


def status(view: Snapshot) -> dict[str, Any]:
    """The object of /status and of `queue_stats.py --json`; its keys are a contract, and only ever get more."""
    return {
        **_recorder(view),
        "streams": [_stream(key, numbers, view) for key, numbers in view.streams().items()],
    }


def page(view: Snapshot, window_secs: int = DAY_SECS) -> dict[str, Any]:
    """What the page at `/` asks for; it belongs to the page and changes with it. Times are in milliseconds.

    The coverage is that of the last `window_secs`, or of the time since the recorder's first start where that is shorter.
    """
    strips = view.strips
    wanted = window_secs // CELL_SECS
    cells = max(1, min(wanted, strips.known_cells))
    first_us = strips.ended_us - cells * CELL_SECS * 1_000_000
    started_in_first_cell = 0 <= view.started_us - first_us < CELL_SECS * 1_000_000
    coverage = {
        "ended_at_ms": strips.ended_us // 1_000,
        "now_ms": view.known.now_us // 1_000,
        "cell_secs": CELL_SECS,
        "cells": cells,
        "is_since_start": cells < wanted,
        "since_ms": (view.started_us if started_in_first_cell else first_us) // 1_000,
    }
    return {
        **_recorder(view),
        "now_ms": view.known.now_us // 1_000,
        "coverage": coverage,
        "gaps": [_gap(row) for row in strips.gaps],
        "streams": [_row(key, numbers, view, cells) for key, numbers in view.streams().items() if key in strips.cells],
    }


def _recorder(view: Snapshot) -> dict[str, Any]:
    known = view.known
    return {
        "run_id": view.run_id,
        "host": view.host,
        "role": view.role,
        "version": __version__,
        "demo": view.is_demo,
        "uptime_secs": round(known.uptime_secs, 3),
        **healthz(view),
        "ready": view.ready,
        "processes": [_process(process, view) for process in (_supervisor(view), *known.children)],
        "channels": [
            {"from": hop.sender, "to": hop.receiver, "depth": hop.depth, "capacity": hop.capacity} for hop in known.hops
        ],
        "flow": [
            {
                "stage": stage.name,
                "total": stage.total,
                "per_sec": stage.per_sec,
                "history": stage.history,
                "unit": stage.unit,
            }
            for stage in view.stages
        ],
        "feeds": [_feed(feed, numbers, view) for feed, numbers in view.ingests().items()],
        "journals": [asdict(journal) for journal in view.journals],
        "writer": _writer(view),
        "segments": _segments(view),
        "repair": _repair(view),
        "archive": _archive(view),
        **hosts_json.between_hosts(view),
        "disk": {"free_bytes": known.disk_free_bytes, "full_in_secs": view.disk_full_in_secs},
        "events": [event._asdict() for event in view.events],
    }


def healthz(view: Snapshot) -> dict[str, Any]:
    """Whether the recorder is healthy, its state in one line, and why it is not."""
    return {"healthy": not view.reasons, "headline": view.headline, "reasons": view.reasons}


def health(view: Snapshot) -> dict[str, Any]:
    """What run/health.json holds: the verdict, and since when nobody has given one again."""
    known = view.known
    about = {"run_id": view.run_id, "host": view.host, "uptime_secs": round(known.uptime_secs, 3)}
    return {**about, **healthz(view), "updated_at": iso_time(known.now_us)}


def stopped(view: Snapshot, now_us: int) -> dict[str, Any]:
    """What run/health.json holds once the recorder has ended."""
    text, ended_at = "the recorder has ended", iso_time(now_us)
    reason = {"code": "stopped", "text": text, "since": ended_at}
    return {**health(view), "healthy": False, "headline": "Stopped", "reasons": [reason], "updated_at": ended_at}


def _supervisor(view: Snapshot) -> ChildState:
    """The supervisor as one of the processes; it makes this object, so it runs."""
    return ChildState(SUPERVISOR, view.known.own.pid or None, "running", 0)


def _process(process: ChildState, view: Snapshot) -> dict[str, Any]:
    used = view.known.usage.get(process.name)
    return {
        "name": process.name,
        "pid": process.pid,
        "state": process.state,
        "restarts": process.restarts,
        "unreported_secs": process.unreported_secs,
        "rss_bytes": used.rss_bytes if used else None,
        "cpu_percent": used.cpu_percent if used else None,
        "open_files": used.open_files if used else None,
    }


def _feed(feed: str, ingest: IngestReport, view: Snapshot) -> dict[str, Any]:
    offset_us = view.writer.clock_offsets_us.get(feed)
    clock = view.repair.clocks.get(feed)
    relay = view.relays().get(feed, RelayReport())
    newest_us = [line.last_data_us or 0 for line in ingest.lines] + [each.received_us or 0 for each in relay.sources]
    return {
        "feed": feed,
        "exchange": view.exchanges.get(feed),
        "connections": len(ingest.lines),
        "connections_open": sum(line.state == "open" for line in view.live_lines(ingest)),
        "reconnects": ingest.reconnects,
        "frames": ingest.frames,
        "bytes": ingest.bytes + relay.bytes,
        "refused": ingest.refused,
        "last_data_at": _iso(max(newest_us, default=0)),
        "clock_offset_secs": None if offset_us is None else offset_us / 1e6,
        "rest_clock_offset_secs": clock.offset_us / 1e6 if clock else None,
    }


def _writer(view: Snapshot) -> dict[str, Any]:
    writer = view.writer
    refused = sum(ingest.refused for ingest in view.ingests().values())
    return {
        "batch_size": writer.batch_size,
        "batch_limit": writer.batch_limit,
        "commit_secs": writer.commit_secs,
        "messages": writer.messages,
        "stored": writer.stored,
        "duplicates": writer.duplicates,
        "undecodable": writer.undecodable,
        "unasked": writer.unasked,
        "frame_holes": writer.frame_holes,
        "book_checks": dict(writer.book_checks),
        # Ingest knows first; the writer also reads in the journal what was refused before this supervisor started.
        "refused": max(refused, writer.refused),
    }


def _segments(view: Snapshot) -> dict[str, int]:
    on_disk, archiver = view.writer.segments, view.archiver
    return {
        "open": on_disk.open,
        "sealed": on_disk.sealed,
        "archived": archiver.archived,
        "quarantined": archiver.quarantined,
    }


def _repair(view: Snapshot) -> dict[str, Any]:
    repair = view.repair
    return {
        "waiting": repair.waiting,
        "answered": dict(repair.answers),
        "failed": sum(count for _, _, count in repair.requests_failed),
        "weight_used": repair.weight,
    }


def _archive(view: Snapshot) -> dict[str, Any]:
    archiver = view.archiver
    return {
        "state": archiver.store_state,
        "backlog_segments": archiver.backlog_segments,
        "backlog_objects": archiver.backlog_objects,
        "backlog_bytes": archiver.backlog_bytes,
        "backlog_age_secs": view.backlog_age_secs,
        "uploaded_objects": archiver.uploaded_objects,
        "failed_uploads": archiver.failed_uploads,
        "last_error": view.store_error,
        "bytes_per_sec": archiver.bytes_per_sec,
        "eta_secs": archiver.eta_secs,
        "next_seal_at": iso_time(view.next_seal_us),
    }


def _stream(key: StreamKey, numbers: StreamNumbers, view: Snapshot) -> dict[str, Any]:
    return {
        **key._asdict(),
        "messages": numbers.messages,
        "stored": numbers.stored,
        "duplicates": numbers.duplicates,
        "gaps": numbers.gaps,
        "last_received_at": _iso(numbers.last_received_us),
        "last_durable_at": _iso(numbers.last_durable_us),
        "silent": key in view.silent,
        "silent_after_secs": view.limit_secs(key),
        "saved": numbers.saved,
        "first_by_line": {str(line): count for line, count in numbers.first},
    }


def _row(key: StreamKey, numbers: StreamNumbers, view: Snapshot, cells: int) -> list[Any]:
    """A stream as an array, because there may be thousands of them."""
    proves = proves_continuity(key)
    return [
        *key,
        numbers.messages,
        numbers.gaps,
        _ms(numbers.last_received_us),
        _ms(numbers.last_durable_us),
        int(key in view.silent),
        view.limit_secs(key),
        int(proves),
        numbers.saved,
        numbers.first,
        runs(view.strips.cells[key][-cells:], proves=proves),
    ]


def _gap(row: CoveredGap) -> dict[str, Any]:
    gap = row.gap
    return {
        "exchange": row.exchange,
        "symbol": row.symbol,
        "data_type": gap.stream_type,
        "kind": gap.kind,
        "cause": gap.cause,
        "status": gap.status,
        "missing": gap.missing,
        "started_at_ms": gap.started_at // 1_000,
        "ended_at_ms": _ms(gap.ended_at),
        "detected_at_ms": gap.detected_at // 1_000,
    }


def _ms(time_us: int | None) -> int | None:
    return time_us // 1_000 if time_us else None


def _iso(time_us: int | None) -> str | None:
    return iso_time(time_us) if time_us else None
