#!/usr/bin/env python3
"""Shows the gap ledger: what is, or may be, missing, and why. Reads only.

The ledger of an archive folder is read; with --data-dir also what its segments hold and the archive does not yet.
Of the rows of one gap only the latest is shown. Exit code: 0, 1 when a file could not be read, 2 when there is nothing to read.
"""

import argparse
import json
import re
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit

import _bootstrap  # type: ignore[import-not-found]
import pyarrow as pa
from _status_view import span  # type: ignore[import-not-found]
from pyarrow import parquet as pq
from rich.console import Console
from rich.table import Table
from rich.text import Text

from collector.domain.names import decode_partition_value, iso_time
from collector.domain.records import Gap
from collector.domain.redact import printable

EXAMPLES = """examples:
  scripts/show_gaps.py                                 of ./data, its archive and its segments
  scripts/show_gaps.py /mnt/archive --since 24h        of an archive folder, the last day
  scripts/show_gaps.py --data-dir data --symbol BTCUSDT --open
  scripts/show_gaps.py --json | jq 'group_by(.kind) | map({(.[0].kind): length}) | add'
"""
TIMES = ("started_at", "ended_at", "detected_at")
QUERY = f"SELECT exchange, symbol, {', '.join(Gap._fields)} FROM gaps ORDER BY row"  # noqa: S608 (the ledger's own names)
WIDE_COLUMNS = 110
"""A narrower terminal has no room for the ids; they stand in `--json`."""
SINCE_UNITS = {"min": "minutes", "h": "hours", "d": "days"}


class Noted(NamedTuple):
    """A row of the ledger and the stream's exchange and symbol, which stand beside it."""

    exchange: str
    symbol: str
    gap: Gap


class Ledger:
    """The latest row of each gap, and the files that could not be read."""

    def __init__(self) -> None:
        self._latest: dict[tuple[str, str, str], Noted] = {}
        self.unread: list[str] = []

    def add(self, rows: Iterable[Noted]) -> None:
        """Take rows in; of two that were detected at the same time the one added later counts."""
        for noted in rows:
            key = noted.exchange, noted.symbol, noted.gap.gap_id
            known = self._latest.get(key)
            if known is None or noted.gap.detected_at >= known.gap.detected_at:
                self._latest[key] = noted

    def rows(self) -> list[Noted]:
        """Every gap once, the oldest first."""
        return sorted(self._latest.values(), key=lambda noted: (noted.gap.started_at, noted.gap.gap_id))


def read(store: Path | None, data_dir: Path | None) -> Ledger:
    """Read what the folders hold.

    The segments are looked at first: one that is archived and removed meanwhile is then found in the archive.
    """
    ledger, fresh = Ledger(), []
    if data_dir is not None:
        for path in sorted((data_dir / "segments").glob("*.db")):
            if not path.name.endswith(".new.db"):
                fresh += _tried(ledger, path, segment_rows)
    if store is not None:
        for path in sorted(
            store.glob("exchange=*/data_type=gap/symbol=*/date=*/*.parquet"), key=lambda path: path.parts[-2:]
        ):
            ledger.add(_tried(ledger, path, object_rows))
    ledger.add(fresh)
    return ledger


def _tried(ledger: Ledger, path: Path, reader: Any) -> list[Noted]:
    try:
        return list(reader(path))
    except (sqlite3.Error, pa.ArrowException, OSError, ValueError, KeyError) as error:
        ledger.unread.append(f"{path}: {error}")
        return []


def segment_rows(path: Path) -> Iterator[Noted]:
    """The ledger of a segment; nothing where it was archived meanwhile. Raises sqlite3.Error."""
    is_open = path.name.endswith(".open.db")
    # Only a sealed segment may be called immutable: nobody writes it.
    options = "mode=ro" if is_open else "mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?{options}", uri=True)) as segment:
            found = segment.execute(QUERY).fetchall()
    except sqlite3.OperationalError:
        if path.exists():
            raise
        sealed = path.with_name(path.name.replace(".open.db", ".db"))
        return segment_rows(sealed) if is_open and sealed.exists() else iter(())
    return (Noted(exchange, symbol, Gap(*columns)) for exchange, symbol, *columns in found)


def object_rows(path: Path) -> Iterator[Noted]:
    """The ledger of an object of the archive. Raises OSError, ValueError, KeyError or ArrowException."""
    exchange, _, symbol, _ = (decode_partition_value(part.partition("=")[2]) for part in path.parts[-5:-1])
    table = pq.ParquetFile(path).read(columns=list(Gap._fields))
    for name in TIMES:
        times = table.column(name).cast(pa.timestamp("us", "UTC")).cast(pa.int64())
        table = table.set_column(table.schema.get_field_index(name), name, times)
    return (Noted(exchange, symbol, Gap(**row)) for row in table.select(Gap._fields).to_pylist())


