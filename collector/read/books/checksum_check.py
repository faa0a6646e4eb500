"""Holds a book that is rebuilt from its rows against the checksums that the exchange sent with them.

A checksum is made of the numbers as the exchange wrote them, so only rows whose original text was kept can be checked.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from collector.domain.text_book import TextBook
from collector.exchanges.adapter import BookCheck
from collector.exchanges.typed_rows import UNREADABLE


class RawRow(NamedTuple):
    """A row's original text; None if it was not kept."""

    received_us: int
    raw: str | None


@dataclass
class ChecksumReport:
    """The result for one symbol."""

    messages: int = 0
    matched: int = 0
    different: int = 0
    no_book: int = 0
    """Messages with a checksum, but without a book: none is known before a whole one, and behind one that differs."""
    no_checksum: int = 0
    """Messages that have none, or cannot be read."""
    no_text: int = 0
    """Rows whose text was not kept: behind them there is no book until the next whole one."""
    first_different_us: int | None = None

    @property
    def compared(self) -> int:
        """Checksums that were compared with a book."""
        return self.matched + self.different


def check(rows: Iterable[RawRow], how: BookCheck) -> ChecksumReport:
    """Rebuild the book message by message, in the order of the archive, and compare it with each checksum."""
    report = ChecksumReport()
    book: TextBook | None = None
    for row in rows:
        report.messages += 1
        book = _followed(report, book, row, how)
    return report


def _followed(report: ChecksumReport, book: TextBook | None, row: RawRow, how: BookCheck) -> TextBook | None:
    """The book behind a row; None if it is not known."""
    if row.raw is None:
        report.no_text += 1
        return None
    try:
        update = how.read(row.raw.encode())
        book = TextBook(how.depth) if update.is_snapshot else book
        if book is not None:
            book.apply(update.bids, update.asks)
    except (ValueError, *UNREADABLE):
        report.no_checksum += 1
        return None
    if update.checksum is None:
        report.no_checksum += 1
    elif book is None:
        report.no_book += 1
    elif how.digest(book.bids.best(how.levels), book.asks.best(how.levels)) == update.checksum:
        report.matched += 1
    else:
        report.different += 1
        report.first_different_us = report.first_different_us or row.received_us
        return None
    return book
