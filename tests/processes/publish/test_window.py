"""Slices under way: go-back-N."""

import random
from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from collector.processes.publish.window import Entry, Window


@given(st.integers(1, 60), st.integers(0, 1 << 32), st.floats(0, 0.6))
def test_whatever_fails_everything_is_stored_in_order_at_last(count: int, seed: int, faults: float) -> None:
    """Servers that lose messages, or do not confirm them, and confirmations that come late."""
    chance = random.Random(seed)
    window = Window[int](1_000)
    stored: list[int] = []
    confirmed: list[int] = []
    answers: deque[tuple[Entry[int], int, bool]] = deque()
    given_ = 0
    while len(confirmed) < count:
        if given_ < count and window.has_room:
            window.add(given_, 100)
            given_ += 1
        while (entry := window.next()) is not None:
            fault = chance.random() < faults
            if not fault or chance.random() < 0.5:
                stored.append(entry.slice)
            answers.append((entry, window.turn, not fault))
        for _ in range(chance.randint(0, len(answers))):
            entry, turn, is_stored = answers.popleft()
            if is_stored:
                confirmed += window.confirm(entry, turn)
            else:
                window.fail(turn)
    assert confirmed == list(range(count))
    position = 0
    for number in stored:
        position += number == position
    assert position == count, "a reader that takes only what it lacks next lacks nothing"


def test_after_a_failure_one_slice_is_sent_and_twice_as_many_for_each_confirmation() -> None:
    window = Window[int](10_000)
    for number in range(64):
        window.add(number, 1)
    at_once: list[int] = []
    while len(window):
        sent = []
        while (entry := window.next()) is not None:
            sent.append(entry)
        at_once.append(len(sent))
        if len(at_once) == 4:
            assert window.fail(window.turn)
            assert not window.fail(window.turn - 1), "what was sent with it fails with it"
            continue
        for entry in sent:
            window.confirm(entry, window.turn)
    assert at_once[:4] == [1, 2, 8, 53], "what is confirmed makes room as well"
    assert at_once[4] == 1


def test_after_a_failure_half_of_what_was_too_much_is_reached_quickly_and_more_slowly() -> None:
    window = Window[int](1 << 30)
    at_once: list[int] = []
    while len(at_once) < 10:
        while len(window) < 1_000:
            window.add(0, 1)
        sent = list(iter(window.next, None))
        at_once.append(len(sent))
        if len(at_once) == 4:
            window.fail(window.turn)
            continue
        for entry in sent:
            window.confirm(entry, window.turn)
    assert at_once == [1, 2, 8, 1_000, 1, 2, 8, 500, 501, 502]


def test_a_confirmation_of_an_earlier_try_does_not_count() -> None:
    window = Window[str](100)
    window.add("a", 1)
    window.add("b", 1)
    first = window.next()
    assert first is not None
    assert window.next() is None, "at first one"
    window.fail(window.turn)
    assert window.confirm(first, window.turn - 1) == []
    again = window.next()
    assert again is first
    assert window.confirm(first, window.turn) == ["a"]


def test_the_window_is_bounded_by_bytes_and_takes_one_slice_of_any_size() -> None:
    window = Window[str](10)
    assert window.has_room
    window.add("long", 50)
    assert not window.has_room
    entry = window.next()
    assert entry is not None
    assert window.confirm(entry, window.turn) == ["long"]
    assert window.has_room
    assert window.bytes == 0
