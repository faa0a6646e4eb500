"""The ledger names each stretch in which updates came and no book that they can be applied to."""

from typing import Any

import pytest

from collector.domain.gap_stretches import SINGLE_ROWS
from collector.domain.repair_protocol import RepairAnswer
from collector.processes.writer.gaps.book_rows import LASTS_US
from collector.storage.journal.format import RecordKind
from tests.processes.writer.processor_world import ProcessorWorld
from tests.processes.writer.writer_harness import diff

US = 1_700_000_000_000_000
LASTS_SECS = LASTS_US / 1e6


def at(second: float) -> int:
    return US + round(second * 1e6)


class Feed(ProcessorWorld):
    """Diffs of Binance, whose books come over REST."""

    def __init__(self) -> None:
        super().__init__("binance", ("BTCUSDT",), ("book_delta",), repaired=True)

    def update(self, second: float, first: int, last: int) -> None:
        self.receive(at(second), [diff(first, last)], 0, 1)

    def book(self, second: float, last: int) -> None:
        body = b'{"lastUpdateId":%d,"bids":[["1","2"]],"asks":[]}' % last
        self.answered(at(second), RepairAnswer("BTCUSDT", "book_delta", "snapshot"), body)

    def reconnect(self, down: float, up: float, number: int) -> None:
        self.disconnect(number - 1, at(down))
        self.connect(number, at(up))

    def told(self) -> list[tuple[Any, ...]]:
        """Cause, ids, seconds from start to end, status of each row so far."""
        self.commit()
        return [
            (gap.cause, gap.expected_id, gap.actual_id, seconds(gap.started_at), seconds(gap.ended_at), gap.status)
            for gap in self.book_rows
        ]


def kraken(kind: str) -> bytes:
    data = '{"symbol":"BTC/USD","bids":[{"price":1.0,"qty":1.0}],"asks":[]}'
    return f'{{"channel":"book","type":"{kind}","data":[{data}]}}'.encode()


def seconds(at_us: int | None) -> float | None:
    return None if at_us is None else (at_us - US) / 1e6


def test_a_start_has_no_book_until_the_first_one_was_received() -> None:
    feed = Feed()
    feed.update(1.0, 101, 103)
    assert feed.told() == []
    feed.book(1.25, 105)
    feed.update(1.5, 104, 108)
    assert feed.told() == [("restart", "101", "105", 1.0, 1.25, "unrepairable")]
    feed.book(9.0, 120)
    feed.update(20.0, 109, 121)
    assert len(feed.told()) == 1


def test_a_break_that_is_proven_after_its_book_came_has_the_exact_stretch() -> None:
    feed = Feed()
    feed.connect(1, at(0))
    feed.update(1.0, 101, 103)
    feed.book(1.25, 103)
    feed.reconnect(2.0, 3.0, 2)
    feed.update(3.5, 120, 124)
    feed.book(3.75, 125)
    feed.book(4.0, 130)
    assert len(feed.told()) == 1
    feed.update(9.0, 125, 140)
    assert feed.told()[1:] == [("disconnect", "120", "125", 3.5, 3.75, "unrepairable")]
    assert feed.requests[1:] == []


def test_a_chain_that_goes_on_after_a_reconnect_is_never_without_a_book() -> None:
    feed = Feed()
    feed.connect(1, at(0))
    feed.update(1.0, 101, 103)
    feed.book(1.25, 103)
    feed.reconnect(2.0, 3.0, 2)
    feed.update(3.5, 104, 110)
    feed.update(9.0, 111, 112)
    assert len(feed.told()) == 1


def test_a_book_that_does_not_reach_the_break_ends_nothing() -> None:
    feed = Feed()
    feed.update(1.0, 101, 103)
    feed.book(1.25, 99)
    assert feed.told() == []
    feed.book(1.5, 100)
    assert feed.told() == [("restart", "101", "100", 1.0, 1.5, "unrepairable")]


def test_a_book_that_was_received_before_the_updates_ends_no_stretch_though_it_is_read_after_them() -> None:
    feed = Feed()
    feed.update(1.0, 101, 103)
    feed.update(1.5, 104, 105)
    feed.book(0.75, 102)
    assert feed.told() == []
    feed.processor.ledger.close(at(9.0))
    assert feed.told() == []


def test_a_row_that_was_written_meanwhile_is_closed_also_by_a_book_received_before_the_updates() -> None:
    feed = Feed()
    feed.update(1.0, 101, 103)
    feed.processor.ledger.update(at(2.0))
    feed.book(0.75, 102)
    opened, closed = feed.told()
    assert (opened[-2:], closed[-2:]) == ((None, "open"), (1.0, "unrepairable"))


