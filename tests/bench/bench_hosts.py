"""What several hosts cost: recorded frames at a steady rate through an edge, three NATS nodes and a storage host.

    scripts/bench --hosts [--quick]
    .venv/bin/python -m tests.bench.bench_hosts [--rates 20000 60000] [--secs 30]

One machine, real processes. Every node keeps every message on its disk before it confirms it (three replicas,
`sync_interval: always`). Processor time is from the first frame until the last is archived, by process; *own* is what a
recorder needs alone (ingest, writer, archiver), *transport* what several hosts add (publish, nodes, relay). Latencies are
from the moment when ingest read a frame to that when the relay appended it to the storage host's journal. Acknowledgements are
those of a stream beside, to which a few messages a second of the size of a slice go in a second run.
"""

import argparse
import asyncio
import random
import signal
import tempfile
import threading
import time
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from itertools import accumulate
from pathlib import Path
from typing import Final, NamedTuple, Self

from collector.storage.journal.format import RecordKind, find_record, frames_of, parse_records
from collector.storage.journal.relayed import decode_relayed
from collector.tools.inspect_journal import Inspection
from tests.bench.figures import BATCH, BATCH_SECS, since
from tests.bench.recorded import SYMBOLS, TYPES, Wire, write_wire
from tests.bench.sending import Sender
from tests.bench.usage import Watch
from tests.bus.servers import NatsCluster, bus_at, until
from tests.sites import Site
from tests.whole.cluster import NODES, STORAGE, Host
from tests.whole.running import PATIENT, POLL_SECS, wait_for

EDGE: Final = "edge"
OWN: Final = ("ingest", "writer", "archiver")
TRANSPORT: Final = ("publish", "nodes", "relay")
OTHERS: Final = ("supervisors", "cluster")
LONG_SECS: Final = 600.0
SETTLE_SECS: Final = 3.0
"""What processes do right after they have begun is done then."""
SLICE_BYTES: Final = 16 << 10
PROBE_SECS: Final = 0.1
EDGES: Final = 2
MANY_PER_SEC: Final = 200_000
"""About what 5,000 symbols bring in a busy minute."""
QUANTILES: Final = (0.5, 0.99)


class Figures(NamedTuple):
    """Of one rate."""

    rate: float
    frames: int
    cpu_secs: dict[str, float]
    """By part, for a million frames."""
    payload_bytes: float
    sent_bytes: float
    """What the edge sends to NATS, for each frame."""
    latency_ms: tuple[float, ...]
    """The quantiles."""
    ack_ms: tuple[float, ...] | None

    def sum(self, parts: tuple[str, ...]) -> float:
        """Processor seconds of these, for a million frames."""
        return sum(self.cpu_secs.get(part, 0.0) for part in parts)


class Acks:
    """Publishes now and then, and notes how long the nodes take to confirm; a thread of its own, for a `with` block."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = urls
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._publish()), daemon=True)
        self.waits = Counter[int]()
        """How many took so many microseconds."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    async def _publish(self) -> None:
        message = random.Random(1).randbytes(SLICE_BYTES)
        async with bus_at(*self._urls, replicas=len(NODES)) as bus:
            await until(lambda: bus.is_connected)
            await bus.make_stream("beside", "acks")
            while not self._is_over.is_set():
                began = time.monotonic()
                await (await bus.publish("beside", "acks", message))
                self.waits[round((time.monotonic() - began) * 1e6)] += 1
                await asyncio.sleep(PROBE_SECS)


def part_of(host: str, process: str) -> str:
    """The row of the table where a process is counted."""
    if host in NODES:
        return "nodes"
    return "supervisors" if process == "supervisor" else process.partition(":")[0]


class Hosts:
    """An edge, a storage host and the nodes; for a `with` block."""

    def __init__(self, folder: Path, ws_url: str) -> None:
        self.nodes = NatsCluster(folder, max_payload="2MB")
        settings = {
            "feed": {"symbols": list(SYMBOLS), "data_types": list(TYPES)},
            "nats": {"urls": list(self.nodes.urls)},
            "writer": {"batch_interval_secs": BATCH_SECS, "max_batch_size": BATCH},
            "segment": {"interval_secs": 86_400},
            "supervisor": {"stop_timeout_secs": LONG_SECS},
            "repair": {"enabled": False},
            **PATIENT,
        }
        self.storage = Host(
            folder / STORAGE, STORAGE, Site(), ws_url, {"role": "storage", "host_name": STORAGE, **settings}
        )
        self.edge = Host(folder / EDGE, EDGE, Site(), ws_url, {"role": "edge", "host_name": EDGE, **settings})
        self._end = ExitStack()

    def __enter__(self) -> Self:
        self._end.callback(self.nodes.remove)
        self.nodes.start()
        for host in (self.storage, self.edge):
            self._end.callback(host.recorder.end)
            self._end.enter_context(host.journals)
            host.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.close()

    def watch(self) -> Watch:
        """Every process, by host and name."""
        pids = {f"{host.name} {name}": pid for host in (self.storage, self.edge) for name, pid in host.pids().items()}
        return Watch(
            {**pids, **{f"{name} nats-server": node.pid for name, node in zip(NODES, self.nodes, strict=True)}}
        )

    def archive_all(self, watch: Watch) -> None:
        """Stop both in order; the storage host archives what it has."""
        for host in (self.edge, self.storage):
            host.recorder.process.send_signal(signal.SIGTERM)
            while host.recorder.process.poll() is None:
                watch.look()
                time.sleep(POLL_SECS)
            assert host.recorder.process.wait() == 0, host.recorder.log_path


