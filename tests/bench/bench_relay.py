"""What a relay costs: real frames, as slices of an edge's journal at an even pace, through a real NATS server.

    .venv/bin/python -m tests.bench.bench_relay [--rate 20000] [--secs 20] [--rounds 3] [--edges 1]

Figures are processor seconds per million frames of the relay's process and of the one server, medians of the rounds; the
sender's are not counted. Slices are those of a publisher that lingers for 20 ms.
"""

import argparse
import asyncio
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from collector.bus.bodies import Compressor
from collector.bus.client import NatsBus
from collector.bus.slices import SliceHead, encode_slice
from collector.config.model import JournalConfig, RelayConfig
from collector.processes.async_work import Wakes
from collector.storage.journal.format import FeedIdentity, encode_frames, encode_header
from tests.bench.recorded import SYMBOLS, TYPES, real_frames
from tests.bus.servers import NatsServer, bus_at, until
from tests.processes.relay.edge_journal import FEED
from tests.processes.relay.relay_world import RelayWorld

LINGER_SECS: Final = 0.02
FRAMES_A_RECORD: Final = 4
"""About as many as one read of a socket brings at this rate."""


def slices(edge: str, rate: int, secs: float) -> Iterator[bytes]:
    """The messages of an edge: real frames in records, received at an even pace."""
    frames = cycle([frame.encode() for frame in real_frames()])
    identity = FeedIdentity(FEED, "binance", SYMBOLS, TYPES)
    now_ns, at, compressor = time.time_ns(), 0, Compressor()
    body = encode_header(edge, edge, 1, now_ns, identity, edge, 0)
    for _ in range(round(secs / LINGER_SECS)):
        for _ in range(round(rate * LINGER_SECS / FRAMES_A_RECORD)):
            now_ns += round(FRAMES_A_RECORD / rate * 1e9)
            body += b"".join(encode_frames(now_ns, 0, list(islice(frames, FRAMES_A_RECORD)), (), 1))
        head = SliceHead(edge, FEED, edge, edge, 1, at, at + len(body), now_ns)
        yield encode_slice(head, compressor.compressed(body))
        at, body = at + len(body), b""


def relay(folder: Path, url: str) -> None:
    """Be a relay with the settings of a storage host, until killed."""
    world = RelayWorld(folder, url)
    world.config = replace(world.config, relay=RelayConfig(), journal=JournalConfig())
    asyncio.run(world.relay(bus_at(url)).run(Wakes(world.context())))


def spent_secs(pid: int) -> float:
    """Processor time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def send(bus: NatsBus, edge: str, messages: Sequence[bytes]) -> None:
    """Publish at an even pace."""
    began = time.monotonic()
    for number, message in enumerate(messages):
        await asyncio.sleep(max(0.0, began + number * LINGER_SECS - time.monotonic()))
        await (await bus.publish(edge, FEED, message))


def bench(folder: Path, messages: dict[str, list[bytes]], frames: int) -> dict[str, float]:
    """CPU seconds per million frames, by process."""
    server = NatsServer(folder / "nats").start()
    process = multiprocessing.get_context("spawn").Process(target=relay, args=(folder / "storage", server.url))
    process.start()
    assert process.pid is not None
    pids = {"relay": process.pid, "server": server.pid}

    async def work() -> dict[str, float]:
        async with bus_at(server.url, stream_max_bytes=1 << 30) as bus:
            await until(lambda: bus.is_connected)
            for edge in messages:
                await bus.make_stream(edge, FEED)
            await asyncio.sleep(5)  # the relay has begun, and found the streams
            before = {name: spent_secs(pid) for name, pid in pids.items()}
            await asyncio.gather(*(send(bus, edge, sent) for edge, sent in messages.items()))
            await asyncio.sleep(2)
            return {name: (spent_secs(pid) - before[name]) / frames * 1e6 for name, pid in pids.items()}

    try:
        return asyncio.run(work())
    finally:
        process.kill()
        process.join()
        server.remove()


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rate", type=int, default=20_000)
    parser.add_argument("--secs", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--edges", type=int, default=1)
    arguments = parser.parse_args()
    edges = [f"edge-{number}" for number in range(arguments.edges)]
    messages = {edge: list(slices(edge, arguments.rate // len(edges), arguments.secs)) for edge in edges}
    found: list[dict[str, float]] = []
    for _ in range(arguments.rounds):
        with tempfile.TemporaryDirectory() as folder:
            found.append(bench(Path(folder), messages, round(arguments.rate * arguments.secs)))
    for name in found[0]:
        values = [figures[name] for figures in found]
        print(
            f"{name:8} {statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f}) CPU s per million frames"
        )


if __name__ == "__main__":
    main()
