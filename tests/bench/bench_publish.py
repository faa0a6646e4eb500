"""What it takes to publish a feed's journal to real NATS servers, at a pace.

    .venv/bin/python -m tests.bench.bench_publish [--rate 20000] [--secs 10] [--servers 1] [--rounds 3]

Recorded frames are appended at `--rate`, `--record` frames a record, with a notice twenty times a second, as ingest does; the
real publisher runs beside it as a process of its own, and the servers confirm with `sync_interval: always`. Figures are
processor time in seconds a million frames, once the publisher is connected, medians of the rounds; bytes are those of frames
in the journal and of slices as sent.
"""

import argparse
import multiprocessing
import statistics
import sys
import tempfile
import time
from itertools import cycle, islice
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from collector.channel.channel import Notice
from collector.channel.local import QueueReceiver
from collector.config import Config, FeedConfig
from collector.config.model import EdgeConfig, NatsConfig
from collector.domain.log import Log
from collector.processes.context import Context, SystemClock
from collector.processes.publish.process import main as publish
from collector.reports import PublishReport, Report
from collector.storage.journal.format import FeedIdentity
from collector.storage.journal.writer import JournalWriter
from tests.bench.recorded import real_frames
from tests.bench.usage import usage_of
from tests.bus.servers import NatsCluster, NatsServer
from tests.sites import Site

FEED: Final = "binance"
NOTICE_SECS: Final = 0.05
MILLION: Final = 1_000_000


class Nothing:
    """Whom no notice is for."""

    def offer(self, notice: Notice) -> None:
        """Forget it."""


def child(
    config: Config, notices: "Queue[Notice]", stop: Any, reports: "Queue[tuple[float, PublishReport] | None]"
) -> None:
    """Be the publisher; report processor time and counts each second."""

    def report(numbers: Report) -> None:
        assert isinstance(numbers, PublishReport)
        reports.put((time.process_time(), numbers))

    log = Log(lambda level, fields: print(level, fields, file=sys.stderr) if level in {"warning", "error"} else None)
    publish(
        Context(
            role=f"publish:{FEED}",
            config=config,
            sender=Nothing(),
            receiver=QueueReceiver(notices, 256),
            stopping=stop.is_set,
            report=report,
            log=log,
            clock=SystemClock(),
        )
    )
    reports.put(None)


def append(journal: JournalWriter, frames: list[bytes], a_record: int, rate: int, notices: "Queue[Notice]") -> None:
    """Append them at that rate."""
    begun = told = time.monotonic()
    for first in range(0, len(frames), a_record):
        journal.append_frames(time.time_ns(), 0, frames[first : first + a_record], (), 1)
        ahead = begun + first / rate - time.monotonic()
        if ahead > 0.001:
            time.sleep(ahead)
        if time.monotonic() - told >= NOTICE_SECS:
            told = time.monotonic()
            notices.put(Notice(f"ingest:{FEED}", "appended", journal.number, journal.position))


def measured(folder: Path, servers: int, frames: list[bytes], a_record: int, rate: int) -> dict[str, float]:
    """One round."""
    cluster = NatsCluster(folder / "nats", [Site()] * servers) if servers > 1 else None
    nodes = cluster.servers if cluster else [NatsServer(folder / "nats")]
    config = Config(
        data_dir=folder / "data",
        host_name="edge1",
        feed=(FeedConfig(name=FEED),),
        nats=NatsConfig(urls=tuple(node.url for node in nodes), replicas=servers, stream_max_bytes=1 << 30),
        edge=EdgeConfig(),
    )
    identity = FeedIdentity(FEED, "binance", ("BTCUSDT", "ETHUSDT"), ("book_delta", "trade", "book_ticker"))
    journal = JournalWriter(folder / "data/journal" / FEED, identity, 1, 64 << 20, time.time_ns)
    spawn = multiprocessing.get_context("spawn")
    notices, reports, stop = spawn.Queue(256), spawn.Queue(), spawn.Event()
    process = spawn.Process(target=child, args=(config, notices, stop, reports))
    try:
        if cluster:
            cluster.start()
        else:
            nodes[0].start()
        process.start()
        journal.append_frames(time.time_ns(), 0, [b"first"])
        before, counts = 0.0, PublishReport()
        while not counts.slices:
            before, counts = reports.get(timeout=60) or (before, counts)
        server_secs = sum(cpu_secs(node) for node in nodes)
        append(journal, frames, a_record, rate, notices)
        journal.close()
        stop.set()
        notices.put(Notice("supervisor", "stop", 0, 0))
        after, end = before, counts
        while (found := reports.get(timeout=60)) is not None:
            after, end = found
        assert end.unpublished_bytes == 0, end
        process.join(60)
        millions = len(frames) / MILLION
        return {
            "publish": (after - before) / millions,
            "servers": (sum(cpu_secs(node) for node in nodes) - server_secs) / millions,
            "slices a second": (end.slices - counts.slices) / (len(frames) / rate),
            "journal bytes a frame": (end.bytes - counts.bytes) / len(frames),
            "sent bytes a frame": (end.sent_bytes - counts.sent_bytes) / len(frames),
            "failures": end.failures,
        }
    finally:
        process.kill()
        for node in nodes:
            node.remove()


def cpu_secs(node: NatsServer) -> float:
    """What a server has used."""
    usage = usage_of(node.pid)
    assert usage is not None
    return usage.cpu_secs


def main() -> None:
    """Print the medians of the rounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=20_000)
    parser.add_argument("--secs", type=float, default=10.0)
    parser.add_argument("--record", type=int, default=20)
    parser.add_argument("--servers", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    texts = [text.encode() for text in real_frames()]
    frames = list(islice(cycle(texts), int(options.rate * options.secs)))
    rounds = []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as folder:
            rounds.append(measured(Path(folder), options.servers, frames, options.record, options.rate))
    for name in rounds[0]:
        print(f"{name:24} {statistics.median(one[name] for one in rounds):10.2f}")


if __name__ == "__main__":
    main()
