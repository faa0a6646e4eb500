"""What somebody who means ill to the HTTP port does to recording.

    .venv/bin/python -m tests.bench.bench_http [--connections 500] [--garbage-mib 1024] [--secs 20]

In turn: nothing; so many connections that send half a request and hang, opened again whenever they are cut; so much
garbage, sent as fast as it is taken; /metrics and /status asked without a pause. Meanwhile the exchange counts how often
it had to wait for the recorder, and an operator asks for /healthz every half second.
"""

import argparse
import os
import selectors
import shutil
import socket
import statistics
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from tests.whole.running import Exchange, Recorder, wait_for

LIVE = ("--symbols", "BTCUSDT,ETHUSDT", "--rate", "2000", "--seed", "5")
FEED = {"symbols": ["BTCUSDT", "ETHUSDT"], "data_types": ["book_delta", "trade", "book_ticker"]}
REQUEST_SECS = 20.0

Over = threading.Event


def hang(port: int, count: int, over: Over) -> int:
    """Keep so many connections open that never finish a request; returns how many were opened."""
    opened, selector = 0, selectors.DefaultSelector()
    while not over.is_set():
        while len(selector.get_map()) < count and not over.is_set():
            with suppress(OSError):
                connection = socket.create_connection(("127.0.0.1", port), timeout=1)
                connection.sendall(b"GET /status HTTP/1.1\r\nX: ")
                selector.register(connection, selectors.EVENT_READ)
                opened += 1
        for key, _ in selector.select(0.05):
            selector.unregister(key.fileobj)
            key.fileobj.close()  # type: ignore[union-attr]
    for key in list(selector.get_map().values()):
        key.fileobj.close()  # type: ignore[union-attr]
    return opened


def pour(port: int, size_bytes: int, over: Over) -> int:
    """Offer so much garbage, in connections of a MiB each; returns how much was taken off our hands."""
    block, offered, taken = os.urandom(1 << 20), 0, 0
    while offered < size_bytes and not over.is_set():
        offered += len(block)
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            taken += connection.send(block)
            connection.shutdown(socket.SHUT_WR)
    return taken


def ask(port: int, over: Over) -> int:
    """Ask for the costly pages without a pause; returns how often they came."""
    answers = 0
    while not over.is_set():
        for path in ("/metrics", "/status"):
            with suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=REQUEST_SECS).read()
                answers += 1
    return answers


def trouble(name: str, recorder: Recorder, exchange: Exchange, secs: float, work: Callable[[Over], int] | None) -> None:
    """Do it for so long, and print what it did."""
    over, done = threading.Event(), [0]

    def run() -> None:
        done[0] = work(over) if work else 0

    thread = threading.Thread(target=run)
    stats, began = exchange.stats(), time.monotonic()
    supervisor = psutil.Process(recorder.process.pid)
    cpu_began = sum(supervisor.cpu_times()[:2])
    thread.start()
    waits, failed = operator(recorder.port, secs)
    over.set()
    thread.join()
    took, after = time.monotonic() - began, exchange.stats()
    messages = recorder.messages()
    wait_for(lambda: recorder.messages() >= messages)
    print(
        f"{name:24} {(after['frames_sent'] - stats['frames_sent']) / took:8,.0f} frames/s"
        f"   {after['send_stalls']['count'] - stats['send_stalls']['count']:3} waits of the exchange"
        f"   /healthz {statistics.median(waits) * 1e3 if waits else 0:6.1f} ms, {failed} of {failed + len(waits)} failed"
        f"   supervisor {100 * (sum(supervisor.cpu_times()[:2]) - cpu_began) / took:4.1f} % CPU,"
        f" {supervisor.memory_info().rss >> 20} MiB   ({done[0]:,} done)",
        flush=True,
    )


def operator(port: int, secs: float) -> tuple[list[float], int]:
    """Ask for /healthz every half second; how long answers took, and how many did not come."""
    waits, failed, until = [], 0, time.monotonic() + secs
    while time.monotonic() < until:
        began = time.monotonic()
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).read()
            waits.append(time.monotonic() - began)
        except OSError:
            failed += 1
        time.sleep(max(0.0, 0.5 - (time.monotonic() - began)))
    return waits, failed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=500)
    parser.add_argument("--garbage-mib", type=int, default=1_024)
    parser.add_argument("--secs", type=float, default=20)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    exchange = Exchange(folder, *LIVE, log=False)
    recorder = Recorder(folder, exchange.ws_url, feed=FEED).start()
    recorder.wait_for_messages(1_000)
    port = recorder.port
    trouble("nothing", recorder, exchange, options.secs, None)
    trouble("hanging connections", recorder, exchange, options.secs, lambda o: hang(port, options.connections, o))
    garbage_bytes = options.garbage_mib << 20
    trouble("garbage", recorder, exchange, options.secs, lambda o: pour(port, garbage_bytes, o))
    trouble("pages without a pause", recorder, exchange, options.secs, lambda o: ask(port, o))
    assert recorder.stop() == 0
    exchange.stop()
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
