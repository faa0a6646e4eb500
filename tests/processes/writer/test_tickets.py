"""Where an exchange numbers the frames of a connection, a frame that is missing is in the ledger, whatever it held."""

import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.domain.gap_stretches import SINGLE_ROWS
from collector.domain.records import UNKNOWN
from collector.processes.writer.gaps.ticket_rows import BOOKS_US
from collector.processes.writer.streams import StreamState
from collector.storage.journal.format import RecordKind
from tests.conftest import Lines
from tests.processes.writer.bitfinex_talk import RECORDING, Bitfinex, recorded_frames, symbols_of
from tests.processes.writer.processor_world import ProcessorWorld
from tests.processes.writer.toy_exchange import NAME, RULES, Toy, at, frame, message

UNPROVEN = ["book_snapshot", "liquidation", "trade"]
"""The data types whose ids prove nothing."""
PROVEN = [name for name, rule in RULES.items() if rule.proves_continuity]
Row = tuple[Any, ...]


class Feed(ProcessorWorld):
    """A connection whose frames are numbered, of one symbol. All its streams have had a message."""

    def __init__(self) -> None:
        exchange = Toy(has_tickets=True)
        super().__init__(NAME, ("A",), tuple(RULES), repaired=False, adapter_of=lambda _: exchange)
        self.connect(1, at(0))
        self.tell(frame(*(message(data_type, 1, first=1, sent=at(0)) for data_type in RULES), ticket=1), second=0)

    def tell(self, *frames: bytes, second: float, connection: int = 1) -> None:
        self.receive(at(second), frames, connection - 1, connection)

    def numbered(self, *tickets: int | None, second: float, connection: int = 1) -> None:
        """Frames with these numbers: control frames, those that nobody asked for, and messages."""
        forms = [frame(control="pong", ticket=ticket) for ticket in tickets]
        forms[1::3] = [frame(other=1, ticket=ticket) for ticket in tickets[1::3]]
        forms[2::3] = [frame(message("liquidation", None), ticket=ticket) for ticket in tickets[2::3]]
        self.tell(*forms, second=second, connection=connection)

    def told(self, kind: str = "sequence") -> list[Row]:
        self.commit()
        rows = [gap for gap in self.latest().values() if gap.kind == kind]
        return sorted(
            (gap.stream_type, gap.line, gap.expected_id, gap.actual_id, gap.missing, gap.status, gap.cause)
            for gap in rows
        )


def lost(expected: int, actual: int, *, line: int = 0, cause: str = "exchange") -> list[Row]:
    """A row for each stream whose ids prove nothing."""
    return [(one, line, str(expected), str(actual), None, "unrepairable", cause) for one in UNPROVEN]


def test_numbers_that_follow_each_other_say_nothing_is_missing() -> None:
    feed = Feed()
    feed.numbered(*range(2, 100), second=1)
    feed.numbered(100, second=2)
    assert feed.told() == feed.told("out_of_order") == []
    assert feed.processor.counts.frame_holes == 0


@pytest.mark.parametrize("together", [True, False])
def test_a_number_left_out_is_a_row_for_each_stream_whose_ids_prove_nothing(*, together: bool) -> None:
    feed = Feed()
    feed.processor._together = together
    feed.numbered(2, 3, 4, 5, 9, 10, second=1)
    assert feed.told() == lost(6, 9)
    assert feed.processor.counts.frame_holes == feed.processor.counts.beside("run").frame_holes == 1
    gap = next(gap for gap in feed.latest().values() if gap.kind == "sequence")
    assert (gap.started_at, gap.ended_at) == (at(1), at(1))


def test_the_row_says_between_which_frames_and_on_which_line() -> None:
    feed = Feed()
    feed.connect(2, at(1), line=1)
    feed.numbered(50, second=3, connection=2)
    feed.numbered(2, second=4)
    feed.numbered(52, second=5, connection=2)
    assert feed.told() == lost(51, 52, line=1)
    assert {(gap.started_at, gap.ended_at) for gap in feed.latest().values()} == {(at(3), at(5))}


def test_a_stream_without_any_message_gets_a_row_too() -> None:
    world = ProcessorWorld(NAME, ("A",), tuple(RULES), repaired=False, adapter_of=lambda _: Toy(has_tickets=True))
    world.connect(1, at(0))
    world.receive(at(1), [frame(control="pong", ticket=1), frame(control="pong", ticket=3)], 0, 1)
    world.commit()
    assert {gap.stream_type for _, _, gap in world.gaps if gap.kind == "sequence"} == set(RULES)


def test_numbers_belong_to_a_connection_and_begin_anew_with_the_next() -> None:
    feed = Feed()
    feed.numbered(2, 3, second=1)
    feed.disconnect(1, at(2))
    feed.connect(2, at(3))
    feed.numbered(70, 71, second=4, connection=2)
    feed.writer_id = "another ingest"
    feed.connect(2, at(5))
    feed.numbered(7, 8, second=6, connection=2)
    assert feed.told() == feed.told("out_of_order") == []


@pytest.mark.parametrize("tickets", [(2, 2), (2, 1), (2, 2, 3, 4, 4, 1, 2, 3)])
def test_a_number_that_repeats_or_goes_back_is_out_of_order_in_one_row(tickets: tuple[int, ...]) -> None:
    feed = Feed()
    feed.numbered(*tickets, second=1)
    rows = feed.told("out_of_order")
    assert [(row[0], row[2], row[3]) for row in rows] == [(UNKNOWN, "3", str(tickets[1]) if tickets[1] < 3 else "2")]
    assert feed.told() == []


