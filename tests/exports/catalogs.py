"""A catalog of nautilus_trader, read with nothing but pyarrow and the standard library."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from pyarrow import parquet as pq

from collector import cli
from tests.read.recorded_world import RecordedWorld

Row = dict[str, Any]
SCALE = Decimal(10) ** 16
NUMBERS = ("price", "size", "bid_price", "ask_price", "bid_size", "ask_size")
CLEAR, DELETE = 4, 3


def export(world: RecordedWorld, dest: Path, *arguments: str) -> int:
    """Export BTCUSDT."""
    place = str(world.data_dir / "archive")
    given = ["--symbol", "BTCUSDT", "--data-dir", str(world.data_dir), *arguments]
    return cli.main(["export", "nautilus", place, str(dest), *given])


def files(dest: Path, kind: str) -> list[Path]:
    """The files of a kind, by time."""
    return sorted((dest / "data" / kind / "BTCUSDT.BINANCE").iterdir())


def number(stored: bytes) -> Decimal:
    """A price or a size."""
    return int.from_bytes(stored, "little", signed=True) / SCALE


def rows_of(dest: Path, kind: str) -> list[Row]:
    """All rows of a kind, prices and sizes as numbers."""
    rows = [row for path in files(dest, kind) for row in pq.ParquetFile(path).read().to_pylist()]
    return [{name: number(value) if name in NUMBERS else value for name, value in row.items()} for row in rows]


class Book(NamedTuple):
    """The best 20 levels of each side after a message."""

    at_ns: int
    bids: list[tuple[float, float]]
    asks: list[tuple[float, float]]


def books(rows: list[Row]) -> list[Book]:
    """The book after each message, built by nothing of ours but a dict."""
    sides: dict[int, dict[float, float]] = {1: {}, 2: {}}
    found = []
    for row in rows:
        if row["action"] == CLEAR:
            sides = {1: {}, 2: {}}
        elif row["action"] == DELETE:
            sides[row["side"]].pop(float(row["price"]), None)
        else:
            sides[row["side"]][float(row["price"])] = float(row["size"])
        if row["flags"] == 128:
            bids, asks = (sorted(sides[side].items(), reverse=side == 1)[:20] for side in (1, 2))
            found.append(Book(row["ts_init"], bids, asks))
    return found


def interval(path: Path) -> list[int]:
    """The two times in a file's name, in nanoseconds of their day."""
    found = re.findall(r"T(\d\d)-(\d\d)-(\d\d)-(\d{9})Z", path.name)
    return [((int(hour) * 60 + int(minute)) * 60 + int(sec)) * 10**9 + int(nanos) for hour, minute, sec, nanos in found]
