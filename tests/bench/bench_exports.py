"""What it costs to export an hour, beside what the projects that read it take to convert it. Nothing is asserted.

    scripts/bench --exports [--quick]
    .venv/bin/python -m tests.bench.bench_exports [--tiles 11] [--rounds 3]

The recorded trades and book of BTCUSDT again and again, as if they had gone on for an hour, as the writer and the archiver
store them. The others are given the same rows as gzipped CSV files of tardis.dev, and run in environments of their own. CPU is
that of the whole process, start, imports and compiling included, until the first export is done, and of another export in the
same process; medians of the rounds, in turn, and how many times as much theirs is. Packages of the others are fetched.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from collector import cli
from tests.bench import bench_read
from tests.bench.environment import make
from tests.read.recorded_world import RecordedWorld

ROOT: Final = Path(__file__).resolve().parents[2]
PEERS: Final = ROOT / "tests/peers"
OWN: Final = (sys.executable, "-m", "tests.bench.own_export")
SECS: Final = 900
ROWS_A_TILE: Final = 250_000
"""Room for the events of a tile."""
NOON_MS: Final = 43_200_000
"""The recording began shortly before midnight; it is moved, so that all is one day."""


class Cost(NamedTuple):
    """Of one process."""

    first_cpu_secs: float
    again_cpu_secs: float
    bytes: int


class Arm(NamedTuple):
    """What is measured again and again; it writes to a new folder, whose place in the command is `FOLDER`."""

    what: str
    who: str
    command: Sequence[str]


class Plan(NamedTuple):
    """What is to be measured."""

    tiles: int = 11
    rounds: int = 3


def store(folder: Path, tiles: int) -> Path:
    """The archive that is exported."""
    world = RecordedWorld(folder / "data", data_types=("book_delta", "trade"))
    book, parts = bench_read.tiles(tiles, ("@depth", "@trade"), NOON_MS)
    world.fetch(*book)
    for part in parts:
        world.receive(part)
        world.seal()
    world.archive()
    return world.data_dir / "archive"


def as_csv(folder: Path, archive: Path) -> tuple[str, str]:
    """The same as tardis.dev's files: trades and book."""
    types = ["--data-type", "trades", "--data-type", "incremental_book_L2"]
    if cli.main(["export", "tardis", str(archive), str(folder / "csv"), "--symbol", "BTCUSDT", *types]):
        raise SystemExit(1)
    book, trades = sorted(str(file) for file in (folder / "csv").iterdir())
    return trades, book


def arms(folder: Path, archive: Path, plan: Plan) -> list[Arm]:
    """All that is measured: each of ours, then theirs."""
    trades, book = as_csv(folder, archive)
    hftbacktest = make(folder / "hftbacktest", PEERS / "requirements-hftbacktest.txt")
    nautilus = make(folder / "nautilus", PEERS / "requirements-nautilus.txt")
    room = str(plan.tiles * ROWS_A_TILE)
    found = []
    for level, what in (("", "npz, compressed"), ("0", "npz, not compressed")):
        found.append(Arm(what, "ours", (*OWN, level, str(archive), "FOLDER", "hftbacktest")))
        command = (hftbacktest, str(PEERS / "hftbacktest_writes.py"), level, "FOLDER", trades, book, room)
        found.append(Arm(what, "tardis.convert", command))
    catalog = ("nautilus", "--data-type", "order_book_delta")
    found.append(Arm("catalog, changes", "ours", (*OWN, "", str(archive), "FOLDER", *catalog)))
    for kind in ("plain", "quicker"):
        loads: Sequence[str] = (nautilus, str(PEERS / "nautilus_writes.py"), kind, "FOLDER", book)
        found.append(Arm("catalog, changes", f"its loader, {kind}", loads))
    return found


def run(arm: Arm) -> Cost:
    """One process."""
    with tempfile.TemporaryDirectory(prefix="bench-export-") as folder:
        command = [folder if word == "FOLDER" else word for word in arm.command]
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=SECS, encoding="utf-8"
        )
    if done.returncode:
        raise SystemExit(f"{arm.who}: {done.stderr}")
    return Cost(**json.loads(done.stdout))


def measure(plan: Plan) -> None:
    """Measure all, in turn, and print it."""
    with tempfile.TemporaryDirectory(prefix="bench-exports-") as name:
        folder = Path(name)
        wanted = arms(folder, store(folder, plan.tiles), plan)
        spent: list[list[Cost]] = [[] for _ in wanted]
        for _ in range(plan.rounds):
            for costs, arm in zip(spent, wanted, strict=True):
                costs.append(run(arm))
    report(wanted, [Cost(*map(statistics.median, zip(*costs, strict=True))) for costs in spent])


def report(wanted: Sequence[Arm], costs: Sequence[Cost]) -> None:
    """A line for each arm."""
    own = {arm.what: cost for arm, cost in zip(wanted, costs, strict=True) if arm.who == "ours"}
    for arm, cost in zip(wanted, costs, strict=True):
        ratios = [theirs / ours for theirs, ours in zip(cost[:2], own[arm.what][:2], strict=True)]
        print(
            f"{arm.what:20} {arm.who:20} whole process {cost.first_cpu_secs:6.2f} s {ratios[0]:5.2f}x"
            f"  again {cost.again_cpu_secs:6.2f} s {ratios[1]:5.2f}x  {cost.bytes / 1e6:6.1f} MB"
        )


def main() -> None:
    """Measure what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in Plan()._asdict().items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    measure(Plan(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
