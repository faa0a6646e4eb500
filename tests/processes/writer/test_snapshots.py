"""A book's snapshot takes no id: it says how far the book goes, and begins a series only where no other line disagrees."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.domain.records import StreamKey
from collector.domain.sequence.reach import SNAPSHOTS
from collector.processes.writer.streams import StreamState
from tests.processes.writer.processor_world import ProcessorWorld
from tests.processes.writer.toy_exchange import NAME, Toy, at, frame, message, snapshot, update, witness

BOOK = StreamKey(NAME, "A", "book_delta")


class Feed(ProcessorWorld):
    """The book of one symbol, and other data of it."""

    def __init__(self, connections: int = 1) -> None:
        super().__init__(
            NAME, ("A",), tuple(Toy().id_rules), repaired=False, adapter_of=lambda _: Toy(),
        )  # fmt: skip
        for number in range(1, connections + 1):
            self.connect(number, at(0), line=number - 1)

    def tell(self, *frames: bytes, second: float, connection: int = 1) -> None:
        """Frames that come at that second."""
        self.receive(at(second), frames, connection - 1, connection)

    def told(self, kind: str) -> list[tuple[Any, ...]]:
        """The newest row of each gap of a kind: expected and actual id, number missing, status."""
        self.commit()
        rows = [gap for gap in self.latest().values() if gap.kind == kind]
        return [(gap.expected_id, gap.actual_id, gap.missing, gap.status) for gap in rows]

    def ids(self) -> list[int]:
        self.commit()
        return [id_ for _, id_ in self.messages]

    def progress(self, data_type: str = "book_delta") -> Any:
        stream = self.streams.get(BOOK._replace(data_type=data_type))
        assert stream is not None
        return stream.dedup.progress


def test_the_first_message_may_be_a_snapshot_and_updates_follow_it() -> None:
    feed = Feed()
    feed.tell(snapshot(10), update(11), update(12), second=1)
    feed.tell(update(13), second=9)
    assert feed.ids() == [10, 11, 12, 13]
    assert (feed.progress().known_from_id, feed.progress().last_id) == (11, 13)
    assert feed.gaps == []


def test_the_same_snapshot_again_and_the_update_of_its_id_are_no_conflict() -> None:
    feed = Feed(2)
    feed.tell(snapshot(10), update(11), second=1)
    feed.tell(snapshot(10), update(10), update(11), second=2, connection=2)
    feed.tell(snapshot(11), snapshot(11, text="other"), second=3)
    feed.tell(update(12), second=9)
    assert feed.ids() == [10, 11, 10, 10, 11, 11, 12]
    assert feed.gaps == []
    assert feed.processor.counts.duplicates == 1


def test_above_the_last_id_it_leaves_a_hole_that_becomes_a_gap() -> None:
    feed = Feed()
    feed.tell(update(1), second=1)
    feed.tell(snapshot(5), update(6), second=2)
    assert feed.told("sequence") == []
    feed.tell(update(7), second=6)
    assert feed.told("sequence") == [("2", "6", 4, "open")]


def test_another_line_may_fill_that_hole() -> None:
    feed = Feed(2)
    feed.tell(update(1), second=1)
    feed.tell(snapshot(3), update(4), second=2)
    feed.tell(update(2), update(3), second=3, connection=2)
    feed.tell(update(5), second=9)
    assert feed.ids() == [1, 3, 4, 2, 3, 5]
    assert feed.told("sequence") == []
    assert feed.processor.counts.late == 2


def test_of_chained_ids_nobody_knows_how_many_are_missing() -> None:
    feed = Feed()
    for text in (message("agg_trade", 7, first=1), message("agg_trade", 90, snapshot=True)):
        feed.tell(frame(text), second=1)
    feed.tell(frame(message("agg_trade", 95, first=91)), second=9)
    feed.tell(second=20)
    assert feed.told("sequence") == [("7", "90", None, "open")]


def test_at_the_last_id_nothing_changes() -> None:
    feed = Feed()
    feed.tell(update(1), update(2), snapshot(2), update(3), second=1)
    feed.tell(second=9)
    assert feed.ids() == [1, 2, 2, 3]
    assert feed.gaps == []


def test_below_the_last_id_it_is_a_reset_if_its_connection_is_alone() -> None:
    feed = Feed()
    feed.tell(update(100), second=100)
    feed.tell(snapshot(1, sent=at(100)), update(2, sent=at(100)), second=100.1)
    assert feed.told("reset") == [(None, "1", None, "unrepairable")]
    assert (feed.progress().series, feed.progress().last_id) == (1, 2)


def test_below_the_last_id_it_is_a_reset_if_the_exchanges_time_moved_on() -> None:
    feed = Feed(2)
    feed.tell(update(100), second=100)
    feed.tell(snapshot(1, sent=at(103)), update(2, sent=at(103)), second=103, connection=2)
    feed.tell(snapshot(1, sent=at(103)), update(2, sent=at(103)), second=103.1)
    assert len(feed.told("reset")) == 1
    assert feed.ids() == [100, 1, 2, 1]


@pytest.mark.parametrize("sent", [at(99), at(101), None])
def test_otherwise_it_is_that_of_a_line_that_lags(sent: int | None) -> None:
    feed = Feed(2)
    feed.tell(*(update(number) for number in range(90, 101)), second=100)
    before = feed.progress().last_id, feed.progress().series
    feed.tell(snapshot(95, sent=sent), second=101, connection=2)
    feed.tell(*(update(number) for number in range(96, 102)), second=101, connection=2)
    assert feed.ids() == [*range(90, 101), 95, 101]
    assert (feed.progress().last_id - 1, feed.progress().series) == before
    assert feed.gaps == []


def test_of_a_connection_that_is_not_known_to_be_open_it_is_no_reset() -> None:
    feed = Feed(0)
    feed.tell(update(100), snapshot(1, sent=at(100)), second=100)
    assert feed.progress().series == 0


@pytest.mark.parametrize("data_type", ["book_snapshot", "trade", "liquidation"])
def test_where_ids_prove_nothing_it_is_stored_and_nothing_else(data_type: str) -> None:
    feed = Feed(2)
    feed.tell(frame(message(data_type, 9)), second=1)
    feed.tell(*(frame(message(data_type, id_, snapshot=True)) for id_ in (20, 5, 9)), second=2, connection=2)
    assert feed.ids() == [9, 20, 5, 9]
    assert feed.gaps == []


def test_without_an_id_it_is_stored_by_each_connection() -> None:
    feed = Feed(2)
    whole = frame(message("liquidation", None, snapshot=True))
    feed.tell(whole, second=1)
    feed.tell(whole, whole, second=1, connection=2)
    assert len(feed.ids()) == 3
    assert feed.processor.counts.duplicates == 0


def test_the_ids_of_the_newest_snapshots_are_kept_and_no_more() -> None:
    feed = Feed()
    for number in range(3 * SNAPSHOTS):
        feed.tell(snapshot(number), second=number)
    assert [id_ for id_, _ in feed.progress().snapshots] == [*range(2 * SNAPSHOTS, 3 * SNAPSHOTS)]


class Repaired(Feed):
    """Notes which books are asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []

        def request_book(stream: StreamState, from_id: int, at_us: int) -> None:
            self.asked.append(from_id)

        self.processor.ledger._requests.request_book = request_book  # type: ignore[method-assign]


