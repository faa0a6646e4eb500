"""How long a frame takes from the exchange's send to the journal, and to a durable row.

    .venv/bin/python -m tests.bench.bench_latency [--rates 1000 10000 50000] [--secs 20] [--tls]
    .venv/bin/python -m tests.bench.bench_latency --burst [--stop archiver] [--backlog 1500000] [--flat]

Figures are milliseconds from the moment just before the exchange handed the frame to its kernel; on loopback the
recorder's socket is readable then. `read`: to the receive time in the frame's journal record, which is the moment at
which ingest had read it and held Python's lock again. `journal`: to the return of the write that appended it, so it
survives any kill. `durable`: to the return of the commit that holds its row. Sender and recorder share clock and cores.

With `--burst` 20,000 frames come within 100 ms of each second. Before that the named processes are stopped (SIGSTOP) while
a backlog goes out as fast as it is taken; then they are let go, and work it off at full speed while the bursts come. The
processor time of each process in that time is printed, because only a busy one proves anything.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.bench.bench_memory import LONG_SECS
from tests.bench.flood import TYPES, symbols
from tests.bench.stamped_sender import StampedSender, make_certificate, sleep_until
from tests.whole.running import PATIENT, ROOT, Recorder, wait_for

RECORDER = ROOT / "tests/bench/timed_recorder.py"
"""A program, never imported: it replaces methods of the recorder."""

SYMBOLS = 2
WARM_SECS = 2.0
BLOCK = 1_000
TICK_SECS = 0.001
QUANTILES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999, "max": 1.0}

Latencies = dict[str, dict[str, float]]


class Run:
    """A recorder, the exchange it listens to, and what both noted."""

    def __init__(self, times: Path, recorder: Recorder, sender: StampedSender) -> None:
        self._times = times
        self.recorder = recorder
        self.sender = sender

    def pace(self, rate_per_sec: float, secs: float) -> None:
        """Send at that rate, each frame by itself."""
        started, sent, total = time.monotonic(), 0, int(rate_per_sec * secs)
        while sent < total:
            ready = self.sender.ready(max(1, min(total, int((time.monotonic() - started) * rate_per_sec)) - sent))
            sleep_until(started + (sent + 1) / rate_per_sec)
            self.sender.send(ready)
            sent += len(ready)

    def burst(self, frames: int, within_secs: float, secs: float) -> None:
        """Once a second so many frames, spread over so much of it."""
        ticks = round(within_secs / TICK_SECS)
        begin = time.monotonic()
        for _ in range(round(secs)):
            parts = [self.sender.ready(frames // ticks) for _ in range(ticks)]
            begin += 1.0
            for tick, part in enumerate(parts):
                sleep_until(begin + tick * TICK_SECS)
                self.sender.send_together(part)

    def pile_up(self, frames: int, processes: Sequence[str]) -> None:
        """Stop these processes, send a backlog as fast as it is taken, and let them go."""
        pids = [self.recorder.pid_of(name) for name in processes]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        for _ in range(frames // BLOCK):
            self.sender.send_together(self.sender.ready(BLOCK))
        # What is stopped takes nothing meanwhile.
        last, count = ("ingest:binance", "frames") if "writer" in processes else ("writer", "messages")
        wait_for(lambda: self.reported(last, count) >= len(self.sender.sent_ns), LONG_SECS)
        for pid in pids:
            os.kill(pid, signal.SIGCONT)

    def reported(self, process: str, count: str) -> int:
        """A count that the process last reported."""
        path = self.recorder.data_dir / f"run/stats/{process}.json"
        return int(json.loads(path.read_bytes()).get(count, 0)) if path.exists() else 0

    def cpu_secs(self) -> dict[str, float]:
        """Processor seconds of each process so far, the sender's among them."""
        status = self.recorder.status()
        pids = {process["name"]: process["pid"] for process in status["processes"]}
        times = {name: psutil.Process(pid).cpu_times() for name, pid in {**pids, "sender": None}.items()}
        return {name: time.user + time.system for name, time in times.items()}

    def latencies(self, first: int) -> Latencies:
        """Of the frames from number `first` on; to be called once the recorder has ended."""
        sent = self.sender.sent_ns
        appends, commits = self._noted("appends"), self._noted("commits")
        read, journal = array("q"), array("q")
        for received_ns, done_ns, number in zip(appends[0::3], appends[1::3], appends[2::3], strict=True):
            read.extend([received_ns] * number)
            journal.extend([done_ns] * number)
        assert len(read) == len(sent), f"{len(read):,} frames of {len(sent):,} were read"
        committed_ns, durable = commits[0::2], commits[1::2]
        stored = [committed_ns[bisect_right(durable, number)] for number in range(len(sent))]
        after = {"read": read, "journal": journal, "durable": stored}
        return {
            name: quantiles_ms([end - begin for begin, end in zip(sent[first:], ends[first:], strict=True)])
            for name, ends in after.items()
        }

    def _noted(self, name: str) -> "array[int]":
        (path,) = self._times.glob(f"{name}-*")
        numbers = array("q")
        numbers.frombytes(path.read_bytes())
        return numbers


