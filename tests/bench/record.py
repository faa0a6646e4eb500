"""One run of the recorder: started, at rest, flooded, stopped; everything it left is counted."""

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from tests.bench.figures import BATCH, BATCH_SECS, Figures, Stored, durable_rate, since, written
from tests.bench.recorded import TYPES, Wire
from tests.bench.sending import Certificate, Sender
from tests.bench.usage import Watch
from tests.whole.running import PATIENT, Recorder, wait_for

LOOK_SECS: Final = 0.02
LONG_SECS: Final = 600.0
SETTLE_SECS: Final = 2.0
"""What processes do right after they have begun is done then."""

OTHER: Final = "other"
"""Processes that have no name in the status, and the last moments of those that have one."""


def record(wire: Wire, certificate: Certificate | None) -> Figures:
    """Record all of it. Fails if a row is missing or one too many."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, Sender(wire, certificate) as sender:
        recorder = Recorder(
            Path(folder),
            sender.ws_url,
            environment=certificate.environment if certificate else {},
            feed={"symbols": list(wire.symbols), "data_types": list(TYPES)},
            writer={"batch_interval_secs": BATCH_SECS, "max_batch_size": BATCH},
            segment={"interval_secs": 86_400},
            supervisor={"stop_timeout_secs": LONG_SECS},
            **PATIENT,
        ).start()
        try:
            return _recorded(recorder, sender, wire)
        finally:
            recorder.end()


def _recorded(recorder: Recorder, sender: Sender, wire: Wire) -> Figures:
    sender.wait_for_client()
    watch = Watch(_at_rest(recorder))
    before = watch.look()
    sender.go()
    samples = _until_durable(recorder, wire.messages, watch)
    durable = watch.look()
    sent = sender.sent()
    segment_bytes, whole_cpu_secs = _until_stopped(recorder, watch)
    ended_ns = time.time_ns()
    after = watch.look()
    cpu_secs = since(before, after)
    cpu_secs[OTHER] = max(0.0, whole_cpu_secs - sum(usage.cpu_secs for usage in after.values()))
    archived = _archived(recorder, wire.messages)
    return Figures(
        messages=wire.messages,
        payload_bytes=wire.payload_bytes,
        durable_per_sec=durable_rate(samples, sent.began_ns),
        parquet_per_sec=wire.messages / (ended_ns - sent.began_ns) * 1e9,
        startup_cpu_secs={name: usage.cpu_secs for name, usage in before.items()},
        durable_cpu_secs=since(before, durable),
        cpu_secs=cpu_secs,
        rest_rss_bytes={name: usage.rss_bytes for name, usage in before.items()},
        peak_rss_bytes={name: usage.peak_rss_bytes for name, usage in after.items()},
        written_bytes=written(before, after),
        segment_bytes=segment_bytes,
        sender_cpu_secs=sent.cpu_secs,
        **archived,
    )


def _at_rest(recorder: Recorder) -> dict[str, int]:
    """The processes by name, once all of them have begun."""

    def running() -> dict[str, int]:
        assert recorder.alive()
        found = (recorder.status() or {"processes": []})["processes"]
        is_running = found and all(process["state"] == "running" for process in found)
        return {process["name"]: process["pid"] for process in found} if is_running else {}

    pids = {"supervisor": recorder.process.pid} | wait_for(running)
    time.sleep(SETTLE_SECS)
    return pids


def _until_durable(recorder: Recorder, messages: int, watch: Watch) -> list[Stored]:
    """The moments of the writer's reports; each says how many rows it had committed then."""
    path = recorder.data_dir / "run/stats/writer.json"
    samples = [Stored(0, 0)]

    def done() -> bool:
        assert recorder.alive()
        watch.look()
        at_ns = path.stat().st_mtime_ns
        if at_ns != samples[-1].at_ns:
            samples.append(Stored(at_ns, json.loads(path.read_bytes())["stored"]))
        return samples[-1].messages >= messages

    wait_for(done, LONG_SECS)
    return samples


def _until_stopped(recorder: Recorder, watch: Watch) -> tuple[int, float]:
    """Stop it in order; returns the bytes of the segments that were sealed, and the processor seconds of the whole tree."""
    process, sealed = recorder.process, dict[str, int]()
    process.terminate()
    while True:
        watch.look()
        _look_at_segments(recorder.data_dir / "segments", sealed)
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            break
        time.sleep(LOOK_SECS)
    assert process.returncode == 0, recorder.log_path.read_text("utf-8")
    names = {manifest["segment_id"] for manifest in _manifests(recorder)}
    assert names <= sealed.keys(), f"segments {names - sealed.keys()} were not seen"
    return sum(sealed[name] for name in names), usage.ru_utime + usage.ru_stime


def _look_at_segments(folder: Path, sealed: dict[str, int]) -> None:
    for path in folder.glob("*.db"):
        try:
            if path.stat().st_size:
                sealed[path.stem] = path.stat().st_size
        except FileNotFoundError:
            continue  # archived


def _manifests(recorder: Recorder) -> list[dict[str, Any]]:
    return [json.loads(path.read_bytes()) for path in (recorder.data_dir / "archive/_manifest").rglob("*.json")]


def _archived(recorder: Recorder, messages: int) -> dict[str, int]:
    manifests = _manifests(recorder)
    rows, plain_rows = sum(manifest["rows"] for manifest in manifests), recorder.dataset_rows()
    assert rows == plain_rows == messages, f"{rows} rows in manifests and {plain_rows} in files of {messages} sent"
    losses = recorder.losses()
    assert not losses, f"{len(losses)} rows in the gap ledger, and no message was missing"
    objects = [entry for manifest in manifests for entry in manifest["objects"]]
    updates = [entry for entry in objects if entry["data_type"] == "book_delta"]
    return {
        "objects": len(objects),
        "parquet_bytes": sum(entry["bytes"] for entry in objects),
        "updates": sum(entry["rows"] for entry in updates),
        "update_bytes": sum(entry["bytes"] for entry in updates),
    }
