"""What it costs to read books of an archive, in each form that is installed, beside a plain recipe. Nothing is asserted.

    scripts/bench --read [--quick | --compare]
    .venv/bin/python -m tests.bench.bench_read [--tiles 11] [--rounds 3] [--levels 20] [--every 100ms] [--compare]

The recorded book of BTCUSDT again and again, as if it had gone on for an hour, as the writer and the archiver store it:
that flatters reading, because prices come again. CPU is that of a process, all threads, in turn within one run: the median of
the rounds, and how many times as much that is as the fastest form takes. What is compiled is compiled before, and its cost
told. With --compare other projects do the same on exports of the same archive.
"""

import argparse
import json
import random
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple
from unittest.mock import patch

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

import collector.read
from collector.domain.records import BookRow
from collector.read.archive import Archive
from collector.read.books import forms
from collector.read.books.book import Book
from collector.read.books.forms import Form
from collector.read.every import every_us
from tests.bench.compare_read import others
from tests.bench.recorded import FRAMES
from tests.exchanges.recorded_markets import depth_as_subscribed
from tests.read.recorded_world import NAME, Frame, RecordedWorld

SYMBOL: Final = "BTCUSDT"
NUMBER: Final = re.compile(r'"([UuEtT])":(\d+)')
FIRST_EVERY: Final = "1h"
"""So seldom that a book is followed and hardly shown."""
TOP, FOLLOW, BOOK_AT, REPLAY, READ = "top", "follow", "book_at", "replay", "read"
TITLES: Final = {
    TOP: "top 20 each 100ms",
    FOLLOW: "follow",
    BOOK_AT: "book_at",
    REPLAY: "replay, each message",
    READ: "read the input",
}
MOMENTS: Final = 3
"""At so many a book is asked for."""


class Recorded(NamedTuple):
    """The archive that is read."""

    archive: Archive
    folder: Path
    since_us: int
    until_us: int
    rows: int
    levels: int


class Arm(NamedTuple):
    """What is measured again and again; `run` returns CPU seconds by what was done."""

    form: str
    run: Callable[[], dict[str, float]]


class Step(NamedTuple):
    """How far ids and times of a tile are behind those of the recording."""

    millis: int
    updates: int = 0
    trades: int = 0

    def of(self, name: str) -> int:
        """How far a number of that name is."""
        return self.millis if name in "ET" else self.trades if name == "t" else self.updates


def tiles(
    count: int, channels: tuple[str, ...] = ("@depth",), later_millis: int = 0
) -> tuple[Frame, Iterator[list[Frame]]]:
    """The whole book, and what was recorded of the channels as often as said: ids and times go on, from `later_millis` on."""
    with pa.input_stream(str(FRAMES.parent / f"{NAME}.jsonl.zst"), compression="zstd") as stream:
        lines = [json.loads(line) for line in stream.read().splitlines()]
    (book,) = [line for line in lines if line["dir"] == "http"]
    received = [line for line in lines if line["dir"] == "in" and any(channel in line["raw"] for channel in channels)]
    numbers = [dict(NUMBER.findall(line["raw"])) for line in received]
    changes = [found for found in numbers if "U" in found]
    trades = [int(found["t"]) for found in numbers if "t" in found] or [0]
    millis = int(changes[-1]["E"]) - int(changes[0]["E"]) + 100
    updates = int(changes[-1]["u"]) - int(changes[0]["U"]) + 1
    steps = [
        Step(later_millis + millis * tile, updates * tile, (trades[-1] - trades[0] + 1) * tile) for tile in range(count)
    ]
    return _later(book, Step(later_millis)), ([_later(line, step) for line in received] for step in steps)


def _later(line: dict[str, Any], step: Step) -> Frame:
    text = NUMBER.sub(
        lambda found: f'"{found[1]}":{int(found[2]) + step.of(found[1])}', depth_as_subscribed(line["raw"])
    )
    return (line["recv_ts_us"] + step.millis * 1_000) * 1_000, text.encode()


def make(folder: Path, count: int) -> Recorded:
    """Store the tiles in a segment, as a recorder does an hour."""
    world = RecordedWorld(folder / "data", data_types=("book_delta",))
    book, parts = tiles(count)
    world.fetch(*book)
    since_us = until_us = 0
    for part in parts:
        world.receive(part)
        world.commit()
        since_us, until_us = since_us or part[0][0] // 1_000 + 1_000_000, part[-1][0] // 1_000
    world.seal()
    world.archive()
    archive = collector.read.open(world.data_dir / "archive")
    rows = levels = 0
    for batch in archive.deltas(SYMBOL, gaps="ignore").batches():
        rows += batch.num_rows
        levels += sum(pc.sum(pc.list_value_length(batch[name])).as_py() for name in ("bid_prices", "ask_prices"))
    return Recorded(archive, world.data_dir / "archive", since_us, until_us, rows, levels)


