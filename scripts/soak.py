#!/usr/bin/env python3
"""Soaks the recorder: an exchange on loopback, processes killed and stopped and the network cut and frozen at random
moments, and at the end every frame that was sent held against the archive and its gap ledger.

Exit code: 0 nothing was lost, 1 something was or went wrong, 2 it could not begin, 130 after Ctrl-C. Its processes are
gone in any case. The data of a failed soak stays, and where is printed.
"""

import argparse
import importlib.util
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))  # not every Python looks there: PYTHONSAFEPATH, -P, -I

import _bootstrap  # type: ignore[import-not-found]

EXAMPLES = """examples:
  scripts/soak.py --minutes 5 --seed 1
  scripts/soak.py --minutes 60 --seed 2 --kills-per-minute 20 --keep /var/tmp/soak
  scripts/soak.py --minutes 5 --seed 3 --replay btcusdt.jsonl.zst --rate 2     real frames, twice as fast as recorded
"""
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LINE_SECS = 15.0
"""Where progress goes into a file it is a line this often, not one that changes."""


class Progress:
    """One line that changes in a terminal; a line now and then in a file."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._next = 0.0

    def say(self, text: str) -> None:
        """Show how far it is."""
        if self._terminal:
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
        elif time.monotonic() >= self._next:
            self._next = time.monotonic() + LINE_SECS
            print(text, file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the line."""
        if self._terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def main() -> int:
    """Soak, print the tables and the verdict."""
    arguments = _arguments()
    if importlib.util.find_spec("websockets") is None:
        print("error: the exchange's packages are not installed; 'scripts/test' installs them", file=sys.stderr)
        return 2
    absent = [str(path) for path in arguments.replay if not path.is_file()]
    if absent:
        print(f"error: there is no file {', '.join(absent)}", file=sys.stderr)
        return 2
    folder = arguments.keep or Path(tempfile.mkdtemp(prefix="soak-"))
    if folder.exists() and any(folder.iterdir()):
        print(f"error: {folder} is not empty", file=sys.stderr)
        return 2
    for number in ENDING:
        signal.signal(number, _interrupt)
    try:
        code = soak(arguments, folder)
    except KeyboardInterrupt:
        _remove(folder, arguments.keep)
        raise
    if code:
        print(f"what was sent, recorded and logged stays in {folder}", file=sys.stderr)
    else:
        _remove(folder, arguments.keep)
    return code


def soak(arguments: argparse.Namespace, folder: Path) -> int:
    """The exit code."""
    from tests.soak import report, run  # noqa: PLC0415 -- the exchange's packages have been looked for by now

    progress = Progress()
    options = run.Options(
        folder=folder,
        secs=60 * arguments.minutes,
        kills=round(arguments.kills_per_minute * arguments.minutes),
        seed=arguments.seed,
        rate=arguments.rate or (1.0 if arguments.replay else 100.0),
        outages_per_minute=arguments.outages_per_minute,
        replay=tuple(arguments.replay),
    )
    try:
        outcome = run.run(options, progress.say)
    except (RuntimeError, AssertionError) as error:
        progress.end()
        print(f"FAIL {error}")
        return 1
    progress.end()
    print(report.text(outcome))
    return 0 if outcome.passed else 1


def _remove(folder: Path, keep: Path | None) -> None:
    if keep is None:
        shutil.rmtree(folder, ignore_errors=True)


def _interrupt(_number: int, _frame: object) -> None:
    # A second one would end what the first began: no process is left behind.
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--minutes", type=_positive, required=True, help="how long processes are killed")
    add("--seed", type=int, required=True, help="of the plan and the market; the same seed does the same things")
    add("--kills-per-minute", type=_positive, default=20.0, metavar="K", help="SIGKILLs (default 20)")
    add("--outages-per-minute", type=_rate, default=1.0, metavar="N", help="of the network, of 2 to 15 s (default 1)")
    add(
        "--rate",
        type=_positive,
        metavar="R",
        help="messages per second and symbol (default 100); of a replay, its speed",
    )
    add("--replay", type=Path, nargs="+", default=[], metavar="FILE", help="a recording in place of the live market")
    add("--keep", type=Path, metavar="DIR", help="work in this empty folder and leave everything there")
    return parser.parse_args()


def _positive(text: str) -> float:
    number = _rate(text)
    if number == 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


def _rate(text: str) -> float:
    number = float(text)
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is below 0 or not finite")
    return number


if __name__ == "__main__":
    _bootstrap.end_with(main)
