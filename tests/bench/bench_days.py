"""What a day of a stream takes to read as hour files and as day files: requests to a real S3 server, bytes, CPU. Nothing is asserted.

    .venv/bin/python -m tests.bench.bench_days [--messages 240000]

Recorded frames of two symbols as one recorder stores them in a day of 24 segments, in a bucket; a quarter of the segments has
a gap. Requests are those that botocore sends from opening the archive to the last row.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import collector.read
from collector.compaction.compaction import How, Ticks, compacted
from collector.compaction.day import Trees
from collector.compaction.survey import Dates, Survey
from collector.domain.records import StreamKey
from collector.exchanges.adapter import Subscription
from collector.exchanges.registry import adapter
from collector.storage.archive.lenient_manifest import read_manifest
from collector.storage.archive.manifest import ManifestObject
from collector.storage.segment.sealed_segment import open_sealed
from collector.storage.store import s3, s3_client
from collector.storage.store.object_store import ObjectStore
from tests.bench.recorded import SYMBOLS, TYPES, frames_of
from tests.seaweed import ADMIN, ALONE, Seaweed
from tests.storage.archive.archive_files import put_manifest
from tests.storage.segment.segment_files import NOON_US, Message, make_gap, make_segment
from tests.storage.staging.staged_files import stage

DATE = "2026-11-23"
HOURS = 24
HOUR_US = 3_600_000_000
MIDNIGHT_US = NOON_US - 12 * HOUR_US
STREAMS = [StreamKey("binance", symbol, data_type) for symbol in SYMBOLS for data_type in TYPES]
ROUNDS = 3


def stored(messages: int) -> Iterator[list[Message]]:
    """The messages of each hour."""
    decode = adapter("binance").decoder(Subscription(SYMBOLS, TYPES))
    places = {key: place for place, key in enumerate(STREAMS)}
    frames, step_us = frames_of(SYMBOLS), HOUR_US * HOURS // messages
    number = 0
    for _ in range(HOURS):
        found: list[Message] = []
        for frame in islice(frames, messages // HOURS):
            number += 1
            at_us = MIDNIGHT_US + number * step_us - 1
            found += [
                (places[one.stream], 0, one.id or 0, at_us, one.exchange_us, 0, one.payload)
                for one in decode(frame.text.encode())
            ]
        yield found


def fill(store: ObjectStore, folder: Path, messages: int) -> None:
    """Bring a day to the store."""
    previous = ""
    for hour, found in enumerate(stored(messages)):
        segment_id, place = f"20261123T{hour:02}0000Z-4f2a9c", folder / f"{hour}"
        gap = make_gap(gap_id=f"{hour:016x}", detected_at=MIDNIGHT_US + hour * HOUR_US, status="repaired")
        gaps = [("binance", symbol, gap) for symbol in SYMBOLS] if hour % 4 == 0 else []
        path = make_segment(
            place, STREAMS, found, gaps=gaps, segment_id=segment_id, previous_segment=previous, commit_rows=5_000
        )
        with open_sealed(path) as segment:
            files, manifest = stage(segment, adapter, place, lambda: None)
        for file in files:
            store.put(file.object.key, file.path, file.object.sha256)
        put_manifest(store, place, manifest)
        previous = segment_id


def objects_in(store: ObjectStore) -> list[ManifestObject]:
    return [entry for key in store.keys("_manifest/date=") for entry in read_manifest(store, key).manifest.objects]


def count_requests() -> list[str]:
    """The requests of every client that is made from now on, as they are sent."""
    sent: list[str] = []
    real = s3_client.connect

    def connect(*arguments: Any) -> Any:
        client = real(*arguments)
        client.meta.events.register(
            "before-send.s3", lambda request, **_: sent.append(f"{request.method} {request.url}")
        )
        return client

    # Where the store looks it up.
    vars(s3)["connect"] = connect
    return sent


def read(url: str, endpoint_url: str, stream: StreamKey, daily: str | None) -> tuple[int, float]:
    """The rows of the stream's day, and the processor time of this process."""
    began = time.process_time()
    storage = {"endpoint_url": endpoint_url, "region": "us-east-1", "addressing": "path"}
    archive = collector.read.open(url, storage=storage, daily=daily)
    rows = sum(batch.num_rows for batch in archive.rows(stream.data_type, stream.symbol, gaps="ignore").batches())
    return rows, time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=240_000)
    messages = parser.parse_args().messages
    os.environ.update({**ADMIN, **ALONE})
    with tempfile.TemporaryDirectory(prefix="bench-days-") as name:
        server = Seaweed(Path(name, "server"))
        try:
            bench(server.start(), Path(name), messages)
        finally:
            server.remove()


def bench(server: Seaweed, folder: Path, messages: int) -> None:
    bucket = server.new_bucket()
    trees = Trees(server.store(bucket, "lake"), server.store(bucket, "lake-daily"))
    fill(trees.archive, folder / "made", messages)
    began = time.process_time()
    survey = Survey(*trees, Dates(DATE, DATE))
    survey.look(lambda _: None)
    (result,) = compacted(trees, survey, How(lambda _: True, 3, False), Ticks())
    spent = time.process_time() - began
    print(f"compact: {result.rows} rows, {spent:.2f} s of CPU, {spent / result.rows * 1e6:.1f} µs a row")
    print(
        f"all: {result.replaced_objects} files, {result.replaced_bytes} bytes -> {result.files} files, {result.bytes} bytes"
    )
    sent = count_requests()
    for stream in STREAMS:
        sizes = [
            sum(one.bytes for one in objects_in(tree) if StreamKey(one.exchange, one.symbol, one.data_type) == stream)
            for tree in trees
        ]
        found: dict[str, list[tuple[int, float]]] = {"hours": [], "days": []}
        for _ in range(ROUNDS):
            for arm, daily in (("hours", ""), ("days", None)):
                sent.clear()
                rows, spent = read(f"s3://{bucket}/lake", server.endpoint_url, stream, daily)
                found[arm].append((len(sent), spent))
        print(
            f"{' '.join(stream[1:])}: {rows} rows, {sizes[0]} -> {sizes[1]} bytes ({sizes[0] / sizes[1]:.2f}x smaller)"
        )
        for arm, rounds in found.items():
            requests, cpu = (sorted(one)[ROUNDS // 2] for one in zip(*rounds, strict=True))
            print(f"  {arm:5} {requests:4} requests, {cpu:.2f} s of CPU")


if __name__ == "__main__":
    main()
