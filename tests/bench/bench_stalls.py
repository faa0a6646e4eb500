"""What cuts, stalls and dropped packets cost, with one line and with two, and whether the ledger says exactly that.

    .venv/bin/python -m tests.bench.bench_stalls [--secs 120]

Real recorders and simulators, side by side, with a trade or diff about a hundred times a second: a connection is cut every 10 s,
or stalls for good every 15 s (it is not read, and answers nothing), one line after the other; or all packets are dropped for
20 s. `ingest.stale_timeout_secs` is 10 for the stalls, else as by default. Ends with an error if a ledger is not exact.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from tests.whole.holes import count, differences, missing, told
from tests.whole.networks import DroppingNetwork
from tests.whole.running import Exchange, Recorder, wait_for

FEED: Final = {"symbols": ["BTCUSDT"], "data_types": ["book_snapshot", "book_delta", "trade"]}
ARGUMENTS: Final = ("--symbols", "BTCUSDT", "--rate", "100", "--seed", "3")
CUT_EVERY_SECS: Final = 10.0
STALL_EVERY_SECS: Final = 15.0
DROP_SECS: Final = 20.0
SETTLE_SECS: Final = 15.0
"""How long everything is left alone at the end, so that what is late comes."""


class Outcome(NamedTuple):
    """What one recorder went through, and what it has."""

    name: str
    lines: int
    times: int
    trades: int
    missing: int
    is_exact: bool


def strike(source: Exchange, lines: int, kind: str, every_secs: float, secs: float) -> int:
    """Strike one connection after another; returns how many."""
    standing, until, times = list(range(1, lines + 1)), time.monotonic() + secs, 0
    while time.monotonic() < until:
        time.sleep(every_secs)
        known = source.stats()["connections_total"]
        source.fault(kind=kind, now=True, connection=standing.pop(0))
        wait_for(lambda: source.stats()["connections_total"] > known)  # noqa: B023 -- asked at once
        standing.append(known + 1)
        times += 1
    return times


def struck(kind: str, lines: int, every_secs: float, secs: float, ingest: dict[str, float]) -> Outcome:
    """Record a simulator whose connections are struck."""
    with tempfile.TemporaryDirectory(prefix="bench-stalls-") as name:
        folder = Path(name)
        source = Exchange(folder, *ARGUMENTS, log=False)
        recorder = Recorder(folder, source.ws_url, feed={**FEED, "lines": lines}, ingest=ingest).start()
        try:
            wait_for(lambda: source.stats()["connections_total"] == lines)
            recorder.wait_for_messages(100)
            times = strike(source, lines, kind, every_secs, secs)
            return outcome(f"{kind} every {every_secs:g} s", lines, times, recorder)
        finally:
            recorder.end()
            source.stop()


def dropped() -> Outcome:
    """Record a simulator whose packets are dropped."""
    with tempfile.TemporaryDirectory(prefix="bench-stalls-") as name, DroppingNetwork() as network:
        folder = Path(name)
        source = Exchange(folder, "--host", "0.0.0.0", *ARGUMENTS, log=False, within=network.within)
        (address,) = network.addresses
        recorder = Recorder(folder, f"ws://{address}:{urlsplit(source.ws_url).port}", feed=FEED, ingest={}).start()
        try:
            recorder.wait_for_messages(100)
            network.drop(address)
            time.sleep(DROP_SECS)
            network.carry(address)
            recorder.wait_for_messages(recorder.messages() + 100)
            return outcome(f"packets dropped for {DROP_SECS:g} s", 1, 1, recorder)
        finally:
            recorder.end()
            source.stop()


def outcome(name: str, lines: int, times: int, recorder: Recorder) -> Outcome:
    """Stop it, and compare archive and ledger."""
    time.sleep(SETTLE_SECS)
    assert recorder.stop() == 0
    lacking = missing(recorder)
    trades = count(hole for stream, holes in lacking.items() if stream.data_type == "trade" for hole in holes)
    is_exact = not differences(lacking, told(recorder))
    return Outcome(name, lines, times, len(recorder.table("trade")), trades, is_exact)


def main() -> None:
    """One line for each case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--secs", type=float, default=120.0)
    secs = parser.parse_args().secs
    patient, soon = {"reconnect_base_delay_secs": 5.0}, {"stale_timeout_secs": 10.0}
    cases: list[Callable[[], Outcome]] = [
        *(lambda lines=lines: struck("disconnect", lines, CUT_EVERY_SECS, secs, patient) for lines in (1, 2)),
        *(lambda lines=lines: struck("stall", lines, STALL_EVERY_SECS, secs, soon) for lines in (1, 2)),
        *([dropped] if os.geteuid() == 0 else []),
    ]
    with ThreadPoolExecutor(len(cases)) as pool:
        outcomes = list(pool.map(lambda case: case(), cases))
    for one in outcomes:
        print(
            f"{one.name}, {one.lines} line(s), {one.times} times: {one.trades:,} trades, {one.missing} missing,"
            f" the ledger {'says exactly that' if one.is_exact else 'IS NOT EXACT'}",
            flush=True,
        )
    sys.exit(not all(one.is_exact for one in outcomes))


if __name__ == "__main__":
    main()
