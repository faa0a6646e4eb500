"""CPU of receiving, message by message: real frames as fast as they are taken, over plain ws and over TLS.

    .venv/bin/python -m tests.bench.bench_receive [--messages 300000] [--rounds 3]

A process of its own sends frames that were made, and for TLS encrypted, before: one record a frame, as exchanges do.
Compared, in turn: reading the bytes and nothing else, websocket-client's own `recv_data`, the recorder's receive step, and
a whole ingest process with its journal. CPU is that of the process that receives, from the first byte sent to the last
received.
"""

import argparse
import os
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Final

import websocket

from collector.config import Config, FeedConfig, IngestConfig, JournalConfig
from collector.config.model import SilenceConfig
from collector.domain.log import Log
from collector.exchanges.registry import adapter
from collector.feed.connection import open_connection
from collector.feed.outbox import Pace
from collector.processes.context import Context, SystemClock
from collector.processes.ingest import process
from collector.processes.journals import open_journal
from tests.bench.recorded import SYMBOLS, TYPES, Wire, write_wire
from tests.bench.sending import Certificate, Sender, make_certificate
from tests.processes.ingest.ingest_harness import Bell
from tests.whole.running import PATIENT, wait_for

RECORD_OVERHEAD_BYTES: Final = 22
"""Of a TLS 1.3 record: head, content type, tag."""

LENGTH_BYTES: Final = 4
"""Of a frame, in a record of the journal."""

Step = Callable[[str, Wire], AbstractContextManager[Callable[[], None]]]
"""Connects, and returns what receives everything that is then sent."""


@contextmanager
def bytes_only(url: str, wire: Wire) -> Iterator[Callable[[], None]]:
    """The floor: reads of the kernel, over TLS of ciphertext, and nothing else."""
    ws = websocket.create_connection(url)
    overhead_bytes = RECORD_OVERHEAD_BYTES * wire.messages if url.startswith("wss") else 0
    memory = bytearray(256 << 10)
    number = os.dup(ws.fileno())  # type: ignore[no-untyped-call]

    def receive() -> None:
        missing = wire.wire_bytes + overhead_bytes
        with socket.socket(fileno=number) as sock:
            sock.setblocking(True)
            while missing > 0:
                missing -= sock.recv_into(memory)

    yield receive
    ws.shutdown()  # type: ignore[no-untyped-call]


@contextmanager
def library(url: str, wire: Wire) -> Iterator[Callable[[], None]]:
    """websocket-client alone, at its quickest: `recv_data` without a check of UTF-8."""
    ws = websocket.create_connection(url, skip_utf8_validation=True, enable_multithread=False)

    def receive() -> None:
        for _ in range(wire.messages):
            ws.recv_data()

    yield receive
    ws.shutdown()  # type: ignore[no-untyped-call]


@contextmanager
def receiving(url: str, wire: Wire) -> Iterator[Callable[[], None]]:
    """The recorder's receive step: every message as bytes, nothing kept."""
    with closing(open_connection(url, (), Pace(1.0), SystemClock())) as connection:

        def receive() -> None:
            missing = wire.messages
            while missing:
                batch = connection.read()
                missing -= len(batch.frames) if batch else 0

        yield receive


@contextmanager
def ingest(url: str, wire: Wire) -> Iterator[Callable[[], None]]:
    """A whole ingest process but for its parent: it connects, and every message goes to its journal."""
    feed = FeedConfig(exchange="binance", ws_url=url, symbols=wire.symbols, data_types=TYPES)
    clock, bell, stopping = SystemClock(), Bell(), threading.Event()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        config = Config(
            data_dir=Path(folder),
            feed=(feed,),
            ingest=IngestConfig(**PATIENT["ingest"]),
            silence=SilenceConfig(**PATIENT["silence"]),
            journal=JournalConfig(min_free_bytes=0),
        )
        log = Log(lambda _level, _fields: None)
        context = Context("ingest:binance", config, bell, bell, stopping.is_set, lambda _report: None, log, clock)
        journal = open_journal(config, feed, clock.now_ns)
        thread = threading.Thread(target=process.run, args=(context, feed, adapter("binance"), journal))
        thread.start()

        def receive() -> None:
            wait_for(lambda: journal.appended_bytes >= wire.payload_bytes + LENGTH_BYTES * wire.messages)

        yield receive
        stopping.set()
        bell.wake()
        thread.join()


STEPS: Final[dict[str, Step]] = {
    "bytes only": bytes_only,
    "websocket-client": library,
    "receive step": receiving,
    "ingest, journal and all": ingest,
}


def micros_a_message(step: Step, wire: Wire, certificate: Certificate | None) -> float:
    """CPU of this process, user and system, for each message that it receives."""
    with Sender(wire, certificate) as sender, step(f"{sender.ws_url}/stream?streams=x@y", wire) as receive:
        sender.wait_for_client()
        before_secs = time.process_time()
        sender.go()
        receive()
        return (time.process_time() - before_secs) / wire.messages * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description="CPU of receiving, message by message.")
    parser.add_argument("--messages", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=STEPS, help="one step")
    args = parser.parse_args()
    names = [args.only] if args.only else list(STEPS)
    with tempfile.TemporaryDirectory() as folder:
        wire = write_wire(Path(folder) / "wire", SYMBOLS, args.messages)
        certificate = make_certificate(Path(folder))
        os.environ.update(certificate.environment)
        spent: dict[tuple[str, str], list[float]] = {}
        for _ in range(args.rounds):
            for transport, chosen in (("ws", None), ("wss", certificate)):
                for name in names:
                    spent.setdefault((transport, name), []).append(micros_a_message(STEPS[name], wire, chosen))
    sys.stdout.write(f"CPU µs a message of {wire.payload_bytes / wire.messages:.0f} B: median, all rounds\n")
    for (transport, name), values in spent.items():
        shown = " ".join(f"{value:.2f}" for value in sorted(values))
        sys.stdout.write(f"{transport:4} {name:24} {statistics.median(values):6.2f}   {shown}\n")


if __name__ == "__main__":
    main()