def test_no_book_is_asked_for_where_a_snapshot_is_one() -> None:
    feed = Repaired()
    feed.tell(snapshot(10), second=10)
    feed.tell(update(11), second=11)
    feed.tell(snapshot(20), update(21), second=20)
    feed.tell(second=30)
    feed.tell(snapshot(3, sent=at(31)), update(4, sent=at(31)), second=31)
    feed.tell(second=40)
    assert feed.asked == []
    feed.tell(update(9, sent=at(41)), second=41)
    feed.tell(second=50)
    assert feed.asked == [9]


class TestWitness:
    """A witness says that a message exists, and is none."""

    def test_what_it_names_and_did_not_come_is_missing(self) -> None:
        feed = Feed()
        feed.tell(update(1), witness(4), update(5), second=1)
        feed.tell(second=9)
        assert feed.told("sequence") == [("2", "5", 3, "open")]
        assert feed.ids() == [1, 5]

    def test_what_it_names_may_still_come(self) -> None:
        feed = Feed()
        feed.tell(update(1), witness(2), update(2), update(3), second=1)
        feed.tell(second=9)
        assert feed.ids() == [1, 2, 3]
        assert feed.gaps == []

    @pytest.mark.parametrize("id_", [1, 5, None])
    def test_what_has_come_changes_nothing(self, id_: int | None) -> None:
        feed = Feed()
        feed.tell(snapshot(0), *(update(number) for number in range(1, 6)), second=5)
        feed.commit()
        feed.tell(frame(message("book_delta", id_, witness=True, sent=at(100))), second=100)
        assert feed.progress().last_id == 5
        assert not feed.processor.batch.touched
        assert feed.progress().series == 0

    def test_it_begins_no_stream(self) -> None:
        feed = Feed()
        feed.tell(witness(5), second=1)
        assert feed.streams.get(BOOK) is None
        feed.tell(update(9), second=2)
        feed.tell(second=9)
        assert feed.gaps == []

    def test_it_ends_no_silence(self) -> None:
        feed = Feed()
        feed.tell(update(1), second=1)
        for second in range(10, 1_000, 10):
            feed.tell(witness(1), second=second)
        assert len(feed.told("silence")) == len(Toy().id_rules)

    @pytest.mark.parametrize("data_type", ["book_snapshot", "trade", "liquidation"])
    def test_where_ids_prove_nothing_it_proves_nothing(self, data_type: str) -> None:
        feed = Feed()
        feed.tell(frame(message(data_type, 1)), witness(9, data_type), frame(message(data_type, 2)), second=1)
        feed.tell(second=9)
        assert feed.ids() == [1, 2]
        assert feed.gaps == []


@given(st.lists(st.tuples(st.sampled_from("usw"), st.integers(1, 12)), min_size=1, max_size=30))
def test_every_update_is_stored_once_whatever_snapshots_and_witnesses_say(told: list[tuple[str, int]]) -> None:
    feed = Feed(2)
    for kind, id_ in told:
        made = {"u": update, "s": snapshot, "w": witness}[kind]
        feed.tell(made(id_), second=12)
    feed.commit()
    updates = [payload for payload in feed.payloads if b"snapshot" not in payload]
    assert len(set(updates)) == len(updates)
    assert set(updates) == {update(id_)[13:-2] for kind, id_ in told if kind == "u"}