def quantiles_ms(values_ns: list[int]) -> dict[str, float]:
    """The quantiles of these, in milliseconds."""
    ascending = sorted(values_ns)
    last = len(ascending) - 1
    return {name: ascending[round(share * last)] / 1e6 for name, share in QUANTILES.items()}


@contextmanager
def running(
    *, tls: bool = False, flat: bool = False, symbol_count: int = SYMBOLS, **sections: dict[str, object]
) -> Iterator[Run]:
    """A recorder that has connected to its exchange, in folders of its own; `flat` as in `bursts`."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        times = folder / "times"
        times.mkdir()
        certificate = make_certificate(folder) if tls else None
        environment = {"BENCH_TIMES": str(times), "BENCH_FLAT": "1" if flat else ""}
        environment |= {"SSL_CERT_FILE": str(certificate[0])} if certificate else {}
        names = symbols(symbol_count)
        sender = StampedSender(names, certificate)
        feed = {"symbols": names, "data_types": list(TYPES)}
        recorder = Recorder(folder, sender.ws_url, environment=environment, feed=feed, **{**PATIENT, **sections})
        recorder.program = [sys.executable, str(RECORDER)]
        recorder.start()
        try:
            sender.accept()
            yield Run(times, recorder, sender)
        finally:
            recorder.end()
            sender.close()


def finish(run: Run) -> None:
    """Wait until everything sent is durable, and stop the recorder, whose processes write down what they noted."""
    wait_for(lambda: run.reported("writer", "messages") >= len(run.sender.sent_ns), LONG_SECS)
    assert run.recorder.stop(deadline_secs=LONG_SECS) == 0


def latencies(rate_per_sec: float, secs: float, *, tls: bool = False) -> Latencies:
    """Quantiles at a steady rate: `read`, `journal` and `durable`, each with p50, p99, p99.9 and max in milliseconds."""
    with running(tls=tls) as run:
        run.pace(rate_per_sec, WARM_SECS)
        first = len(run.sender.sent_ns)
        run.pace(rate_per_sec, secs)
        finish(run)
        return run.latencies(first)


def bursts(
    secs: float,
    stopped: Sequence[str] = (),
    backlog: int = 0,
    frames: int = 20_000,
    within_secs: float = 0.1,
    *,
    flat: bool = False,
) -> tuple[Latencies, dict[str, float]]:
    """Quantiles under bursts while a backlog is worked off, and each process's share of a core meanwhile.

    With `flat` every process has the same priority, for comparison.
    """
    with running(flat=flat, segment={"max_bytes": "4MiB"}, supervisor={"hang_timeout_secs": LONG_SECS}) as run:
        run.burst(frames, within_secs, WARM_SECS)
        run.pile_up(backlog, stopped)
        first, before, started = len(run.sender.sent_ns), run.cpu_secs(), time.monotonic()
        run.burst(frames, within_secs, secs)
        after, passed = run.cpu_secs(), time.monotonic() - started
        finish(run)
        return run.latencies(first), {name: (after[name] - before[name]) / passed for name in after}


def show(title: str, measured: Latencies) -> None:
    print(title)
    for name, quantiles in measured.items():
        print(f"  {name:8}", *(f"{quantile} {value:9.2f}" for quantile, value in quantiles.items()), flush=True)


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", type=float, nargs="+", default=[1_000.0, 10_000.0, 50_000.0])
    parser.add_argument("--secs", type=float, default=20.0)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--burst", action="store_true")
    parser.add_argument("--stop", nargs="*", default=["archiver"], choices=["archiver", "writer"])
    parser.add_argument("--backlog", type=int, default=1_500_000)
    parser.add_argument("--flat", action="store_true", help="all processes at one priority, for comparison")
    options = parser.parse_args()
    if options.burst:
        measured, shares = bursts(options.secs, options.stop, options.backlog, flat=options.flat)
        show(
            f"bursts while {' and '.join(options.stop) or 'nobody'} works off {options.backlog:,} messages, ms:",
            measured,
        )
        print("  of a core:", ", ".join(f"{name} {share:.0%}" for name, share in shares.items()))
        return
    for rate in options.rates:
        title = f"{rate:,.0f} messages/s over {'TLS' if options.tls else 'plain TCP'}, ms:"
        show(title, latencies(rate, options.secs, tls=options.tls))


if __name__ == "__main__":
    main()
