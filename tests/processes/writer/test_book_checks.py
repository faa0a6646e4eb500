"""A book that differs from the exchange's checksum is noticed on its connection, whatever other connections bring."""

import json
import re
import zlib
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import pytest

from collector.domain.records import Envelope, Gap, IdRule, StreamKey
from collector.domain.repair_protocol import BookRequest
from collector.domain.text_book import TextBook
from collector.exchanges.adapter import BookCheck, BookUpdate, Control, Levels, Limits
from collector.exchanges.market import Channel, Market
from collector.exchanges.reading import single
from collector.exchanges.row_tables import row_table
from collector.processes.writer.book_checks import BookChecks, Checked
from collector.storage.journal.format import RecordKind
from tests.processes.writer.processor_world import ProcessorWorld

DEPTH = 3
START_US = 1_786_000_000_000_000
KEY = StreamKey("summed", "A", "book_delta")
SNAPSHOT = {"bids": [["9.0", "1.50"], ["8.0", "2"]], "asks": [["10.0", "1"]]}


def digest(bids: Levels, asks: Levels) -> int:
    return zlib.crc32(repr((list(bids), list(asks))).encode())


def read(payload: bytes) -> BookUpdate:
    said = json.loads(payload)
    bids, asks = ([(price, size) for price, size in said[side]] for side in ("bids", "asks"))
    return BookUpdate(said["snapshot"], bids, asks, said["sum"])


class Summed(Market):
    """An exchange that sends a checksum with each update and numbers nothing."""

    exchange = "summed"
    ws_url = "ws://nowhere"
    channels: ClassVar = (
        Channel(
            "books", {"book_delta": IdRule.NONE}, single("book_delta", symbol="s", is_snapshot="snapshot"), "{symbol}"
        ),
    )
    rows = MappingProxyType({"book_delta": (row_table("book_delta", bids="bids", asks="asks"),)})
    checks: ClassVar[Mapping[str, BookCheck]] = MappingProxyType({"book_delta": BookCheck(DEPTH, read, digest, DEPTH)})
    limits = Limits(9, 9.0, 9, 9.0, 9.0)
    opens_with_books = True
    symbol_pattern = re.compile("A|B")
    symbol_example = "A"
    names = re.compile(rb'"s":"(.)"')

    def channel_of(self, frame: bytes) -> str:
        return "books"

    def control(self, frame: bytes) -> Control | None:
        return None


class Exchange:
    """Makes the frames of one symbol's book, each with the right checksum."""

    def __init__(self) -> None:
        self._book = TextBook(DEPTH)
        self.snapshot = self.frame(SNAPSHOT, snapshot=True)

    def frame(self, changes: Mapping[str, Any], *, snapshot: bool = False) -> bytes:
        sides = {side: [tuple(level) for level in changes.get(side, [])] for side in ("bids", "asks")}
        self._book.apply(sides["bids"], sides["asks"])
        checksum = digest(self._book.bids.best(DEPTH), self._book.asks.best(DEPTH))
        return json.dumps({"s": "A", "snapshot": snapshot, **sides, "sum": checksum}).encode()

    def updates(self) -> Iterator[bytes]:
        """Updates that each change the best levels."""
        for number in range(1, 20):
            yield self.frame({"bids": [["9.0", f"{number}.25"]], "asks": [["10.0", str(number)]]})


def begun(*, repaired: bool = False, verify_checksums: bool = True) -> ProcessorWorld:
    made = ProcessorWorld(
        "summed",
        ("A",),
        ("book_delta",),
        repaired=repaired,
        adapter_of=lambda _: Summed(),
        verify_checksums=verify_checksums,
    )
    made.connect(1, START_US)
    return made


@pytest.fixture
def world() -> ProcessorWorld:
    return begun()


def checksum_rows(world: ProcessorWorld) -> list[Gap]:
    world.commit()
    return [gap for _, _, gap in world.gaps if gap.kind == "checksum"]


def said(rows: list[Gap]) -> list[tuple[str, str, int | None, bool]]:
    return [(row.cause, row.status, row.missing, row.ended_at is None) for row in rows]


def test_books_that_match_leave_no_row(world: ProcessorWorld) -> None:
    exchange = Exchange()
    world.receive(START_US, [exchange.snapshot, *exchange.updates()], connection=1)
    assert checksum_rows(world) == []
    assert world.processor.checks.counts == {"matched": 20}


def test_a_lost_update_is_a_row_with_its_line_and_the_book_is_unverified_until_the_next_snapshot(
    world: ProcessorWorld,
) -> None:
    exchange, again = Exchange(), Exchange()
    world.receive(START_US, [exchange.snapshot, exchange.frame({"bids": [["9.0", "7"]]})], connection=1)
    exchange.frame({"bids": [["8.0", "0"]]})  # which the connection loses
    world.receive(START_US + 1, [exchange.frame({"asks": [[ask, "1"]]}) for ask in ("11", "12")], connection=1)
    (row,) = checksum_rows(world)
    assert (row.stream_type, row.cause, row.status, row.line) == ("book_delta", "exchange", "unrepairable", 0)
    assert world.processor.checks.counts == {"matched": 2, "different": 1, "unverified": 1}
    world.receive(START_US + 2, [again.snapshot, *again.updates()], connection=1)
    assert len(checksum_rows(world)) == 1
    assert world.processor.checks.counts["matched"] == 2 + 20


