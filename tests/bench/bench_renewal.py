"""How long a connection and the one that replaces it are both read, and whether that leaves a hole. Numbers only.

    .venv/bin/python -m tests.bench.bench_renewal [--symbols 140] [--rates 10 1] [--times 2] [--secs 60]

The exchange is the simulator: trades, diffs and best prices of all symbols on one connection, of which it says again and again
that it will close it. Seconds of the wall clock from when the new connection is open until the old one is let go. Ends with an error if
anything was stored twice, or the ledger is not exact.
"""

import argparse
import statistics
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.whole.running import wait_for
from tests.whole.striking import Load, Struck, struck

TYPES = ("book_delta", "trade", "book_ticker")
CLOSED_AFTER_SECS = 3_600
"""Later than any overlap ends."""
HEADS = (
    "messages a second and symbol",
    "streams",
    "overlaps, s",
    "median",
    "frames",
    "missing ids",
    "rows of the ledger",
)


def overlap_secs(recorded: Struck) -> float:
    """Have the connection renewed; returns for how long both were read."""
    log = recorded.recorder.logged
    opened, renewed = len(log("connected")), len(of_renewals(recorded))
    recorded.source.fault(kind="shutdown", now=True, secs=CLOSED_AFTER_SECS, connection=opened)
    wait_for(lambda: len(of_renewals(recorded)) > renewed, deadline_secs=600)
    return (at(of_renewals(recorded)[-1]) - at(log("connected")[-1])).total_seconds()


def of_renewals(recorded: Struck) -> list[dict[str, Any]]:
    """Connections that were let go because another had taken over."""
    return [line for line in recorded.recorder.logged("disconnected") if line["reason"] == "renewed"]


def at(line: dict[str, Any]) -> datetime:
    """When a line was logged."""
    return datetime.fromisoformat(line["ts"])


def measure(symbols: int, rate: float, times: int, secs: float) -> list[str]:
    """Print a row; returns where the ledger is not exact."""
    load = Load(tuple(f"S{number:03}USDT" for number in range(symbols)), TYPES, rate)
    with tempfile.TemporaryDirectory(prefix="bench-renewal-") as folder, struck(Path(folder), 1, load) as recorded:
        recorded.wait_until_lines_bring(10)
        took = []
        for _ in range(times):
            time.sleep(secs)
            took.append(overlap_secs(recorded))
        found = recorded.end()
    missing = sum(map(found.missing, ("trade", "book_delta")))
    seconds = f"{', '.join(f'{one:.1f}' for one in took)} | {statistics.median(took):.1f}"
    print(f"| {rate:g} | {symbols * len(TYPES)} | {seconds} | {found.made:,} | {missing} | {found.rows} |", flush=True)
    return found.differences


def main() -> None:
    """A row for each rate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--symbols", type=int, default=140)
    parser.add_argument("--rates", type=float, nargs="+", default=[10.0, 1.0], help="messages per second and symbol")
    parser.add_argument("--times", type=int, default=2)
    parser.add_argument("--secs", type=float, default=60.0, help="before each renewal")
    options = parser.parse_args()
    print(f"| {' | '.join(HEADS)} |\n|---{'|---:' * (len(HEADS) - 1)}|", flush=True)
    problems = [
        problem for rate in options.rates for problem in measure(options.symbols, rate, options.times, options.secs)
    ]
    sys.exit("\n".join(problems) or None)


if __name__ == "__main__":
    main()
