"""What it takes to notice that a line lags behind another: CPU ns a frame of `LineLag.note`. Nothing is asserted.

    .venv/bin/python -m tests.bench.bench_lag [--frames 100000] [--rounds 7]

Recorded frames on two lines, the second one 20 ms behind, in reads of so many frames each. Medians of the rounds, each of
which measures every size of a read in turn; what only calls and loops take is measured beside it and taken away.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final

from collector.processes.ingest.line_lag import LineLag
from tests.bench.recorded import SYMBOLS, frames_of

READS: Final = (1, 20, 400)
FRAMES_A_SEC: Final = 1_000
LAG_SECS: Final = 0.02

Note = Callable[[int, Sequence[bytes], float], object]


def noting() -> Note:
    """The lags of two lines that are open."""
    lag = LineLag()
    for line in (0, 1):
        lag.opened(line, line)
    return lambda line, frames, now: lag.note(line, frames, now, may_sample=True)


def nothing() -> Note:
    """The call alone."""
    return lambda line, frames, now: None


def cpu_ns(note: Note, frames: Sequence[bytes], of: int) -> float:
    """Processor time for each frame that a line brings."""
    # Each line has bytes of its own, as it reads them from its own socket: comparing them is not comparing addresses.
    reads = [[bytes(bytearray(frame)) for frame in frames[at : at + of]] for at in range(0, len(frames), of)]
    again = [[bytes(bytearray(frame)) for frame in read] for read in reads]
    behind = max(1, int(LAG_SECS * FRAMES_A_SEC / of))
    began = time.process_time_ns()
    for number, read in enumerate(reads):
        now = number * of / FRAMES_A_SEC
        note(0, read, now)
        if number >= behind:
            note(1, again[number - behind], now)
    return (time.process_time_ns() - began) / (2 * len(frames))


def main() -> None:
    """A line for each size of a read."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    frames = [frame.text.encode() for frame in islice(frames_of(SYMBOLS), options.frames)]
    found: dict[int, list[float]] = {of: [] for of in READS}
    for _ in range(options.rounds):
        for of, of_rounds in found.items():
            of_rounds.append(cpu_ns(noting(), frames, of) - cpu_ns(nothing(), frames, of))
    for of, of_rounds in found.items():
        low, high = min(of_rounds), max(of_rounds)
        print(f"{of} frames a read: {statistics.median(of_rounds):.0f} ns a frame ({low:.0f} to {high:.0f})")


if __name__ == "__main__":
    main()