def wanted(noted: Noted, arguments: argparse.Namespace, since_us: int) -> bool:
    """Whether the filters let it through. A gap that lasts is always recent."""
    gap = noted.gap
    return (
        arguments.exchange in {None, noted.exchange}
        and arguments.symbol in {None, noted.symbol}
        and (not arguments.open or gap.status == "open")
        and (gap.ended_at is None or gap.ended_at >= since_us)
    )


def as_object(noted: Noted) -> dict[str, Any]:
    """The row for `--json`: the ledger's columns, times in ISO 8601, UTC."""
    columns = noted.gap._asdict()
    times = {name: None if columns[name] is None else iso_time(columns[name]) for name in TIMES}
    return {"exchange": noted.exchange, "symbol": noted.symbol, **columns, **times}


def as_table(rows: list[Noted], *, with_ids: bool) -> Table:
    """The rows as a terminal shows them."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("started (UTC)", "lasted", "stream", "kind, cause", "missing", "status"):
        right = name in {"lasted", "missing"}
        table.add_column(name, justify="right" if right else "left", no_wrap=right, overflow="fold")
    if with_ids:
        table.add_column("expected, found", overflow="fold")
    for exchange, symbol, gap in rows:
        ids = [part for part in (gap.expected_id, gap.actual_id) if part is not None]
        table.add_row(
            iso_time(gap.started_at)[:19].replace("T", " "),
            "still" if gap.ended_at is None else span((gap.ended_at - gap.started_at) / 1e6),
            _shown(f"{exchange} {symbol} {gap.stream_type}"),
            _shown(f"{gap.kind}, {gap.cause}".replace("_", " ")),
            "?" if gap.missing is None else f"{gap.missing:,}",
            _shown(gap.status.replace("_", " "), "yellow" if gap.status == "open" else ""),
            *([_shown(", ".join(ids))] if with_ids else []),
        )
    return table


def _shown(text: str, style: str = "") -> Text:
    return Text(printable(text), style)


def since(text: str) -> int:
    """Microseconds since the epoch of `2026-11-23`, `2026-11-23T14:00` (UTC) or of `30min`, `24h`, `7d` ago."""
    ago = re.fullmatch(r"(\d{1,6})(min|h|d)", text)
    if ago:
        time = datetime.now(UTC) - timedelta(**{SINCE_UNITS[ago[2]]: int(ago[1])})
    else:
        try:
            time = datetime.fromisoformat(text)
        except ValueError:
            raise argparse.ArgumentTypeError(
                f"{text!r} is neither a time like 2026-11-23T14:00 nor 30min, 24h, 7d"
            ) from None
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1e6)


def folder(text: str) -> Path:
    """A folder, also as a `file://` URL."""
    parts = urlsplit(text)
    if parts.scheme not in {"", "file"}:
        raise argparse.ArgumentTypeError(f"a folder or file:// URL is needed, {parts.scheme}:// cannot be read here")
    return Path(unquote(parts.path)) if parts.scheme else Path(text)


def main() -> int:
    """Read, choose, print."""
    arguments = _arguments()
    data_dir = arguments.data_dir or (None if arguments.store else Path("data"))
    store = arguments.store or (data_dir / "archive" if data_dir else None)
    missing = next((path for path in (arguments.store, data_dir) if path is not None and not path.is_dir()), None)
    if missing is not None:
        print(
            f"error: {printable(str(missing))} is no folder; name an archive, or --data-dir of a recorder",
            file=sys.stderr,
        )
        return 2
    ledger = read(store, data_dir)
    rows = [noted for noted in ledger.rows() if wanted(noted, arguments, arguments.since)]
    if arguments.json:
        print(json.dumps([as_object(noted) for noted in rows], indent=2))
    elif rows:
        console = Console()
        console.print(as_table(rows, with_ids=console.width >= WIDE_COLUMNS))
        print(f"{len(rows)} gaps, {sum(noted.gap.status == 'open' for noted in rows)} open")
    else:
        print("no such gap is noted")
    for line in ledger.unread:
        print(f"error: not read: {printable(line)}", file=sys.stderr)
    return 1 if ledger.unread else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "store", nargs="?", type=folder, metavar="STORE", help="archive folder; default: that of the data dir"
    )
    parser.add_argument(
        "--data-dir", type=Path, metavar="DIR", help="a recorder's data_dir; default without STORE: data"
    )
    parser.add_argument("--exchange", help="only of this exchange")
    parser.add_argument("--symbol", help="only of this symbol, spelt as the exchange does")
    parser.add_argument(
        "--since", type=since, default=0, metavar="TIME", help="only what lasted beyond it: 2026-11-23, 24h, 7d"
    )
    parser.add_argument("--open", action="store_true", help="only what is neither repaired nor given up")
    parser.add_argument("--json", action="store_true", help="print a list of objects")
    return parser.parse_args()


if __name__ == "__main__":
    _bootstrap.run(main)
