"""What archiving a sealed segment costs: CPU a row, bytes a row, peak memory. Numbers only, nothing is asserted.

    .venv/bin/python tests/bench/bench_archive.py               every case below
    .venv/bin/python tests/bench/bench_archive.py trades        one case
    .venv/bin/python tests/bench/bench_archive.py --rows 200000 a tenth of each

Each case is a segment of made-up Binance messages, archived into a folder by the real archiver in a process of its own:
reading, typing, Parquet, put, confirm. CPU is user + system time of that process, start-up and imports included.
"""

import argparse
import os
import random
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))


from collector.config import Config  # noqa: E402
from collector.domain.log import Log  # noqa: E402
from collector.domain.records import StreamKey  # noqa: E402
from collector.processes.archiver import process  # noqa: E402
from collector.processes.context import Context, SystemClock  # noqa: E402
from tests.storage.segment.segment_files import NOON_US, Message, make_segment  # noqa: E402

ROWS = 2_000_000


class Case(NamedTuple):
    """A segment: its streams, and what the n-th message says."""

    streams: int
    data_type: str
    make: Callable[[random.Random, int, int], bytes]
    disorder: int = 0
    """How far, in messages, an id may be from its place."""


def trade(source: random.Random, number: int, time_ms: int) -> bytes:
    """About 180 bytes."""
    price, cents, size = 64_000 + source.randrange(100), source.randrange(100), source.randrange(1, 99_999)
    return (
        b'{"stream":"btcusdt@trade","data":{"e":"trade","E":%d,"s":"BTCUSDT","t":%d,"p":"%d.%02d000000",'
        b'"q":"0.%05d000","T":%d,"m":%s,"M":true}}'
        % (time_ms, number, price, cents, size, time_ms - 1, b"true" if size % 2 else b"false")
    )


def ticker(source: random.Random, number: int, _time_ms: int) -> bytes:
    """About 150 bytes."""
    bid, bids, asks = 64_000 + source.randrange(100), source.randrange(99_999), source.randrange(99_999)
    return (
        b'{"stream":"btcusdt@bookTicker","data":{"u":%d,"s":"BTCUSDT","b":"%d.10000000","B":"1.%05d000",'
        b'"a":"%d.20000000","A":"2.%05d000"}}' % (number, bid, bids, bid, asks)
    )


def delta(source: random.Random, number: int, time_ms: int) -> bytes:
    """About 500 bytes: six levels a side."""
    bids, asks = (
        b",".join(
            b'["%d.%02d000000","%d.%05d000"]'
            % (64_000 + source.randrange(100), source.randrange(100), source.randrange(9), source.randrange(99_999))
            for _ in range(6)
        )
        for _ in range(2)
    )
    return (
        b'{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":%d,"s":"BTCUSDT","U":%d,"u":%d,"b":[%b],"a":[%b]}}'
        % (time_ms, 10 * number + 1, 10 * number + 10, bids, asks)
    )


def garbage(_source: random.Random, number: int, _time_ms: int) -> bytes:
    """400 bytes that nobody can type."""
    return b"%0400d" % number


CASES = {
    "trades": Case(3, "trade", trade),
    "tickers": Case(3, "book_ticker", ticker),
    "deltas": Case(3, "book_delta", delta),
    "many": Case(3_000, "trade", trade),
    "disorder": Case(1, "trade", trade, disorder=500_000),
    "untyped": Case(3, "trade", garbage),
}


def messages(case: Case, rows: int) -> Iterator[Message]:
    """Messages in the order of arrival, spread over the streams."""
    source = random.Random(7)
    for number in range(rows):
        time_us = NOON_US + number * 1_000
        id_ = number + source.randrange(case.disorder + 1)
        payload = case.make(source, id_, time_us // 1_000)
        yield source.randrange(case.streams), 0, id_, time_us, time_us // 1_000 * 1_000, 0, payload


class Unheard:
    """In the place of the supervisor, which forwards what the archiver has done."""

    def offer(self, _notice: object) -> None:
        """Nobody waits for it."""


def archive(data_dir: Path) -> None:
    """Be the archiver until nothing is left."""

    def unused(*_given: object) -> None:
        raise AssertionError

    process.main(
        Context(
            role="archiver",
            config=Config(data_dir=data_dir),
            sender=Unheard(),
            receiver=unused,  # type: ignore[arg-type]
            stopping=lambda: True,
            report=lambda _numbers: None,
            log=Log(lambda *_: None),
            clock=SystemClock(),
        )
    )
    # What wait4 tells is at least what this benchmark had in memory when it made the process.
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text("utf-8"))
    (data_dir / "peak").write_text(peak[1] if peak else "0", "utf-8")


def measure(name: str, case: Case, rows: int, base: Path) -> None:
    """Make the segment, archive it in a child, print one line."""
    streams = [StreamKey("binance", f"S{number}USDT", case.data_type) for number in range(case.streams)]
    path = make_segment(base / "segments", streams, messages(case, rows))
    segment_bytes = path.stat().st_size
    peak = base / "peak"
    began = time.monotonic()
    pid = os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, __file__, "--archive", str(base)])
    status, usage = os.wait4(pid, 0)[1:]
    wall_secs = time.monotonic() - began
    files = list((base / "archive").rglob("*.parquet"))
    archived_bytes = sum(file.stat().st_size for file in files)
    cpu_secs = usage.ru_utime + usage.ru_stime
    print(
        f"{name:9} {rows:9,} rows {segment_bytes / rows:5.0f} B  {len(files):5} objects {archived_bytes / rows:5.1f} B/row"
        f"  {cpu_secs / rows * 1e6:5.2f} us CPU/row ({usage.ru_stime / rows * 1e6:.2f} system)  {wall_secs:5.1f} s"
        f"  peak {int(peak.read_text('utf-8')) / 1024:4.0f} MB  exit {os.waitstatus_to_exitcode(status)}",
        flush=True,
    )


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", choices=[*CASES, []], help="default: all")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--archive", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.archive:
        archive(arguments.archive)
        return
    for name in arguments.cases or CASES:
        with tempfile.TemporaryDirectory(prefix="bench-") as base:
            measure(name, CASES[name], arguments.rows, Path(base))


if __name__ == "__main__":
    main()
