"""Rebuilds the order books of an archive from its book_delta rows and compares
them with the exchange's own best prices. Reads only.

Each book is rebuilt update by update. Where a book_ticker row names the same
update, both must have the same best bid and ask and the same sizes. A symbol is
checked only if both data types were recorded. A ticker has no counterpart if no
delta ends at its update: more than nine in ten of Binance's have none. Rows
without ids cannot be compared. There is no book before the first snapshot, nor
between missing updates and the next snapshot.

Where the exchange sends checksums of its books (Kraken) and the recorder kept
the original texts (archive.keep_raw), each book is also rebuilt of these, and
held against every checksum.

Whole objects are read, so rows up to a segment (an hour, by default) outside
the period are checked too. Times are ISO 8601, UTC unless they name a zone.
Exit code: 0 all compared rows are equal, 1 some differ or a manifest could not
be read (the others were), 2 the archive cannot be read, or there was nothing to
compare.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from collector.domain.errors import StoreError
from collector.domain.names import iso_time
from collector.domain.records import BookRow, BookTickerRow
from collector.domain.redact import printable
from collector.exchanges import registry
from collector.read.books.archive_rows import BookObjects, book_objects, checksum_objects, raw_rows, rows
from collector.read.books.check import BookReport, check
from collector.read.books.checksum_check import ChecksumReport
from collector.read.books.checksum_check import check as check_checksums
from collector.storage.archive.restore import Selection, read_manifests
from collector.storage.store.object_store import ObjectStore
from collector.terminal.console import output_console
from collector.terminal.tables import number, shown, table
from collector.tools.archive_args import STORE_HELP, add_config, opened, progress, require_archive, require_symbol
from collector.tools.moments import add_old_period_names, add_period, moment, moment_text, require_order

EXAMPLES = """examples:
  %(prog)s data/archive
  %(prog)s s3://bucket/prefix --symbol BTCUSDT --from 2026-11-23 --to 2026-11-24
  %(prog)s data/archive --json | jq '.books[] | select(.different > 0) | .first_difference'
"""
_SHOWN_STRETCHES = 5


def run(arguments: argparse.Namespace) -> int:
    """Read, rebuild, compare, print; returns the exit code. Raises ConfigError or StoreError."""
    return checked(opened(arguments.store, arguments.config), _selection(arguments), as_json=arguments.json)


def checked(store: ObjectStore, selection: Selection, *, as_json: bool) -> int:
    """The exit code. Raises ConfigError for no archive or an unknown symbol, StoreError for what cannot be read, or if there is nothing to compare."""
    problems: list[str] = []
    manifests = [manifest for _, manifest in read_manifests(store, problems) if manifest is not None]
    for problem in problems:
        print(f"error: not read: {printable(problem)}", file=sys.stderr)
    if not manifests and not problems:
        require_archive(store)
    if not problems:
        require_symbol(selection.symbols, (entry.symbol for manifest in manifests for entry in manifest.objects))
    reports = list(_reports(store, book_objects(manifests, selection)))
    sums = list(_checksum_reports(store, checksum_objects(manifests, selection)))
    if as_json:
        books = [as_object(books, report) for books, report in reports]
        print(json.dumps({"books": books, "checksums": [_as_checksums(*one) for one in sums]}, indent=2))
    else:
        _print(reports)
        _print_checksums(sums)
    found: list[BookReport | ChecksumReport] = [*(report for _, report in reports), *(report for _, report in sums)]
    if not any(report.compared for report in found):
        raise StoreError(
            f"{store.url} holds nothing to compare: no ticker names the update of a delta with a book,"
            " and of no book with a checksum the texts were kept"
        )
    return 1 if problems or any(report.different for report in found) else 0


def _reports(store: ObjectStore, wanted: list[BookObjects]) -> Iterator[tuple[BookObjects, BookReport]]:
    with progress() as bar:
        task = bar.add_task("objects", total=sum(len(books.deltas) + len(books.tickers) for books in wanted))
        for books in wanted:
            deltas = rows(store, books.deltas, BookRow, lambda: bar.advance(task))
            yield books, check(deltas, rows(store, books.tickers, BookTickerRow, lambda: bar.advance(task)))


def _checksum_reports(store: ObjectStore, wanted: list[BookObjects]) -> Iterator[tuple[BookObjects, ChecksumReport]]:
    with progress() as bar:
        task = bar.add_task("checksums", total=sum(len(books.deltas) for books in wanted))
        for books in wanted:
            texts = raw_rows(store, books.deltas, lambda: bar.advance(task))
            yield books, check_checksums(texts, registry.adapter(books.exchange).checks["book_delta"])


def as_object(books: BookObjects, report: BookReport) -> dict[str, Any]:
    """One symbol's report for `--json`: times in ISO 8601, UTC."""
    return {
        "host": books.host,
        "exchange": books.exchange,
        "symbol": books.symbol,
        **{name: getattr(report, name) for name in ("deltas", "snapshots", "tickers", "compared", "equal")},
        **{name: getattr(report, name) for name in ("different", "no_counterpart", "no_book", "stretches")},
        "first_stretches": [_timed(stretch._asdict()) for stretch in report.first_stretches],
        "first_difference": report.first_difference and _timed(report.first_difference._asdict()),
    }


