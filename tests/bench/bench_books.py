"""For how long received updates have no book to apply them to: at a start, and after each reconnect.

    .venv/bin/python -m tests.bench.bench_books [--symbols 1,200] [--commit-secs 1,5] [--cuts 4] [--every-secs 15]

The whole recorder, as real processes, beside the simulator. Every connection is cut `--cuts` times. A stretch begins with
the first update received without a book and ends when the book that it fits was received, as the archive shows.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from collector.domain.records import BookRow
from collector.read.book_check import Stretch, check
from collector.read.books import KeyedRow
from tests.whole.running import Exchange, Recorder, wait_for

EVENTS_A_SEC: Final = 100
"""Of all symbols together: more keep the simulator so busy that its REST answers take seconds."""


def names(count: int) -> list[str]:
    """So many symbols of the simulator."""
    return ["BTCUSDT", *(f"S{number:03}USDT" for number in range(1, count))]


def recorded(folder: Path, symbols: list[str], commit_secs: float, cuts: int, every_secs: float) -> Recorder:
    """Record a simulator that cuts every connection so often; returns the recorder, which has stopped."""
    rate = str(EVENTS_A_SEC)
    exchange = Exchange(folder, "--symbols", ",".join(symbols), "--rate", rate, "--seed", "3", log=False)
    feed = {"rest_url": exchange.rest_url, "symbols": symbols, "data_types": ["book_delta"]}
    recorder = Recorder(folder, exchange.ws_url, feed=feed, writer={"batch_interval_secs": commit_secs})
    try:
        recorder.start()
        wait_for(lambda: exchange.stats() and exchange.stats()["connections_total"] > 0)
        for _ in range(cuts):
            time.sleep(every_secs)
            exchange.fault(kind="disconnect", now=True)
        time.sleep(every_secs)
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


def measure(symbols: list[str], commit_secs: float, cuts: int, every_secs: float) -> None:
    """Measure and print one case."""
    with tempfile.TemporaryDirectory(prefix="bench-books-") as folder:
        recorder = recorded(Path(folder), symbols, commit_secs, cuts, every_secs)
        found = list(stretches(recorder, symbols))
    print(f"{len(symbols)} symbols, a commit every {commit_secs:g} s, {cuts} cuts", flush=True)
    print(told("at the start", [of_symbol[0] for of_symbol in found if of_symbol]))
    print(told("after a cut", [stretch for of_symbol in found for stretch in of_symbol[1:]]), flush=True)


def main() -> None:
    """Measure every case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--symbols", default="1,200", help="numbers of symbols")
    parser.add_argument("--commit-secs", default="1,5", help="values of writer.batch_interval_secs")
    parser.add_argument("--cuts", type=int, default=4)
    parser.add_argument("--every-secs", type=float, default=15.0)
    options = parser.parse_args()
    for count in map(int, options.symbols.split(",")):
        for commit_secs in map(float, options.commit_secs.split(",")):
            measure(names(count), commit_secs, options.cuts, options.every_secs)


if __name__ == "__main__":
    main()
