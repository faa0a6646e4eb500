"""What faults of exchange and network cost, with one line and with two, and whether the ledger says exactly that.

    .venv/bin/python -m tests.bench.bench_faults                              all of it: some minutes, as root for the networks
    .venv/bin/python -m tests.bench.bench_faults --secs 30 --frames 10000     does it work?

Whole recorders and simulators. A connection is cut every 10 s, or stalls for good every 15 s (it is not read, and answers
nothing), one line after the other, with `ingest.stale_timeout_secs = 10` for the stalls; packets are dropped, and nobody is
told, on one of two routes or on the only one; each connection loses each frame by itself. Archive and ledger are compared, id by
id, with what the exchange sent. Ends with an error if a ledger is not exact, or if anything was stored twice or never sent.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Final, NamedTuple

from tests.whole.networks import DroppingNetwork
from tests.whole.running import wait_for
from tests.whole.striking import Balance, Load, Struck, struck, struck_in

CUT_EVERY_SECS: Final = 10.0
STALL_EVERY_SECS: Final = 15.0
DROP_SECS: Final = 20.0
OUTAGE_SECS: Final = 60.0
LOSS: Final = 0.01
SETTLE_SECS: Final = 15.0
"""How long everything is left alone at the end, so that what is late comes."""
PATIENT: Final[Mapping[str, float]] = {"reconnect_base_delay_secs": 5.0}
MANY: Final = Load(tuple(f"S{number}USDT" for number in range(8)), ("book_delta", "trade"), rate=1_000)
HEADS: Final = (
    "lines",
    "times",
    "replaced after, s",
    "frames",
    "stored",
    "trades missing",
    "in the ledger",
    "update ids missing",
    "in the ledger",
    "rows of the ledger",
)


class Outcome(NamedTuple):
    """What one recorder went through, and what it has."""

    name: str
    lines: int
    replaced_secs: Sequence[float]
    """For each time: how long it took until another connection stood."""
    balance: Balance


Case = Callable[[], Outcome]


def again_and_again(
    name: str, kind: str, lines: int, every_secs: float, secs: float, ingest: Mapping[str, float]
) -> Outcome:
    """Strike one connection after the other, at a steady beat."""
    with in_a_folder() as folder, struck(folder, lines, ingest=ingest) as recorded:
        recorded.wait_until_lines_bring(100)
        begun, took = time.monotonic(), list[float]()
        for number in range(1, int(secs / every_secs) + 1):
            time.sleep(max(0.0, begun + number * every_secs - time.monotonic()))
            took.append(recorded.strike(kind))
        time.sleep(SETTLE_SECS)
        return Outcome(f"{name} every {every_secs:g} s", lines, took, recorded.end())


def dropped(name: str, lines: int, routes: int, secs: float) -> Outcome:
    """Drop all packets of the first route for a time; then leave everything alone."""
    with (
        in_a_folder() as folder,
        DroppingNetwork(routes) as network,
        struck_in(network, folder, lines, ingest=PATIENT) as recorded,
    ):
        recorded.wait_until_lines_bring(100)
        known, until = len(recorded.recorder.logged("connected")), time.monotonic() + secs
        network.drop(network.addresses[0])
        took = [] if routes == 1 else [replaced(recorded, known)]
        time.sleep(max(0.0, until - time.monotonic()))
        network.carry(network.addresses[0])
        took = took or [secs + replaced(recorded, known)]
        time.sleep(SETTLE_SECS)
        return Outcome(f"{name} for {secs:g} s", lines, took, recorded.end())


def replaced(recorded: Struck, known: int) -> float:
    """After how many seconds there is one more connection than there were."""
    begun = time.monotonic()
    wait_for(lambda: len(recorded.recorder.logged("connected")) > known)
    return time.monotonic() - begun


def lost(lines: int, frames: int) -> Outcome:
    """Leave out each frame by chance, on each connection by itself. Fails if any other frame is lost."""
    with in_a_folder() as folder, struck(folder, lines, MANY) as recorded:
        recorded.wait_until_lines_bring(100)
        recorded.lose(LOSS, frames)
        found = recorded.end()
    assert found.lost == found.left_out, found
    return Outcome(f"each connection loses {LOSS * 100:g} % of the frames", lines, (), found)


@contextmanager
def in_a_folder() -> Iterator[Path]:
    """A folder for a while."""
    with tempfile.TemporaryDirectory(prefix="bench-faults-") as name:
        yield Path(name)


def cases(secs: float) -> list[Case]:
    """What may go on side by side."""
    stalling = {**PATIENT, "stale_timeout_secs": 10.0}
    cut = partial(again_and_again, "a connection is cut", "disconnect")
    stalled = partial(again_and_again, "a connection stalls for good", "stall")
    found: list[Case] = [partial(cut, lines, CUT_EVERY_SECS, secs, PATIENT) for lines in (1, 2)]
    found += [partial(stalled, lines, STALL_EVERY_SECS, secs, stalling) for lines in (1, 2)]
    if os.geteuid() == 0:
        found.append(partial(dropped, "all packets dropped", 1, 1, DROP_SECS))
        found += [partial(dropped, "packets of one of two routes dropped", lines, 2, DROP_SECS) for lines in (1, 2)]
        found.append(partial(dropped, "the only route is cut", 1, 1, OUTAGE_SECS))
        found += [partial(dropped, "one of two routes is cut", lines, 2, OUTAGE_SECS) for lines in (1, 2)]
    return found


def row(outcome: Outcome) -> str:
    """Of the table."""
    found, took = outcome.balance, outcome.replaced_secs
    ids = [number for kind in ("trade", "book_delta") for number in (found.missing(kind), found.told(kind))]
    numbers = [f"{number:,}" for number in (found.made, found.stored, *ids, found.rows)]
    struck = (str(len(took)), f"{max(took):.1f}") if took else ("-", "-")
    return f"| {' | '.join((outcome.name, str(outcome.lines), *struck, *numbers))} |"


def main() -> None:
    """One line for each case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--secs", type=float, default=120.0, help="how long connections are cut, or stall")
    parser.add_argument("--frames", type=int, default=200_000, help="how many of which some are lost")
    options = parser.parse_args()
    side_by_side = cases(options.secs)
    with ProcessPoolExecutor(len(side_by_side), get_context("spawn")) as pool:  # a network is named after its process
        outcomes = list(pool.map(call, side_by_side))
    outcomes += [lost(lines, options.frames) for lines in (1, 2)]
    print(f"| | {' | '.join(HEADS)} |\n|---{'|---:' * len(HEADS)}|")
    print("\n".join(map(row, outcomes)))
    problems = [
        f"{one.name}, {one.lines} line(s): {problem}" for one in outcomes for problem in one.balance.differences
    ]
    sys.exit("\n".join(problems) or None)


def call(case: Case) -> Outcome:
    """Run it, in another process."""
    return case()


if __name__ == "__main__":
    main()