def measured(wire: Wire, rate: float, *, acks_too: bool) -> Figures:
    """One run."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-hosts-") as folder,
        Sender(wire, None, rate) as sender,
        Hosts(Path(folder), sender.ws_url) as hosts,
    ):
        sender.wait_for_client()
        wait_for(lambda: hosts.storage.relayed.sources)
        time.sleep(SETTLE_SECS)
        watch = hosts.watch()
        before = watch.look()
        with Acks(hosts.nodes.urls) if acks_too else nullcontext() as acks:
            sender.go()
            sender.sent(LONG_SECS)
        wait_for(lambda: hosts.storage.stored >= wire.messages, LONG_SECS)
        sent_bytes = hosts.edge.published.sent_bytes
        hosts.archive_all(watch)
        cpu_secs: defaultdict[str, float] = defaultdict(float)
        for name, secs in since(before, watch.look()).items():
            cpu_secs[part_of(*name.split(" ", 1))] += secs / wire.messages * 1e6
        return Figures(
            rate,
            wire.messages,
            dict(cpu_secs),
            payload_bytes=wire.payload_bytes / wire.messages,
            sent_bytes=sent_bytes / wire.messages,
            latency_ms=quantiles_ms(latencies(hosts.storage)),
            ack_ms=None if acks is None else quantiles_ms(acks.waits),
        )


def latencies(storage: Host) -> Counter[int]:
    """How many frames took how many microseconds from ingest to the storage host's journal."""
    waits = Counter[int]()
    for path in storage.journals.files():
        for record in Inspection(path).records():
            if record.kind is RecordKind.RELAYED:
                for received_ns, frames in brought(record.payload):
                    waits[(record.received_ns - received_ns) // 1_000] += frames
    return waits


def brought(payload: bytes) -> Iterator[tuple[int, int]]:
    """Receive time and number of frames of each record that a relayed record brings."""
    first = find_record(payload, decode_relayed(payload).body_at)
    records = [] if first is None else parse_records(payload[first:], 0).records
    return ((one.received_ns, len(frames_of(one))) for one in records if one.kind is RecordKind.FRAMES)


def quantiles_ms(waits: Mapping[int, int]) -> tuple[float, ...]:
    """Of these, in milliseconds."""
    values = sorted(waits)
    sums = list(accumulate(waits[value] for value in values))
    return tuple(values[bisect_left(sums, share * sums[-1])] / 1_000 for share in QUANTILES)


def show(found: Figures) -> None:
    """A table of one rate."""
    own, transport = found.sum(OWN), found.sum(TRANSPORT)
    print(f"\n{found.frames:,} frames at {found.rate:,.0f}/s: CPU s per million frames")
    for part in (*OWN, *TRANSPORT, *OTHERS):
        print(f"  {part:12} {found.cpu_secs.get(part, 0.0):6.2f}")
    print(f"  own {own:.2f}, transport {transport:.2f}: {transport / own:.2f}x")
    print(f"  {found.payload_bytes:.0f} bytes a frame, {found.sent_bytes:.1f} sent to NATS")
    show_quantiles("ingest to storage's journal", found.latency_ms)


def show_quantiles(name: str, quantiles: tuple[float, ...] | None) -> None:
    """A line."""
    assert quantiles is not None
    p50, p99 = quantiles
    print(f"  {name}: p50 {p50:.1f} ms, p99 {p99:.1f} ms", flush=True)


def show_capacity(found: Figures) -> None:
    """What that means for many symbols, which two edges receive. A copy is counted as if the writer stored it, too."""
    of = {part: secs * MANY_PER_SEC / 1e6 for part, secs in found.cpu_secs.items()}
    sent, received = (size * MANY_PER_SEC for size in (found.sent_bytes, found.payload_bytes))
    node, stored = of["nodes"] * EDGES / len(NODES), (of["relay"] + of["writer"]) * EDGES + of["archiver"]
    rows = (
        ("each edge", of["ingest"] + of["publish"], sent, received),
        ("each NATS node", node, sent * EDGES, sent * EDGES),
        ("storage", stored, sent * EDGES, 0.0),
    )
    print(f"\n| {MANY_PER_SEC:,} messages/s, {EDGES} edges | cores | network, MB/s | disk, GB an hour of outage |")
    print("|---|---:|---:|---:|")
    for name, cores, rate, kept in rows:
        print(
            f"| {name} | {cores:.1f} | {rate / 1e6:.1f} | {f'{kept * 3_600 / 1e9:.0f}' if kept else '-'} |", flush=True
        )


class Plan(NamedTuple):
    """What is to be measured."""

    rates: tuple[float, ...] = (20_000, 60_000)
    secs: float = 30


def measure(plan: Plan) -> None:
    """A table for each rate."""
    for rate in plan.rates:
        with tempfile.TemporaryDirectory(prefix="bench-hosts-") as folder:
            wire = write_wire(Path(folder) / "wire", SYMBOLS, int(rate * plan.secs))
            found = measured(wire, rate, acks_too=False)
            beside = measured(wire, rate, acks_too=True)
        show(found)
        show_quantiles("acknowledgement", beside.ack_ms)
        show_capacity(found)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", type=float, nargs="+", default=Plan().rates)
    parser.add_argument("--secs", type=float, default=Plan().secs)
    options = parser.parse_args()
    measure(Plan(tuple(options.rates), options.secs))


if __name__ == "__main__":
    main()
