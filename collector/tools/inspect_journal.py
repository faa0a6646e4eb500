"""Shows what journal files hold: the feed, the times, and whether the bytes are
sound. Writes them as a recording, which the simulator replays. Changes nothing.

Exit code: 0 all files are sound, 1 damage was found, 2 there is no journal to
read. A torn tail counts as sound: a killed ingest leaves one.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext, suppress
from itertools import chain, groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from collector.domain.errors import CollectorError, ConfigError
from collector.domain.names import iso_time
from collector.domain.redact import printable
from collector.storage.journal.format import (
    MAGIC,
    JournalHeader,
    Record,
    RecordKind,
    decode_header,
    event_of,
    find_record,
    frames_of,
    parse_records,
)
from collector.storage.journal.incarnations import is_alive
from collector.storage.journal.journal_file import Chunk
from collector.terminal.console import output_console
from collector.tools.archive_args import add_config, data_dir_of
from collector.tools.journal_recording import output, recording
from collector.tools.relayed_records import chunks_of, frames_in, told_of

EXAMPLES = """examples:
  %(prog)s                                 every journal below ./data
  %(prog)s data/journal/binance            of one feed
  %(prog)s FILE.journal --records          each record, with what connections reported
  %(prog)s FILE.journal --frames | head    the frames themselves, as lines of a recording
  %(prog)s data/journal/binance --frames --output frames.jsonl.zst
                                           a recording, to replay or to test with
