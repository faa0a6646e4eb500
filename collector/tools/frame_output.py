"""Prints or writes the rows of a frame, part by part: as lines for people, as CSV, as JSON, or as a Parquet file."""

import argparse
import csv
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa
from pyarrow import parquet as pq

from collector.read.frame import Frame
from collector.terminal.aligned import Aligned
from collector.terminal.console import output_console
from collector.tools.archive_args import progress
from collector.tools.row_lines import json_line, rows_of, time_columns, told_value

_LINES: Final = 1_000
"""Rows whose lines are made at a time."""

Row = Mapping[str, Any]


class Lines(NamedTuple):
    """How rows are shown to people."""

    columns: Sequence[tuple[str, bool]]
    """Each with its name, and whether it is one of numbers."""
    cells: Callable[[Row], Sequence[str]]


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add --csv, --json and --parquet."""
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--csv", action="store_true", help="print comma-separated values")
    output.add_argument("--json", action="store_true", help="print an object a line")
    output.add_argument("--parquet", metavar="FILE", type=Path, help="write this file instead")


def put(frame: Frame, arguments: argparse.Namespace, lines: Lines, width: int = 0) -> None:
    """Print or write it. Lists have so many columns in CSV. Raises as the frame."""
    if arguments.parquet is not None:
        print(f"{_write_parquet(frame, arguments.parquet)} rows in {arguments.parquet}")
    elif arguments.csv:
        _print_csv(frame, width)
    elif arguments.json:
        times = time_columns(frame.schema)
        for row in _rows(frame):
            print(json_line(row, times))
    else:
        _print_lines(frame, lines)


def _rows(frame: Frame) -> Iterator[dict[str, Any]]:
    """The rows, with a count beside them where they do not go to the terminal."""
    with _counted() as count:
        for batch in frame.batches():
            yield from rows_of(pa.Table.from_batches([batch]))
            count(batch.num_rows)


@contextmanager
def _counted() -> Iterator[Callable[[int], None]]:
    if sys.stdout.isatty():
        yield lambda _rows: None
        return
    with progress() as bar:
        task = bar.add_task("rows", total=None)
        yield lambda rows: bar.update(task, advance=rows)


def _write_parquet(frame: Frame, path: Path) -> int:
    """Write the file under another name until it is whole; returns the number of rows."""
    part = path.with_name(f"{path.name}.part")
    rows = 0
    try:
        with progress() as bar, pq.ParquetWriter(part, frame.schema, compression="zstd") as writer:
            task = bar.add_task("rows", total=None)
            for batch in frame.batches():
                writer.write_batch(batch)
                rows += batch.num_rows
                bar.update(task, completed=rows)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return rows


def _print_csv(frame: Frame, width: int) -> None:
    """Lists are spread: `bid_prices` is `bid_price_1`, `bid_price_2` and so on."""
    lists = {field.name for field in frame.schema if pa.types.is_list(field.type)}
    times = time_columns(frame.schema)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    heads = (
        [f"{name.removesuffix('s')}_{n}" for n in range(1, width + 1)] if name in lists else [name]
        for name in frame.schema.names
    )
    writer.writerow([head for part in heads for head in part])
    for row in _rows(frame):
        cells: list[Any] = []
        for name, value in row.items():
            own = list(value or ()) if name in lists else [told_value(value, is_time=name in times)]
            cells += own + [None] * (width - len(own) if name in lists else 0)
        writer.writerow(cells)


def _print_lines(frame: Frame, lines: Lines) -> None:
    aligned, console, has_names = Aligned(lines.columns), output_console(), False
    for batch in frame.batches():
        for start in range(0, batch.num_rows, _LINES):
            rows = list(rows_of(pa.Table.from_batches([batch.slice(start, _LINES)])))
            for line in aligned.lines(list(map(lines.cells, rows)), with_names=not has_names):
                console.print(line, no_wrap=True, overflow="ellipsis")
            has_names = True
    if not has_names:
        console.print("no rows")
