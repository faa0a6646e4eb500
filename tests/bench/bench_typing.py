"""What it costs to turn recorded messages into Parquet: CPU µs a message by stage, bytes a row. Nothing is asserted.

    .venv/bin/python -m tests.bench.bench_typing                            the recorded Binance spot frames
    .venv/bin/python -m tests.bench.bench_typing binance_usdm NAME [NAME]   other recordings of shared/data/frames

Stages: `decode` is msgspec alone, `columns` the adapter (decode included), `exact` the search for numbers that a double
may not hold, `batch` all up to the Arrow columns (`columns` and `exact` included), `parquet` the file. The least of some
rounds is given, because other programs only ever add to it.
"""

import argparse
import gc
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from collector.domain import decimals
from collector.domain.records import StreamKey
from collector.exchanges.registry import adapter
from collector.processes.archiver.process import _COLLECT_AFTER
from collector.storage.archive.parquet import ParquetFile
from collector.storage.staging.columns import message_batch
from collector.storage.staging.object_messages import CHUNK_BYTES, CHUNK_ROWS, of_rows
from tests.bench.recorded import FILES, FRAMES
from tests.exchanges.reading import decoded

ROUNDS = 9
STAGES = ("decode", "columns", "exact", "batch", "parquet")


def streams_of(exchange: str, folder: str, names: list[str]) -> dict[StreamKey, list[tuple[Any, ...]]]:
    """The messages of each stream of some recordings, as the archiver gets them."""
    received = []
    for name in names:
        stream = pa.CompressedInputStream(pa.OSFile(str(FRAMES.parent / folder / f"{name}.jsonl.zst")), "zstd")
        received += [line for line in map(json.loads, stream.read().splitlines()) if line["dir"] == "in"]
    times = {line["raw"].encode(): line["recv_ts_us"] for line in received}
    found: dict[StreamKey, list[tuple[Any, ...]]] = defaultdict(list)
    envelopes, _ = decoded(adapter(exchange), times)
    for row, envelope in enumerate(envelopes):
        times_us = times[envelope.payload], envelope.exchange_us
        found[envelope.stream].append((0, envelope.id or 0, row, *times_us, 0, envelope.payload))
    return found


def chunks(rows: list[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    """In the sizes that the archiver types at a time."""
    chunk: list[tuple[Any, ...]] = []
    size = 0
    for row in rows:
        chunk.append(row)
        size += len(row[-1])
        if len(chunk) == CHUNK_ROWS or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def cpu_us(work: Callable[..., object], parts: Sequence[Any]) -> float:
    """The least CPU time of some rounds, part by part."""
    return sum(min(_spent(work, part) for _ in range(ROUNDS)) for part in parts) * 1e6


def _spent(work: Callable[..., object], part: object) -> float:
    began = time.process_time()
    work(part)
    return time.process_time() - began


def measured(market: Any, data_type: str, rows: list[tuple[Any, ...]], path: Path) -> dict[str, float]:
    """CPU µs of each stage for all messages of a stream, and the size of its file."""
    parts = list(map(of_rows, chunks(rows)))
    payloads = [part.payloads for part in parts]
    sizes = [sum(map(len, texts)) for texts in payloads]
    read = market.rows[data_type][0].doubles
    batches = [message_batch(market, data_type, part, keep_raw=False).batch for part in parts]

    def decode(texts: list[bytes]) -> None:
        for text in texts:
            read(text)

    def write(batches: list[pa.RecordBatch]) -> None:
        file = ParquetFile(path, batches[0].schema, 3)
        for batch, size in zip(batches, sizes, strict=True):
            file.append(batch, size)
        file.close({})

    return {
        "decode": cpu_us(decode, payloads),
        "columns": cpu_us(lambda texts: market.columns(data_type, texts), payloads),
        "exact": cpu_us(decimals.suspects, payloads),
        "batch": cpu_us(lambda part: message_batch(market, data_type, part, keep_raw=False), parts),
        "parquet": cpu_us(write, [batches]),
        "bytes": path.stat().st_size,
    }


def print_line(name: str, messages: int, text_bytes: int, numbers: dict[str, float]) -> None:
    """All numbers a message."""
    by_stage = "".join(f"{numbers[stage] / messages:9.2f}" for stage in STAGES)
    both = (numbers["batch"] + numbers["parquet"]) / messages
    print(f"{name:28}{messages:9,}{text_bytes / messages:7.0f}{by_stage}{both:9.2f}{numbers['bytes'] / messages:10.2f}")


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exchange", nargs="?", default="binance_spot")
    parser.add_argument("names", nargs="*", default=FILES)
    arguments = parser.parse_args()
    gc.set_threshold(_COLLECT_AFTER)
    pa.set_memory_pool(pa.system_memory_pool())
    exchange = arguments.exchange.removesuffix("_spot")
    print(
        f"{'stream':28}{'messages':>9}{'bytes':>7}{''.join(f'{stage:>9}' for stage in STAGES)}{'b + p':>9}{'B/row':>10}"
    )
    total: dict[str, float] = defaultdict(float)
    messages = text_bytes = 0
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for stream, rows in streams_of(exchange, arguments.exchange, arguments.names).items():
            numbers = measured(adapter(exchange), stream.data_type, rows, Path(folder) / "file.parquet")
            size = sum(len(row[-1]) for row in rows)
            print_line(f"{stream.symbol} {stream.data_type}", len(rows), size, numbers)
            messages, text_bytes = messages + len(rows), text_bytes + size
            for name, number in numbers.items():
                total[name] += number
    print_line("all", messages, text_bytes, total)


if __name__ == "__main__":
    main()