def installed() -> dict[str, Form | None]:
    """The forms by name; the plain one is None."""
    found: dict[str, Form | None] = {form.name: form for form in (forms.numba_form(), forms.numpy_form()) if form}
    return {**found, "plain": None}


def recipe(recorded: Recorded) -> Book:
    """The book as anybody would rebuild it from the files."""
    files = ds.dataset(recorded.folder / f"exchange=binance/data_type=book_delta/symbol={SYMBOL}", format="parquet")
    rows = files.to_table(columns=["series", *BookRow._fields])
    book = Book()
    for row in rows.sort_by([("series", "ascending"), ("last_id", "ascending")]).select(BookRow._fields).to_pylist():
        book.apply(BookRow(**row))
    return book


def arms(recorded: Recorded, levels: int, every: str) -> list[Arm]:
    """All that is measured."""
    known = installed()
    archive, stretch = recorded.archive, (SYMBOL, recorded.since_us, recorded.until_us)
    moments = [random.Random(1).randrange(recorded.since_us, recorded.until_us) for _ in range(MOMENTS)]

    def depth(form: Form | None, every: str) -> int:
        with patch("collector.read.books.depth.fastest", lambda _depth: form):
            return sum(batch.num_rows for batch in archive.depth(*stretch, levels=levels, every=every).batches())

    def at(form: Form | None) -> list[object]:
        with patch("collector.read.books.depth.numpy_form", lambda: form):
            return [archive.book_at(SYMBOL, at_us).last_id for at_us in moments]

    def arm(what: str, form: str, run: Callable[[], object]) -> Arm:
        return Arm(form, partial(measured, what, run))

    found = [arm(TOP, name, partial(depth, form, every)) for name, form in known.items()]
    found += [arm(FOLLOW, name, partial(depth, form, FIRST_EVERY)) for name, form in known.items()]
    found.append(arm(FOLLOW, "the recipe", lambda: recipe(recorded)))
    found += [arm(BOOK_AT, name, partial(at, form)) for name, form in known.items() if name != "numba"]
    found.append(arm(REPLAY, "plain", lambda: sum(1 for _ in archive.replay(*stretch))))
    return found


def compared(recorded: Recorded, plan: "Plan", folder: Path) -> list[Arm]:
    """What other projects are measured with; those that cannot run are told."""
    found, absent = others(folder, recorded.folder, SYMBOL, plan.levels, every_us(plan.every))
    for name, why in absent.items():
        print(f"{name}: {why}")
    return [Arm(other.name, other.spent) for other in found]


def measured(what: str, run: Callable[[], object]) -> dict[str, float]:
    """The CPU seconds that it takes."""
    began = time.process_time()
    run()
    return {what: time.process_time() - began}


class Plan(NamedTuple):
    """What is to be measured."""

    tiles: int = 11
    rounds: int = 3
    levels: int = 20
    every: str = "100ms"
    compare: bool = False


def measure(plan: Plan) -> None:
    """Measure all, in turn, and print it."""
    with tempfile.TemporaryDirectory(prefix="bench-read-") as text:
        folder = Path(text)
        recorded = make(folder, plan.tiles)
        print(f"{recorded.rows:,} rows, {recorded.levels:,} levels", flush=True)
        wanted = arms(recorded, plan.levels, plan.every)
        print(f"{wanted[0].form}, first use: {wanted[0].run()[TOP]:.2f} s CPU", flush=True)
        wanted += compared(recorded, plan, folder) if plan.compare else []
        spent: dict[tuple[str, str], list[float]] = {}
        for _ in range(plan.rounds):
            for arm in wanted:
                for what, secs in arm.run().items():
                    spent.setdefault((what, arm.form), []).append(secs)
    report(recorded, {key: statistics.median(secs) for key, secs in spent.items()})


def report(recorded: Recorded, spent: dict[tuple[str, str], float]) -> None:
    """A line for each thing and form, with how many times as long it takes as the fastest form of ours."""
    for what, title in TITLES.items():
        secs_of = {form: secs for (name, form), secs in spent.items() if name == what}
        fastest = next(iter(secs_of.values()), 0.0)
        for form, secs in secs_of.items():
            rates = f"{recorded.levels / secs / 1e6:6.2f} M levels/s {recorded.rows / secs / 1e3:7.1f} k messages/s"
            told = f"{secs / MOMENTS * 1e3:6.1f} ms each" if what == BOOK_AT else rates
            print(f"{title:21} {form:22} {secs:7.3f} s  {secs / fastest:6.2f}x  {told}")


def main() -> None:
    """Measure what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in Plan()._asdict().items():
        if name != "compare":
            parser.add_argument(f"--{name}", type=type(default), default=default)
    parser.add_argument("--compare", action="store_true")
    measure(Plan(**vars(parser.parse_args())))


if __name__ == "__main__":
    main()