def _as_checksums(books: BookObjects, report: ChecksumReport) -> dict[str, Any]:
    """One symbol's report for `--json`: times in ISO 8601, UTC."""
    return {"host": books.host, "exchange": books.exchange, "symbol": books.symbol, **_timed(asdict(report))}


def _timed(fields: dict[str, Any]) -> dict[str, Any]:
    """Times as `--json` gives them, under names that say so."""
    return {
        name.replace("_us", "_at"): iso_time(value) if name.endswith("_us") and value is not None else value
        for name, value in fields.items()
    }


def _print_checksums(reports: list[tuple[BookObjects, ChecksumReport]]) -> None:
    if not reports:
        return
    lines = table("checksums", ">messages", ">matched", ">different", ">no book", ">none sent", ">text not kept")
    for books, report in reports:
        lines.add_row(
            shown(_name(books), "red" if report.different else ""),
            *map(number, (report.messages, report.matched, report.different)),
            *map(number, (report.no_book, report.no_checksum, report.no_text)),
        )
    output_console().print(lines)
    for books, report in reports:
        if report.first_different_us is not None:
            print(printable(f"{_name(books)}: the first differs at {moment_text(report.first_different_us)}"))


def _print(reports: list[tuple[BookObjects, BookReport]]) -> None:
    if not reports:
        return
    lines = table("book", ">tickers", ">equal", ">different", ">no book", ">no counterpart", ">stretches")
    for books, report in reports:
        lines.add_row(
            shown(_name(books), "red" if report.different else ""),
            *map(number, (report.tickers, report.equal, report.different, report.no_book, report.no_counterpart)),
            number(report.stretches),
        )
    output_console().print(lines)
    for books, report in reports:
        for line in _remarks(report):
            print(printable(f"{_name(books)}: {line}"))


def _name(books: BookObjects) -> str:
    return f"{books.exchange} {books.symbol} by {books.host}"


def _remarks(report: BookReport) -> Iterator[str]:
    for what, with_ids in (("deltas", report.deltas + report.snapshots), ("tickers", report.tickers)):
        if not with_ids:
            yield f"cannot be compared: the {what} have no ids"
    for stretch in report.first_stretches[:_SHOWN_STRETCHES]:
        until = "the end" if stretch.until_us is None else moment_text(stretch.until_us)
        yield f"without a book from {moment_text(stretch.from_us)} (id {stretch.first_id}) to {until}: {stretch.why}"
    if report.stretches > _SHOWN_STRETCHES:
        yield f"without a book in {report.stretches - _SHOWN_STRETCHES} more stretches"
    difference = report.first_difference
    if difference is not None:
        yield (
            f"first difference at id {difference.update_id}, {moment_text(difference.received_us)}:"
            f" the exchange says {difference.told}, the rebuilt book {difference.rebuilt}"
        )


def _selection(arguments: argparse.Namespace) -> Selection:
    from_time, to_time = arguments.from_time or "", arguments.to_time or "9999"
    require_order(from_time, to_time)
    return Selection(from_time, to_time, frozenset(arguments.exchange), frozenset(arguments.symbol))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument("store", metavar="ARCHIVE", nargs="?", help=f"{STORE_HELP}; default: the configuration's")
    for name in ("exchange", "symbol"):
        parser.add_argument(f"--{name}", action="append", default=[], help="only this one; may be given several times")
    add_period(parser, moment)
    add_old_period_names(parser, moment)
    parser.add_argument("--json", action="store_true", help="print an object with a list of books")
    add_config(parser)
