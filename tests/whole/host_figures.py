"""The long form of the tests of several hosts, and what it measures.

    HOSTS_LONG=1 scripts/test tests/whole/test_hosts_soak.py tests/whole/test_hosts_network.py …

HOSTS_SEED and HOSTS_ROUNDS are those of the kills and stops. HOSTS_FIGURES names a file that gets a line of JSON for each figure. The table "What a loss of each part costs" of
docs/OPERATIONS.md is filled here: what it says is lost is compared with what a test finds, at every run; how long it took until
nothing was pending is measured in the long form, and written into it where HOSTS_WRITE_DOCS is set.
"""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tests.whole.running import ROOT

LONG: Final = bool(os.environ.get("HOSTS_LONG"))
ROUNDS: Final = int(os.environ.get("HOSTS_ROUNDS", "40" if LONG else "1"))
"""How often every process is struck."""
SEED: Final = int(os.environ.get("HOSTS_SEED", "1"))
PAGE: Final = ROOT / "docs/OPERATIONS.md"
NOTHING: Final = "none"


def note(what: str, **figures: Any) -> None:
    """Write down what was measured, if anybody wants it."""
    if path := os.environ.get("HOSTS_FIGURES"):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"what": what, **figures}) + "\n")


def settled(part: str, goes_on: Callable[[], object], lost: str = NOTHING) -> None:
    """In the long form wait until nothing is pending after the return of that part, and write down how long it took.

    The page has to say in any form that so much is lost with it.
    """
    lines = PAGE.read_text("utf-8").splitlines(keepends=True)
    (number,) = [index for index, line in enumerate(lines) if line.startswith(f"| {part} |")]
    cells = lines[number].strip().strip("|").split("|")
    assert cells[1].strip() == lost, f"{PAGE.name} says that with {part} is lost: {cells[1]}"
    if not LONG:
        return
    began = time.monotonic()
    goes_on()
    secs = time.monotonic() - began
    note("loss", part=part, lost=lost, caught_up_secs=round(secs, 1))
    if os.environ.get("HOSTS_WRITE_DOCS"):
        cells[2] = f" {secs:.0f} s "
        lines[number] = f"|{'|'.join(cells)}|\n"
        PAGE.write_text("".join(lines), "utf-8")
