"""What it costs to record other symbols: 50 of 200 leave and return ten times under load. Numbers only.

    .venv/bin/python -m tests.bench.bench_reload                     by `collector reload`, and by a restart each time
    .venv/bin/python -m tests.bench.bench_reload --rounds 1 --symbols 40 --leaving 10     does it work?

The exchange is the simulator. What is shown is what archive and ledger have of the symbols that stay, id by id against what was
sent. Ends with an error if the ledger is not exact, or if anything was stored twice or never sent.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.whole.running import PATIENT, ROOT, Exchange, Recorder
from tests.whole.striking import Balance, balance

STOPPED = 0
DATA_TYPES = ("trade", "book_delta", "book_ticker")
HEADS = (
    "changed by",
    "connections",
    "frames",
    "stored",
    "trades missing",
    "in the ledger",
    "update ids missing",
    "in the ledger",
    "rows of the ledger",
)


class Load(argparse.Namespace):
    """What is recorded, and how often it changes."""

    symbols: int
    leaving: int
    rounds: int
    rate: float
    secs: float

    @property
    def names(self) -> tuple[str, ...]:
        """All symbols."""
        return tuple(f"S{number:03}USDT" for number in range(self.symbols))


Change = Callable[[Recorder, Mapping[str, Any]], None]


def by_reload(recorded: Recorder, settings: Mapping[str, Any]) -> None:
    """`collector reload`."""
    recorded.configure(**settings)
    command = [sys.executable, "-m", "collector", "reload", "--config", str(recorded.config_path)]
    done = subprocess.run(command, cwd=ROOT, env=recorded.environment, capture_output=True, check=False, text=True)
    if done.returncode:
        raise SystemExit(f"reload ended with {done.returncode}: {done.stdout}{done.stderr}")


def by_restart(recorded: Recorder, settings: Mapping[str, Any]) -> None:
    """Stop the recorder, and start it with another configuration."""
    stop(recorded)
    recorded.configure(**settings)
    recorded.start()
    recorded.wait_for_messages(1)


def stop(recorded: Recorder) -> None:
    """Stop it in order."""
    if (code := recorded.stop()) != STOPPED:
        raise SystemExit(f"the recorder ended with {code}: {recorded.log_path.read_text('utf-8')[-2_000:]}")


def measured(load: Load, change: Change) -> tuple[Balance, int]:
    """What archive and ledger have of the symbols that stay, and how many connections were opened."""
    with tempfile.TemporaryDirectory(prefix="bench-reload-") as folder:
        market = Exchange(Path(folder), "--symbols", ",".join(load.names), "--rate", str(load.rate))
        recorded = Recorder(Path(folder), market.ws_url, **settings(load.names)).start()
        try:
            recorded.wait_for_messages(1)
            for _ in range(load.rounds):
                change(recorded, settings(load.names[load.leaving :]))
                time.sleep(load.secs)
                change(recorded, settings(load.names))
                time.sleep(load.secs)
            connections = int(market.stats()["connections_total"])
            stop(recorded)
            market.stop()
            return balance(recorded, market.sent_log, load.names[load.leaving :]), connections
        finally:
            recorded.end()
            market.stop()


def settings(symbols: Sequence[str]) -> dict[str, Any]:
    """Of a recorder of these symbols."""
    return {"feed": {"symbols": list(symbols), "data_types": list(DATA_TYPES)}, "silence": PATIENT["silence"]}


def main() -> None:
    """Measure both ways and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--symbols", type=int, default=200)
    parser.add_argument("--leaving", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--rate", type=float, default=10.0, help="messages per second and symbol, roughly")
    parser.add_argument("--secs", type=float, default=2.0, help="between two changes")
    load = parser.parse_args(namespace=Load())
    print(f"| {' | '.join(HEADS)} |\n|---{'|---:' * (len(HEADS) - 1)}|")
    problems = []
    for name, change in (("`collector reload`", by_reload), ("a restart", by_restart)):
        found, connections = measured(load, change)
        ids = [number for kind in ("trade", "book_delta") for number in (found.missing(kind), found.told(kind))]
        shown = " | ".join(f"{number:,}" for number in (connections, found.made, found.stored, *ids, found.rows))
        print(f"| {name} | {shown} |", flush=True)
        problems += found.differences
    sys.exit("\n".join(problems) or None)


if __name__ == "__main__":
    main()