"""


PIECE_BYTES = 1 << 20
"""Bytes of a file that are parsed at once, or one record if that is longer: parsed records take twice their bytes."""


class Inspection:
    """One journal file: its header, its records, and the bytes that are damaged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._data = path.read_bytes()
        self.header: JournalHeader | None = None
        self.error = ""
        self.damaged_bytes = 0
        self.torn_bytes = 0
        try:
            self.header = decode_header(self._data)
        except CollectorError as error:
            self.error = str(error)
        if not self._data.startswith(MAGIC[: len(self._data)]):
            self.error = "not a journal file"
        if self.header is None and not self.error:
            self.torn_bytes = len(self._data)

    def records(self) -> Iterator[Record]:
        """Every sound record, in order; counts bytes between records as damaged, bytes after the last one as torn.

        Of a file whose head is not whole, all bytes are.
        """
        if self.header is None:
            return
        offset, wanted_bytes = self.header.header_bytes, 0
        while True:
            piece = self._data[offset : offset + max(PIECE_BYTES, wanted_bytes)]
            parsed = parse_records(piece, offset)
            yield from parsed.records
            offset, wanted_bytes = parsed.end, parsed.wanted_bytes
            if parsed.records or len(piece) < wanted_bytes <= len(self._data) - offset:
                continue
            found = find_record(self._data, offset + 1, of_relay=self.header.sources is not None)
            if found is None:
                self.torn_bytes = len(self._data) - offset
                return
            self.damaged_bytes += found - offset
            offset, wanted_bytes = found, 0

    def chunks(self) -> Iterator[Chunk]:
        """The same, those of an edge with the head of the edge's file; of a file with a head."""
        return iter(()) if self.header is None else chunks_of(self.path, self.header, self.records())

    def summary(self) -> dict[str, Any]:
        """The file's identity, counts, times and state, ready for JSON."""
        kinds, frames, times = Counter[str](), 0, []
        for chunk in self.chunks():
            kinds.update(["relayed"] if chunk.source else [])
            kinds.update(record.kind.name.lower() for record in chunk.records if not chunk.source)
            times += [record.received_ns // 1_000 for record in chunk.records]
            frames += frames_in(chunk)
            self.damaged_bytes += chunk.damage.size_bytes if chunk.damage and not chunk.source else 0
        return {
            "file": str(self.path),
            "feed": self.header.identity.feed if self.header else None,
            "exchange": self.header.identity.exchange if self.header else None,
            "number": self.header.number if self.header else None,
            "incarnation": self.header.incarnation if self.header else None,
            "alive": self.header is not None and is_alive(self.path.parent, self.header.incarnation),
            "bytes": len(self._data),
            "frames": frames,
            "records": dict(kinds),
            "first_received_at": iso_time(min(times)) if times else None,
            "last_received_at": iso_time(max(times)) if times else None,
            "closed": kinds["close"] > 0,
            "torn_bytes": self.torn_bytes,
            "damaged_bytes": self.damaged_bytes,
            "error": self.error,
        }


def journals(path: Path) -> list[Path]:
    """The journal files at or below a path, sorted by feed and number."""
    return [path] if path.is_file() else sorted(path.rglob("*.journal"))


def show_table(summaries: list[dict[str, Any]], console: Console) -> None:
    """Print a table with a row for each file."""
    table = Table("feed", "file", box=None, pad_edge=False)
    for name in ("frames", "bytes", "first received", "last received", "incarnation", "state"):
        table.add_column(name, justify="right")
    for summary in summaries:
        times = [(summary[name] or "")[:19] for name in ("first_received_at", "last_received_at")]
        feed = Text(printable(summary["feed"] or "?"))
        counts = (f"{summary['frames']:,}", f"{summary['bytes']:,}")
        incarnation = printable(summary["incarnation"] or "") + (" (alive)" if summary["alive"] else "")
        table.add_row(
            feed, Text(Path(summary["file"]).name), *counts, *times, Text(incarnation), Text(state_of(summary))
        )
    console.print(table)


def state_of(summary: dict[str, Any]) -> str:
    """The file's state in a few words."""
    if summary["error"]:
        return printable(str(summary["error"]))
    if summary["damaged_bytes"]:
        return f"{summary['damaged_bytes']:,} bytes damaged"
    if summary["torn_bytes"]:
        return f"torn by {summary['torn_bytes']:,} bytes"
    if summary["feed"] is None:
        return "empty"
    return "closed" if summary["closed"] else "open"


def show_records(inspection: Inspection) -> None:
    """Print each record on a line; of what a relay wrote, each slice of an edge."""
    for chunk in inspection.chunks():
        if chunk.source is not None:
            at = iso_time(chunk.records[-1].received_ns // 1_000) if chunk.records else "-"
            print(at, "relayed", printable(json.dumps(told_of(chunk, chunk.source))))
        else:
            _show(chunk.records)


def _show(records: Iterable[Record]) -> None:
    for record in records:
        at, line = iso_time(record.received_ns // 1_000), f"line {record.line}"
        if record.kind is RecordKind.FRAMES:
            print(at, line, f"{len(frames_of(record))} frames")
        else:
            print(at, line, record.kind.name.lower(), printable(json.dumps(event_of(record))))


def _recorded(header: JournalHeader, chunks: Iterable[Chunk]) -> Iterator[str]:
    """As a recording, whose header is written again where the records of another edge's file begin."""
    is_empty = True
    for found, group in groupby(chunks, attrgetter("header")):
        is_empty = False
        yield from recording(found, chain.from_iterable(chunk.records for chunk in group))
    if is_empty:
        yield from recording(header, ())


def inspected(path: Path, *, records: bool, write: Callable[[str], None] | None) -> dict[str, Any]:
    """Print the records or write the frames, if asked for; returns the summary. Files may be large: two are never in memory
    at once.
    """
    inspection = Inspection(path)
    if records:
        show_records(inspection)
    if write is not None and inspection.header is not None:
        for line in _recorded(inspection.header, inspection.chunks()):
            write(line)
    return inspection.summary()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument("path", nargs="?", type=Path, help="a file or a folder; default: the configuration's data_dir")
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--records", action="store_true", help="each record on a line")
    shown.add_argument("--frames", action="store_true", help="each frame as a line of a recording")
    shown.add_argument("--json", action="store_true", help="the summaries as JSON")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="with --frames: a new file; compressed if its name ends with .zst"
    )
    add_config(parser)


def run(arguments: argparse.Namespace) -> int:
    """Inspect each file and show what is asked for; returns the exit code. Raises ConfigError if there is no file."""
    if arguments.output is not None and not arguments.frames:
        raise ConfigError(["--output is for --frames"])
    folder = arguments.path or data_dir_of(arguments.config)
    paths = journals(folder)
    with output(arguments.output) if arguments.frames and paths else nullcontext() as write:
        summaries = list(_inspected_if_there(paths, records=arguments.records, write=write))
    if not summaries:
        raise ConfigError([f"there is no journal at {folder}"])
    unsound = [summary for summary in summaries if summary["damaged_bytes"] or summary["error"]]
    if arguments.json:
        print(json.dumps(summaries, indent=1))
    elif not (arguments.records or arguments.frames):
        show_table(summaries, output_console())
    else:
        for summary in unsound:
            print(f"error: {printable(summary['file'])}: {state_of(summary)}", file=sys.stderr)
    return int(bool(unsound))


def _inspected_if_there(
    paths: Iterable[Path], *, records: bool, write: Callable[[str], None] | None
) -> Iterator[dict[str, Any]]:
    for path in paths:
        with suppress(FileNotFoundError):  # a running recorder has removed it since
            yield inspected(path, records=records, write=write)