def test_a_stretch_that_lasts_has_a_row_that_a_later_one_closes() -> None:
    feed = Feed()
    feed.update(1.0, 101, 103)
    feed.update(2.0, 104, 105)
    feed.update(1.0 + LASTS_SECS, 106, 106)
    assert feed.told() == [("restart", "101", None, 1.0, None, "open")]
    feed.update(20.0, 107, 107)
    feed.book(30.0, 120)
    opened, closed = feed.told()
    assert closed == ("restart", "101", "120", 1.0, 30.0, "unrepairable")
    assert len({gap.gap_id for gap in feed.book_rows}) == 1
    assert feed.book_rows[0].detected_at < feed.book_rows[1].detected_at
    assert opened[-1] == "open"


def test_breaks_without_a_book_between_them_are_one_stretch() -> None:
    feed = Feed()
    feed.update(1.0, 101, 103)
    feed.update(1.5, 110, 112)
    feed.update(4.0, 113, 114)
    feed.book(4.25, 105)
    assert feed.told() == []
    feed.book(4.5, 115)
    assert feed.told() == [("restart", "101", "115", 1.0, 4.5, "unrepairable")]


def test_a_stretch_outlives_the_writer() -> None:
    feed = Feed()
    feed.update(1.0, 101, 103)
    feed.commit()
    feed.restart()
    feed.book(2.0, 103)
    assert feed.told() == [("restart", "101", "103", 1.0, 2.0, "unrepairable")]


def test_a_seal_and_a_stop_say_which_books_are_missing() -> None:
    feed = Feed()
    feed.update(1.0, 101, 103)
    feed.processor.ledger.update(at(2.0))
    feed.processor.ledger.close(at(3.0))
    assert feed.told() == [("restart", "101", None, 1.0, None, "open")]


def test_a_book_that_a_writer_reads_late_ends_its_stretch_all_the_same() -> None:
    feed = Feed()
    feed.update(1.0, 101, 103)
    feed.processor.ledger.update(at(30.0))
    feed.book(1.25, 105)
    feed.commit()
    newest = max(feed.book_rows, key=lambda row: row.detected_at)
    assert (newest.status, seconds(newest.ended_at)) == ("unrepairable", 1.25)


def test_stretches_that_come_too_fast_share_a_row() -> None:
    feed = Feed()
    for number in range(3 * SINGLE_ROWS):
        feed.update(10.0 * number / SINGLE_ROWS, 1_000 * (number + 1), 1_000 * (number + 1) + 5)
        feed.book(10.0 * number / SINGLE_ROWS + 0.25, 1_000 * (number + 1) + 5)
        feed.update(10.0 * number / SINGLE_ROWS + 0.5, 1_000 * (number + 1) + 6, 1_000 * (number + 1) + 9)
    feed.processor.ledger.close(at(100.0))
    assert SINGLE_ROWS < len(feed.told()) < 2 * SINGLE_ROWS
    assert {gap.kind for gap in feed.book_rows} == {"book_unknown"}


def test_after_frames_were_refused_the_first_update_has_no_book_where_ids_prove_nothing() -> None:
    feed = ProcessorWorld("kraken", ("BTC/USD",), ("book_delta",), repaired=False)
    feed.connect(1, at(0))
    feed.receive(at(1.0), [kraken("snapshot")], 0, 1)
    feed.happened(RecordKind.RESUMED, at(5.0), frames=3, bytes=30, started_ns=at(2.0) * 1_000)
    feed.receive(at(6.0), [kraken("update")], 0, 1)
    feed.receive(at(7.0), [kraken("snapshot")], 0, 1)
    feed.commit()
    told = [(gap.cause, gap.started_at, gap.ended_at) for gap in feed.book_rows]
    assert told == [("disk_budget", at(6.0), at(7.0))]


@pytest.mark.parametrize("begins_with_book", [True, False])
def test_where_ids_prove_nothing_the_first_update_after_an_outage_has_no_book(*, begins_with_book: bool) -> None:
    """Kraken sends the whole book to whoever subscribes: nothing is unknown if it comes first."""
    feed = ProcessorWorld("kraken", ("BTC/USD",), ("book_delta",), repaired=False)

    def tell(second: float, kind: str, number: int) -> None:
        feed.receive(at(second), [kraken(kind)], 0, number)

    feed.connect(1, at(0))
    tell(1.0, "snapshot", 1)
    tell(2.0, "update", 1)
    feed.disconnect(1, at(3.0))
    feed.connect(2, at(4.0))
    if not begins_with_book:
        tell(5.0, "update", 2)
    tell(6.0, "snapshot", 2)
    tell(7.0, "update", 2)
    feed.commit()
    told = [(gap.cause, gap.started_at, gap.ended_at) for gap in feed.book_rows]
    assert told == ([] if begins_with_book else [("disconnect", at(5.0), at(6.0))])
