"""What it takes to bring a backlog to a bucket, and what an outage takes on the disk. Numbers only.

    .venv/bin/python -m tests.bench.bench_uploads small              2,000 small objects, ours and plain boto3 in turns
    .venv/bin/python -m tests.bench.bench_uploads large --gib 5      the same with objects of 50 MB
    .venv/bin/python -m tests.bench.bench_uploads disk               bytes of segments and of what takes their place

Both bring the same files to the same SeaweedFS on this machine: ours puts each with its SHA-256, asks what the server
holds, and puts a manifest a segment; the other calls boto3's `upload_file` in a loop and asks nothing.
"""

import argparse
import hashlib
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pyarrow as pa

from collector.domain.log import Log
from collector.domain.names import ObjectPartition, manifest_key, object_key
from collector.domain.records import StreamKey
from collector.domain.store_state import StoreState
from collector.exchanges.adapter import Subscription
from collector.exchanges.registry import adapter
from collector.processes.archiver.backoff import Backoffs, Deferred, new_delays
from collector.processes.archiver.stager import Stager
from collector.processes.archiver.store_health import StoreHealth
from collector.processes.archiver.thread_pool import DaemonThreadPool
from collector.processes.archiver.uploads import Uploads
from collector.storage.archive.manifest import Manifest, ManifestObject
from collector.storage.staging.file_names import object_file_name
from collector.storage.staging.staged_set import make_set
from tests.seaweed import ADMIN, ALONE, Seaweed
from tests.storage.segment.segment_files import NOON_US, make_segment

RECORDING = Path("../shared/data/frames/binance_spot/hftbacktest_btcusdt_20240808.jsonl.zst")
ROUNDS = 3
HOST = "bench"
TIMES = "2026-11-23T12:00:00.000000Z"


def make_backlog(staging: Path, sets: int, objects: int, object_bytes: int) -> None:
    """Staged sets of random bytes, as many objects in each."""
    source = random.Random(11)
    for number in range(sets):
        segment_id = f"20261123T{number // 3600:02}{number // 60 % 60:02}{number % 60:02}Z-4f2a9c"

        def write(folder: Path, segment_id: str = segment_id) -> Manifest:
            made = [make_object(folder, segment_id, f"S{index}", source, object_bytes) for index in range(objects)]
            return Manifest(1, "0", segment_id, None, HOST, TIMES, TIMES, 0, 0, made)

        make_set(staging, segment_id, write)


def make_object(folder: Path, segment_id: str, symbol: str, source: random.Random, size: int) -> ManifestObject:
    """One file of random bytes and what a manifest says of it."""
    partition = ObjectPartition("bench", "trade", symbol, "2026-11-23")
    key, content = object_key(partition, HOST, segment_id), source.randbytes(size)
    (folder / object_file_name(key)).write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    return ManifestObject(
        key, 1, size, sha256, *partition[:2], partition.symbol, partition.date, TIMES, TIMES, None, None
    )


def ours(server: Seaweed, bucket: str, staging: Path, concurrency: int) -> float:
    """Seconds until every set is confirmed."""
    log, clock, hands = Log(print), time.monotonic, DaemonThreadPool(concurrency)
    watch = StoreHealth(StoreState(lambda kind: new_delays(kind, 1, 300)), clock, log)
    held = Deferred(Backoffs(lambda: new_delays("away", 1, 300), clock), log)
    uploads = Uploads(server.store(bucket), hands, watch, held, clock, concurrency)
    began = time.monotonic()
    for folder in sorted(staging.iterdir()):
        uploads.add(folder, check_first=False)
    while uploads.ids:
        uploads.turn(1.0)
    hands.shutdown()
    return time.monotonic() - began


def plain(server: Seaweed, bucket: str, staging: Path) -> float:
    """Seconds of a loop over `upload_file`; it puts the manifests too."""
    client = server.admin
    began = time.monotonic()
    for folder in sorted(staging.iterdir()):
        for path in sorted(folder.iterdir()):
            key = manifest_key(HOST, folder.name) if path.suffix == ".json" else f"{folder.name}/{path.name}"
            client.upload_file(str(path), bucket, key)
    return time.monotonic() - began


def compare(sets: int, objects: int, object_bytes: int, rounds: int) -> None:
    """Bring the same backlog up in turns and print the medians."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update({**ALONE, **ADMIN})
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        staging = Path(folder, "staging")
        make_backlog(staging, sets, objects, object_bytes)
        server = Seaweed(Path(folder, "seaweed"), {"Version": "2012-10-17", "Statement": []}, "-volume.max=200").start()
        ways: dict[str, Callable[[str], float]] = {
            "plain upload_file in a loop": lambda bucket: plain(server, bucket, staging),
            "ours, concurrency 1": lambda bucket: ours(server, bucket, staging, 1),
            "ours, concurrency 4": lambda bucket: ours(server, bucket, staging, 4),
            "ours, concurrency 16": lambda bucket: ours(server, bucket, staging, 16),
        }
        secs: dict[str, list[float]] = {name: [] for name in ways}
        try:
            for _ in range(rounds):
                for name, way in ways.items():
                    secs[name].append(way(server.new_bucket()))
        finally:
            server.remove()
    total, count = sets * objects * object_bytes, sets * objects
    for name, taken in secs.items():
        median = statistics.median(taken)
        print(
            f"{name:28} {median:6.1f} s  {count / median:7,.0f} objects/s  {total / median / 1e6:7,.1f} MB/s",
            flush=True,
        )


def sizes(limit: int) -> str:
    """A segment of recorded frames, and the set that takes its place."""
    kinds = ("book_delta", "book_ticker", "trade")
    streams = [StreamKey("binance", "BTCUSDT", kind) for kind in kinds]
    decode = adapter("binance").decoder(Subscription(("BTCUSDT",), kinds))
    lines = islice(pa.input_stream(str(RECORDING), compression="zstd").read().splitlines(), limit)
    frames = [line["raw"].encode() for line in map(json.loads, lines) if line["dir"] == "in"]
    messages = [
        (streams.index(found.stream), 0, found.id or 0, NOON_US + number, found.exchange_us, 0, found.payload)
        for number, frame in enumerate(frames)
        for found in decode(frame)
    ]
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        path = make_segment(Path(folder), streams, messages, id_rules={"book_delta": "rising"})
        staging = Path(folder, "staging")
        Stager(staging, adapter, lambda: None).stage(path)
        segment_bytes = path.stat().st_size / len(messages)
        set_bytes = sum(file.stat().st_size for file in (staging / path.stem).iterdir()) / len(messages)
    segment_days, set_days = (100e9 / (size * 1_000 * 86_400) for size in (segment_bytes, set_bytes))
    return (
        f"{len(messages):,} messages: segment {segment_bytes:.0f} bytes a row, set {set_bytes:.1f};"
        f" 100 GB hold {segment_days:.1f} days of segments, {set_days:.0f} of sets, at 1,000 messages/s"
    )


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["small", "large", "disk"])
    parser.add_argument("--gib", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--rows", type=int, default=400_000)
    options = parser.parse_args()
    if options.part == "small":
        compare(200, 10, 20_000, options.rounds)
    elif options.part == "large":
        compare(round(options.gib * 2**30 / 10 / 50e6), 10, 50_000_000, options.rounds)
    else:
        print(sizes(options.rows))


if __name__ == "__main__":
    main()