def test_each_connection_has_a_book_of_its_own(world: ProcessorWorld) -> None:
    exchange = Exchange()
    updates = list(exchange.updates())
    late = Exchange()
    world.receive(START_US, [exchange.snapshot, *updates[:10]], connection=1)
    world.connect(2, START_US + 1, line=1)
    world.receive(START_US + 2, [late.snapshot, *late.updates()], line=1, connection=2)
    world.receive(START_US + 3, updates[10:], connection=1)
    assert checksum_rows(world) == []
    assert world.processor.checks.counts == {"matched": 40}


def test_the_book_of_a_connection_that_ended_is_forgotten(world: ProcessorWorld) -> None:
    exchange = Exchange()
    world.receive(START_US, [exchange.snapshot], connection=1)
    world.happened(RecordKind.DISCONNECT, START_US + 1, connection=1, reason="lost", cause="disconnect", text="")
    world.connect(2, START_US + 2)
    world.receive(START_US + 3, list(exchange.updates()), connection=2)
    assert not world.processor.checks.books
    assert said(checksum_rows(world)) == [("restart", "open", 1, True)]


def test_a_number_that_is_none_only_ends_the_checks(world: ProcessorWorld) -> None:
    exchange = Exchange()
    world.receive(START_US, [exchange.snapshot], connection=1)
    world.receive(START_US + 1, [exchange.frame({"bids": [["9.5", "1"]]}).replace(b"9.5", b"x.5")], connection=1)
    assert said(checksum_rows(world)) == [("restart", "open", 1, True)]
    assert world.processor.checks.counts["unverified"] == 1


def test_nothing_is_checked_when_it_is_switched_off() -> None:
    checks, exchange = BookChecks(enabled=False), Exchange()
    check = Summed.checks["book_delta"]
    for frame in (exchange.snapshot, b"not even JSON"):
        assert checks.checked(check, 1, Envelope(KEY, None, None, None, frame)) is Checked.OFF
    assert not checks.books


def test_what_is_not_checked_after_a_restart_has_a_row_and_a_fresh_book_is_requested() -> None:
    world = begun(repaired=True)
    exchange = Exchange()
    updates, again = list(exchange.updates()), Exchange()
    world.receive(START_US, [exchange.snapshot, *updates[:3]], connection=1)
    assert checksum_rows(world) == []
    world.restart()
    world.receive(START_US + 1, updates[3:10], connection=1)
    assert said(checksum_rows(world)) == [("restart", "open", 1, True)]
    assert [type(request) for request in world.requests] == [BookRequest]
    world.receive(START_US + 2, [again.snapshot, *again.updates()], connection=1)
    world.receive(START_US + 61_000_000, [again.frame({"bids": [["9.0", "7"]]})], connection=1)
    assert said(checksum_rows(world)) == [("restart", "open", 1, True), ("restart", "unrepairable", 7, False)]
    assert world.processor.checks.counts["different"] == 0


def test_a_fresh_book_is_requested_again_by_each_writer_that_lacks_it_and_by_one_every_ten_seconds() -> None:
    world, updates = begun(repaired=True), list(Exchange().updates())

    def requested(after_secs: int) -> int:
        world.receive(START_US + after_secs * 1_000_000, [updates[after_secs]], connection=1)
        world.commit()
        return len(world.requests)

    assert [requested(after_secs) for after_secs in (0, 1)] == [1, 1]
    world.restart()
    assert [requested(after_secs) for after_secs in (2, 3, 11, 12, 13)] == [2, 2, 2, 3, 3]
    assert said(checksum_rows(world)) == [("restart", "open", 1, True)], "one stretch"


def test_a_loss_while_nothing_is_checked_has_a_row_of_its_own_once_books_are_checked_again() -> None:
    world = begun(repaired=True)
    exchange = Exchange()
    world.receive(START_US, [exchange.frame({"bids": [["9.0", "7"]]}), exchange.snapshot], connection=1)
    exchange.frame({"bids": [["9.0", "0"]]})  # which the connection loses
    world.receive(START_US + 1, [exchange.frame({"asks": [["11", "1"]]})], connection=1)
    assert [row.cause for row in checksum_rows(world)] == ["restart", "exchange"]


def test_books_that_are_not_verified_have_one_row_and_no_request() -> None:
    world = begun(repaired=True, verify_checksums=False)
    exchange = Exchange()
    for second in range(3):
        world.receive(START_US + second * 1_000_000, list(exchange.updates()), connection=1)
    assert said(checksum_rows(world)) == [("unknown", "open", 1, True)]
    assert not world.requests


def test_refused_frames_contradict_no_book_and_a_fresh_one_is_requested() -> None:
    world = begun(repaired=True)
    exchange = Exchange()
    world.receive(START_US, [exchange.snapshot], connection=1)
    world.happened(RecordKind.REFUSING, START_US + 1, started_ns=(START_US + 1) * 1_000)
    lost = [exchange.frame({"bids": [["9.0", "7"]]})]
    world.happened(RecordKind.RESUMED, START_US + 2, started_ns=(START_US + 1) * 1_000, frames=len(lost), bytes=9)
    world.receive(START_US + 3, [exchange.frame({"asks": [["11", "1"]]})], connection=1)
    assert checksum_rows(world) == []
    assert [type(request) for request in world.requests] == [BookRequest]
