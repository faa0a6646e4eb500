"""What an upgrade costs: a recorder under load is followed by a later version ten times. Numbers only.

    .venv/bin/python -m tests.bench.bench_handover                   by `collector handover`, and by a restart each time
    .venv/bin/python -m tests.bench.bench_handover --rounds 2 --symbols 20     does it work?

In the middle one version crashes in its writer after the first commit, and the one before records on. The exchange is the
simulator. Ends with an error if the ledger is not exact, or if anything was stored twice or never sent.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.whole.handing import Handed, later_program
from tests.whole.running import PATIENT, ROOT, Exchange, Recorder
from tests.whole.striking import Balance, balance

DATA_TYPES = ("trade", "book_delta", "book_ticker")
HEADS = (
    "followed by",
    "times",
    "connections",
    "frames",
    "stored",
    "trades missing",
    "in the ledger",
    "update ids missing",
    "in the ledger",
    "rows of the ledger",
)
CRASH = {
    "collector/processes/writer/process.py": (
        "        self._batch_since = None\n        self._processor.begin",
        "        raise ValueError\n        (",
    )
}


class Load(argparse.Namespace):
    """What is recorded, and how often it is followed."""

    symbols: int
    rounds: int
    rate: float
    secs: float
    min_secs: float

    @property
    def names(self) -> tuple[str, ...]:
        """All symbols."""
        return tuple(f"S{number:03}USDT" for number in range(self.symbols))


Follow = Callable[[Handed, Path], int]
"""Lets the program in that folder follow; returns 1 if it failed and the earlier one records on."""


def by_handover(recorded: Handed, program: Path) -> int:
    """`collector handover`."""
    code, lines = recorded.hand_over(program)
    print("\n".join(lines), file=sys.stderr)
    return code


def by_restart(recorded: Handed, program: Path) -> int:
    """Stop the recorder, and start the program."""
    if program == ROOT:
        stop(recorded)
        recorded.recorded.start()
        recorded.recorded.wait_for_messages(1)
    return int(program != ROOT)


def stop(recorded: Handed) -> None:
    """Stop it in order."""
    if code := recorded.stop():
        raise SystemExit(f"the recorder ended with {code}: {recorded.recorded.log_path.read_text('utf-8')[-2_000:]}")


def measured(load: Load, follow: Follow) -> tuple[Balance, int]:
    """What archive and ledger have, and how many connections were opened."""
    with tempfile.TemporaryDirectory(prefix="bench-handover-") as folder:
        market = Exchange(Path(folder), "--symbols", ",".join(load.names), "--rate", str(load.rate))
        crashing = later_program(Path(folder) / "later", CRASH)
        recorded = Handed(Recorder(Path(folder), market.ws_url, **settings(load)).start(start_new_session=True))
        try:
            recorded.recorded.wait_for_messages(1)
            for number in range(load.rounds):
                is_crash = number == load.rounds // 2
                if follow(recorded, crashing if is_crash else ROOT) != is_crash:
                    raise SystemExit(f"round {number} did not end as it should")
                time.sleep(load.secs)
            connections = int(market.stats()["connections_total"])
            stop(recorded)
            market.stop()
            return balance(recorded.recorded, market.sent_log, load.names), connections
        finally:
            recorded.end()
            recorded.recorded.end()
            market.stop()


def settings(load: Load) -> dict[str, Any]:
    """Of the recorder."""
    return {
        "feed": {"symbols": list(load.names), "data_types": list(DATA_TYPES)},
        "silence": PATIENT["silence"],
        "supervisor": {"handover_min_secs": load.min_secs},
    }


def main() -> None:
    """Measure both ways and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--symbols", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--rate", type=float, default=10.0, help="messages per second and symbol, roughly")
    parser.add_argument("--secs", type=float, default=2.0, help="between two programs")
    parser.add_argument("--min-secs", type=float, default=10.0, help="supervisor.handover_min_secs")
    load = parser.parse_args(namespace=Load())
    print(f"| {' | '.join(HEADS)} |\n|---{'|---:' * (len(HEADS) - 1)}|")
    problems = []
    for name, follow in (("`collector handover`", by_handover), ("a restart", by_restart)):
        found, connections = measured(load, follow)
        ids = [number for kind in ("trade", "book_delta") for number in (found.missing(kind), found.told(kind))]
        times = load.rounds - (follow is by_restart)  # nobody restarts into a version that crashes
        counts = (times, connections, found.made, found.stored, *ids, found.rows)
        print(f"| {name} | {' | '.join(f'{number:,}' for number in counts)} |", flush=True)
        problems += found.differences
    if problems:
        raise SystemExit("\n".join(problems))


if __name__ == "__main__":
    main()