def test_messages_in_frames_without_a_number_leave_their_stream_unproven() -> None:
    feed = Feed()
    feed.tell(*(frame(message("liquidation", None)) for _ in range(9)), second=1)
    feed.tell(frame(message("trade", 2, sent=at(2)), message("trade", 3, sent=at(2))), second=2)
    feed.tell(
        frame(control="pong"),
        frame(other=1),
        frame(*(message(one, 2, first=2, sent=at(2)) for one in PROVEN)),
        second=3,
    )
    assert [(row[0], row[6]) for row in feed.told("checksum")] == [("liquidation", "unknown"), ("trade", "unknown")]
    assert feed.told() == []


def test_frames_without_a_number_are_passed_over() -> None:
    feed = Feed()
    feed.numbered(None, 2, None, None, 3, 5, None, second=1)
    assert feed.told() == lost(4, 5)


def test_undecodable_and_binary_frames_have_numbers_and_one_that_hides_its_number_is_named_as_the_cause() -> None:
    feed = Feed()
    feed.receive(at(1), [frame({"t": 1}, ticket=2), b"\x00", b"{"], 0, 1, binary=[1])
    feed.numbered(3, second=2)
    assert feed.told() == []
    feed.tell(b"{", second=3)
    feed.numbered(5, second=4)
    assert feed.told() == lost(4, 5, cause="parse")


def test_after_refused_frames_the_numbers_begin_anew() -> None:
    feed = Feed()
    feed.happened(RecordKind.RESUMED, at(2), frames=3, bytes=9, started_ns=at(1) * 1_000)
    feed.numbered(5, 6, second=3)
    assert feed.told() == []
    assert {gap.kind for gap in feed.latest().values()} == {"budget"}


def test_a_connection_that_loses_many_frames_shares_rows() -> None:
    feed = Feed()
    for number in range(1, 1_000):
        feed.numbered(2 * number + 1, second=number / 100)
    feed.commit()
    assert len([gap for _, _, gap in feed.gaps if gap.kind == "sequence"]) == 3 * (SINGLE_ROWS + 1)
    assert feed.processor.counts.frame_holes == 999


def test_records_without_a_connection_are_not_followed() -> None:
    feed = Feed()
    feed.tell(frame(control="pong", ticket=9), frame(control="pong", ticket=90), second=1, connection=0)
    assert feed.told() == []


def test_fresh_books_are_asked_for_at_once_and_after_a_while_again_and_no_more_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[str, int]] = []

    def request_book(stream: StreamState, from_id: int, at_us: int) -> None:
        asked.append((stream.key.data_type, at_us))

    feed = Feed()
    monkeypatch.setattr(feed.processor.ledger._requests, "request_book", request_book)
    for number in range(10):
        feed.numbered(3 + 2 * number, second=100 + number / 10)
    assert asked == [(one, at(100)) for one in ("book_snapshot", "trade", "liquidation")]
    later = 100 + BOOKS_US / 1e6
    feed.numbered(22, second=later)
    feed.numbered(*range(23, 60), second=later + 100)
    assert asked[3:] == [(one, at(later)) for one in ("book_snapshot", "trade", "liquidation")]


@given(st.sets(st.integers(2, 60), max_size=40), st.integers(1, 9), st.integers(0, 5), st.booleans())
def test_each_hole_is_found_however_frames_are_cut_into_records(
    removed: set[int], size: int, commit_every: int, together: bool
) -> None:
    feed = Feed()
    feed.processor._together = together
    left = [ticket for ticket in range(2, 62) if ticket not in removed]
    for number, start in enumerate(range(0, len(left), size)):
        feed.numbered(*left[start : start + size], second=100 * (number + 1))
        if commit_every and number % commit_every == 0:
            feed.commit()
            feed.restart()
            feed.processor._together = together
    holes = [one for one in left if one - 1 in removed]
    feed.commit()
    assert feed.processor.counts.frame_holes == len(holes)
    told = {gap.actual_id for gap in feed.latest().values() if gap.kind == "sequence" and gap.actual_id}
    assert told <= {str(one) for one in holes}
    assert len(told) >= min(len(holes), SINGLE_ROWS)


@pytest.mark.parametrize("seed", range(3))
def test_frames_taken_out_of_a_recording_are_found_exactly_and_an_intact_one_has_no_row(
    recorded: Lines, seed: int
) -> None:
    frames = recorded_frames(recorded(RECORDING))
    exchange = Bitfinex(has_tickets=True)
    ticketed = [number for number, (_, one) in enumerate(frames) if exchange.ticket(one) is not None]
    for taken in (set[int](), set(random.Random(seed).sample(ticketed[1:-1], 54))):
        world = ProcessorWorld(
            NAME, symbols_of(frames), tuple(exchange.id_rules), repaired=False, adapter_of=lambda _: exchange
        )
        world.connect(1, frames[0][0])
        left = [one for number, one in enumerate(frames) if number not in taken]
        for start in range(0, len(left), 25):
            part = left[start : start + 25]
            world.receive(part[-1][0], [one for _, one in part], connection=1)
        world.commit()
        tickets = [ticket for _, one in left if (ticket := exchange.ticket(one)) is not None]
        holes = sum(one + 1 != other for one, other in pairwise(tickets))
        assert bool(holes) == bool(taken)
        assert world.processor.counts.frame_holes == holes
        assert any(gap.kind == "sequence" for _, _, gap in world.gaps) == bool(taken)
