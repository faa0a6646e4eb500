"""How much memory each process takes before anything flows, and which packages that is.

    .venv/bin/python -m tests.bench.bench_at_rest              every process of a recorder on one stream
    .venv/bin/python -m tests.bench.bench_at_rest ingest       what the imports of that role's process take

RSS counts pages that processes share (libraries) in each of them; PSS divides those among them, USS leaves them out.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import psutil

from collector.processes.roles import ROLES
from tests.whole.running import ROOT, Exchange, Recorder

SETTLE_SECS = 10.0
"""From the first report of every process until the look: each has then gone round its loop a few times."""

SPAWNED = ("multiprocessing.spawn", "multiprocessing.queues", "multiprocessing.synchronize")
"""What any spawned process with a Queue and an Event has imported."""

CHILD = (*SPAWNED, "supervisor", "collector.processes.child_main")
"""What every process of a recorder has imported besides its own work."""

MODULES = {role.name: role.module for role in ROLES}

TAKEN_KB = "int(open('/proc/self/statm').read().split()[1]) * 4"


def run(code: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run it in a fresh interpreter."""
    command = [sys.executable, *options, "-c", code]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, encoding="utf-8")


def taken_kb(modules: Iterable[str]) -> int:
    """RSS of an interpreter that has imported these and done nothing."""
    return int(run("".join(f"import {name}\n" for name in modules) + f"print({TAKEN_KB})").stdout)


def packages_kb(modules: Iterable[str]) -> Counter[str]:
    """What each package took of RSS: its modules imported one by one, those that others import first."""
    lines = run("".join(f"import {name}\n" for name in modules), "-X", "importtime").stderr.splitlines()
    order = [line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")]
    code = f"""
import importlib, sys
before = {TAKEN_KB}
for name in {order!r}:
    try:
        importlib.import_module(name)
    except ImportError:  # one that its user does without
        continue
    after = {TAKEN_KB}
    print(name.partition('.')[0], after - before)
    before = after
"""
    took: Counter[str] = Counter()
    for line in run(code).stdout.splitlines():
        package, _, kb = line.rpartition(" ")
        took[package] += int(kb)
    return took


def recorder_at_rest(folder: Path) -> None:
    """Start a recorder on one stream, show what each of its processes takes, and end it."""
    exchange = Exchange(folder, "--rate", "1", log=False)
    feed = {"symbols": ["BTCUSDT"], "data_types": ["trade"], "rest_url": exchange.rest_url}
    recorder = Recorder(folder, exchange.ws_url, feed=feed).start()
    try:
        recorder.wait_for_messages(1)
        time.sleep(SETTLE_SECS)
        pids = {process["name"]: process["pid"] for process in recorder.status()["processes"]}
        show({"supervisor": recorder.process.pid, **pids})
    finally:
        recorder.end()
        exchange.stop()


def show(pids: dict[str, int]) -> None:
    """Print what each process takes."""
    print(f"{'MiB':16} {'RSS':>6} {'PSS':>6} {'USS':>6}")
    for name, pid in pids.items():
        memory = psutil.Process(pid).memory_full_info()
        print(f"{name:16} {memory.rss / 2**20:6.1f} {memory.pss / 2**20:6.1f} {memory.uss / 2**20:6.1f}")


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("role", nargs="?", choices=MODULES, help="default: a whole recorder")
    role = parser.parse_args().role
    if role is None:
        for what, modules in {"python": (), "spawned": SPAWNED, "with child_main": CHILD}.items():
            print(f"{what:16} {taken_kb(modules) / 1024:6.1f}")
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            recorder_at_rest(Path(folder))
        return
    for package, kb in packages_kb((*CHILD, MODULES[role])).most_common(30):
        print(f"{package:24} {kb:6} kB")


if __name__ == "__main__":
    main()
