"""What the recorder costs at rest: processor time and wake-ups of each process and thread while little comes.

    .venv/bin/python -m tests.bench.bench_idle [--streams 10 100] [--secs 60] [--warm-secs 15] [--per-sec 1]

Each stream brings one message a second, or `--per-sec` of them, over loopback, evenly spread: every message is a read of
its own. The kernel counts: nanoseconds on a processor (schedstat) and voluntary switches, each of which is one wait that
ended. The sender is this process; it and the exchange that answers over REST are not counted. A process's first thread is
the one that began it; the others are numbered in the order in which they were started.
"""

import argparse
import json
import re
import shutil
import socket
import struct
import tempfile
import time
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import NamedTuple

from tests.bench.flood import Flood, symbols
from tests.whole.running import Exchange, Recorder, wait_for


class Use(NamedTuple):
    """What a thread has used so far."""

    cpu_ns: int
    wakeups: int


Uses = Mapping[tuple[str, int], Use]
"""By process and thread, numbered from 0."""


class Trickle(Flood):
    """Sends a trade of each symbol in turn, evenly spread."""

    def __init__(self, names: list[str], per_sec: float) -> None:
        self._interval_secs = 1 / per_sec
        super().__init__(names, connections=1, flood_frames=0, steady_per_sec=per_sec)

    def _send_all(self, client: socket.socket, part: int, source: object) -> None:
        started = time.monotonic()
        for number in count():
            if self._stop.wait(max(0.0, started + number * self._interval_secs - time.monotonic())):
                return
            round_, index = divmod(number, len(self._names))
            client.sendall(_trade(self._names[index], round_ + 1))
            self._sent[part] += 1


def _trade(name: str, id_: int) -> bytes:
    now_ms = time.time_ns() // 1_000_000
    data = {"e": "trade", "E": now_ms, "s": name, "t": id_, "p": "64000.1", "q": "0.001", "T": now_ms, "m": True}
    frame = json.dumps({"stream": f"{name.lower()}@trade", "data": data}, separators=(",", ":")).encode()
    return struct.pack(">BBH", 0x81, 126, len(frame)) + frame


def uses(pids: Mapping[str, int]) -> Uses:
    """What every thread of these processes has used so far."""
    found = {}
    for name, pid in pids.items():
        threads = sorted(Path(f"/proc/{pid}/task").iterdir(), key=lambda path: int(path.name))
        for number, thread in enumerate(threads):
            switches = re.search(
                r"^voluntary_ctxt_switches:\s+(\d+)", (thread / "status").read_text("utf-8"), re.MULTILINE
            )
            assert switches is not None
            cpu_ns = int((thread / "schedstat").read_text("utf-8").split()[0])
            found[name, number] = Use(cpu_ns, int(switches[1]))
    return found


def measure(streams: int, per_sec: float, secs: float, warm_secs: float) -> None:
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    exchange = Exchange(folder, "--rate", "0.001", log=False)
    names = symbols(streams)
    trickle = Trickle(names, streams * per_sec)
    feed = {"symbols": names, "data_types": ["trade"], "rest_url": exchange.rest_url}
    recorder = Recorder(folder, trickle.ws_url, feed=feed, writer={}, ingest={}).start()
    try:
        wait_for(lambda: recorder.messages() > 0)
        status = recorder.status()
        pids = {process["name"]: process["pid"] for process in status["processes"]}
        time.sleep(warm_secs)
        before, started, sent = uses(pids), time.monotonic(), trickle.sent
        time.sleep(secs)
        after, took_secs = uses(pids), time.monotonic() - started
        print(f"\n{streams} streams, {(trickle.sent - sent) / took_secs:.1f} messages a second, {took_secs:.0f} s")
        _print(before, after, took_secs)
    finally:
        trickle.hush()
        recorder.stop()
        recorder.end()
        exchange.stop()
        shutil.rmtree(folder)


def _print(before: Uses, after: Uses, secs: float) -> None:
    spent = {key: Use(use.cpu_ns - before[key].cpu_ns, use.wakeups - before[key].wakeups) for key, use in after.items() if key in before}  # fmt: skip
    for process in dict.fromkeys(name for name, _ in spent):
        threads = {number: use for (name, number), use in spent.items() if name == process}
        _line(process, [*threads.values()], secs)
        for number, use in threads.items():
            if use.wakeups:
                _line(f"  thread {number}", [use], secs)
    _line("all", [*spent.values()], secs)


def _line(name: str, used: list[Use], secs: float) -> None:
    percent = sum(use.cpu_ns for use in used) / secs / 1e7
    print(f"{name:20} {percent:7.3f} % of a core {sum(use.wakeups for use in used) / secs:8.1f} wake-ups a second")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, nargs="+", default=[10, 100])
    parser.add_argument("--secs", type=float, default=60.0)
    parser.add_argument("--warm-secs", type=float, default=15.0)
    parser.add_argument("--per-sec", type=float, default=1.0, help="messages a second of each stream")
    options = parser.parse_args()
    for streams in options.streams:
        measure(streams, options.per_sec, options.secs, options.warm_secs)


if __name__ == "__main__":
    main()
