"""For how long received updates have no book to apply them to: at a start, and after each reconnect.

    .venv/bin/python -m tests.bench.bench_books [--symbols 1,200] [--commit-secs 1,5] [--cuts 4] [--every-secs 15]
        [--round-trip-secs 0,0.1]

The whole recorder, as real processes, beside the simulator. Every connection is cut `--cuts` times. A stretch begins with
the first update received without a book and ends when the book that it fits was received, as the archive shows. With
`--round-trip-secs` each answer over REST is held back for so long, as by an exchange that is far away.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Final, NamedTuple

from collector.domain.records import BookRow
from collector.read.books.archive_rows import KeyedRow
from collector.read.books.check import Stretch, check
from tests.whole.running import Exchange, Recorder, wait_for

EVENTS_A_SEC: Final = 40
"""Of each symbol, with ten book updates: more of 200 symbols keep the simulator so busy that its REST answers take seconds."""


def names(count: int) -> list[str]:
    """So many symbols of the simulator."""
    return ["BTCUSDT", *(f"S{number:03}USDT" for number in range(1, count))]


class Case(NamedTuple):
    """What is measured together."""

    symbols: list[str]
    commit_secs: float
    round_trip_secs: float
    cuts: int
    every_secs: float

    def __str__(self) -> str:
        rest = f", a round trip of {self.round_trip_secs:g} s" if self.round_trip_secs else ""
        return f"{len(self.symbols)} symbols, a commit every {self.commit_secs:g} s, {self.cuts} cuts{rest}"


def recorded(folder: Path, case: Case) -> Recorder:
    """Record a simulator that cuts every connection so often; returns the recorder, which has stopped."""
    rate = str(EVENTS_A_SEC)
    exchange = Exchange(folder, "--symbols", ",".join(case.symbols), "--rate", rate, "--seed", "3", log=False)
    if case.round_trip_secs:
        exchange.fault(kind="hang", secs=case.round_trip_secs, path="depth", probability=1.0)
    feed = {"rest_url": exchange.rest_url, "symbols": case.symbols, "data_types": ["book_delta"]}
    recorder = Recorder(folder, exchange.ws_url, feed=feed, writer={"batch_interval_secs": case.commit_secs})
    try:
        recorder.start()
        wait_for(lambda: exchange.stats() and exchange.stats()["connections_total"] > 0)
        for _ in range(case.cuts):
            time.sleep(case.every_secs)
            exchange.fault(kind="disconnect", now=True)
        time.sleep(case.every_secs)
        assert recorder.stop() == 0, recorder.log_path.read_text("utf-8")
    finally:
        recorder.end()
        exchange.stop()
    return recorder


def rows(recorder: Recorder, symbol: str) -> list[KeyedRow]:
    """What the archive has of a symbol's book, by series and id."""
    found = [
        KeyedRow(
            (row["series"], row["last_id"]),
            round(row["received_at"].timestamp() * 1e6),
            BookRow(*(row[name] for name in BookRow._fields)),
        )
        for row in recorder.table("book_delta", symbol)
    ]
    return sorted(found, key=lambda row: (row.key, row.row.is_snapshot))


def stretches(recorder: Recorder, symbols: list[str]) -> Iterator[list[Stretch]]:
    """Of each symbol, the stretches without a book, from the first update on."""
    for symbol in symbols:
        yield check(rows(recorder, symbol), []).first_stretches


def told(what: str, found: list[Stretch]) -> str:
    """One line of the report."""
    secs = sorted((stretch.until_us - stretch.from_us) / 1e6 for stretch in found if stretch.until_us is not None)
    lasting = len(found) - len(secs)
    if not secs:
        return f"  {what}: {len(found)} stretches, {lasting} without an end"
    median, most = statistics.median(secs), secs[-1]
    return f"  {what}: {len(found)} stretches, median {median:.3f} s, most {most:.3f} s, {lasting} without an end"


def measure(case: Case) -> None:
    """Measure and print one case."""
    with tempfile.TemporaryDirectory(prefix="bench-books-") as folder:
        found = list(stretches(recorded(Path(folder), case), case.symbols))
    print(case)
    print(told("at the start", [of_symbol[0] for of_symbol in found if of_symbol]))
    print(told("after a cut", [stretch for of_symbol in found for stretch in of_symbol[1:]]), flush=True)


def main() -> None:
    """Measure every case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--symbols", default="1,200", help="numbers of symbols")
    parser.add_argument("--commit-secs", default="1,5", help="values of writer.batch_interval_secs")
    parser.add_argument("--cuts", type=int, default=4)
    parser.add_argument("--every-secs", type=float, default=15.0)
    parser.add_argument("--round-trip-secs", default="0", help="how long each answer over REST is held back")
    options = parser.parse_args()
    cases = product(
        *(map(float, text.split(",")) for text in (options.symbols, options.commit_secs, options.round_trip_secs))
    )
    for count, commit_secs, round_trip_secs in cases:
        measure(Case(names(int(count)), commit_secs, round_trip_secs, options.cuts, options.every_secs))


if __name__ == "__main__":
    main()
