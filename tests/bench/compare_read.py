"""Other projects beside the reading of books: scripts in environments of their own, on what is exported of the same archive."""

import csv
import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.bench import environment
from tests.whole.running import ROOT

SCRIPTS: Final = ROOT / "tests/bench/readers"
REQUIREMENTS: Final = ROOT / "tests/peers"
RUN_SECS: Final = 600.0
TARDIS: Final = "tardis-dev"
_SIDES: Final = {"bid": "bids", "ask": "asks"}


class Other(NamedTuple):
    """What is measured beside: `command` prints what it spent."""

    name: str
    command: tuple[str, ...]

    def spent(self) -> dict[str, float]:
        """CPU seconds by what was done. Fails if the script does."""
        # Of other projects' code warnings are not our business.
        variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        variables["NODE_PATH"] = str(Path(self.command[0]).parent / "node_modules")
        with tempfile.TemporaryDirectory(prefix="bench-read-") as folder:
            done = subprocess.run(
                [word.replace("FOLDER", folder) for word in self.command],
                capture_output=True, text=True, check=False, timeout=RUN_SECS, encoding="utf-8", env=variables,
            )  # fmt: skip
        assert done.returncode == 0, f"{self.name}: {done.stderr}"
        said: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return said


def others(folder: Path, archive: Path, symbol: str, levels: int, every_us: int) -> tuple[list[Other], dict[str, str]]:
    """Install them and export for them; those that can run, and why others cannot."""
    wanted = str(levels), str(every_us)
    events = _export("hftbacktest", archive, folder / "events", symbol)
    updates = _export("tardis", archive, folder / "csv", symbol, "--data-type", "incremental_book_L2")
    found, absent = list[Other](), dict[str, str]()
    for package in ("hftbacktest", "nautilus"):
        try:
            python = environment.make(folder / package, REQUIREMENTS / f"requirements-{package}.txt")
        except environment.CannotMakeError as error:
            absent[package] = f"cannot be installed: {error}"
            continue
        script = str(SCRIPTS / f"{package}_top.py")
        if package == "nautilus":
            found.append(Other(package, (python, script, *wanted, "FOLDER", *updates)))
        else:
            found += [
                Other(f"{package} {kind}", (python, script, kind, *wanted, *events))
                for kind in ("ROIVector", "HashMap")
            ]
    try:
        node = _node(folder / "node")
    except environment.CannotMakeError as error:
        absent[TARDIS] = f"cannot be installed: {error}"
    else:
        lines = folder / "messages.jsonl"
        lines.write_text("".join(_messages(updates)), encoding="utf-8")
        found.append(Other(TARDIS, (node, str(folder / "node/tardis_top.js"), *wanted, str(lines))))
    return found, absent


def _export(kind: str, archive: Path, folder: Path, symbol: str, *more: str) -> list[str]:
    command = [sys.executable, "-m", "collector", "export", kind, str(archive), str(folder), "--symbol", symbol, *more]
    subprocess.run(command, check=True, capture_output=True)
    return sorted(str(file) for file in folder.iterdir())


def _node(folder: Path) -> str:
    """A folder with the package beside the script; returns Node.js. Raises CannotMakeError."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise environment.CannotMakeError("Node.js is not installed")
    folder.mkdir()
    for name in ("package.json", "tardis_top.js"):
        shutil.copy(SCRIPTS / name, folder)
    try:
        subprocess.run(
            [npm, "install", "--no-audit", "--no-fund", "--no-package-lock"],
            cwd=folder, check=True, capture_output=True, text=True, encoding="utf-8", timeout=environment.MAKE_SECS,
        )  # fmt: skip
    except subprocess.CalledProcessError as error:
        raise environment.CannotMakeError(error.stderr.strip().splitlines()[-1]) from error
    return node


def _messages(files: list[str]) -> Iterator[str]:
    """The updates as tardis-dev makes messages of them, a line each."""
    for file in files:
        with gzip.open(file, "rt", encoding="utf-8", newline="") as text:
            for _, rows in groupby(csv.DictReader(text), key=itemgetter("local_timestamp")):
                yield _message(list(rows))


def _message(rows: list[dict[str, str]]) -> str:
    first = rows[0]
    message: dict[str, Any] = {
        "type": "book_change",
        "symbol": first["symbol"],
        "exchange": first["exchange"],
        "isSnapshot": first["is_snapshot"] == "true",
        "bids": [],
        "asks": [],
        "timestamp": int(first["timestamp"]) / 1_000,
        "localTimestamp": int(first["local_timestamp"]) / 1_000,
    }
    for row in rows:
        message[_SIDES[row["side"]]].append({"price": float(row["price"]), "amount": float(row["amount"])})
    return json.dumps(message) + "\n"
