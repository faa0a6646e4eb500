"""Without ids, a message is a copy only if another connection delivered the same content, once per connection."""

from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.domain.sequence.echoes import EXPECTED_LIMIT, Echoes, inherit, is_echo

SECOND = 1_000_000
LAG_US = 40 * SECOND


class Merged:
    """A stream that several numbered connections deliver at the same time."""

    def __init__(self, *sources: int) -> None:
        self.sources = sources
        self.echoes: Echoes = {}
        self.kept: list[bytes] = []

    def bring(self, connection: int, *contents: bytes, at_us: int = 0) -> None:
        beside = [other for other in self.sources if other != connection]
        for content in contents:
            if not is_echo(self.echoes, connection, beside, content, at_us, LAG_US):
                self.kept.append(content)
            self.echoes = msgspec.msgpack.decode(msgspec.msgpack.encode(self.echoes), type=Echoes)


@pytest.mark.parametrize("lag", [0, 1, 3, 7])
def test_equal_messages_of_one_connection_are_not_copies(lag: int) -> None:
    sent = [b"a", b"a", b"b", b"a", b"c", b"c", b"c", b"a"]
    merged = Merged(1, 2)
    for step in range(len(sent) + lag):
        merged.bring(1, *sent[step : step + 1])
        merged.bring(2, *sent[max(0, step - lag) : max(0, step - lag + 1)])
    assert merged.kept == sent
    assert merged.echoes == {}


def test_what_one_connection_misses_comes_once_from_the_other() -> None:
    merged = Merged(1, 2)
    merged.bring(1, b"a", b"b", b"d")
    merged.bring(2, b"a", b"c", b"d", b"e")
    merged.bring(1, b"e", b"f")
    merged.bring(2, b"f")
    assert sorted(merged.kept) == [b"a", b"b", b"c", b"d", b"e", b"f"]


def test_a_single_connection_drops_nothing_and_keeps_no_state() -> None:
    merged = Merged(1)
    merged.bring(1, b"a", b"a", b"a")
    assert (merged.kept, merged.echoes) == ([b"a"] * 3, {})


def test_copies_from_a_lagging_connection_are_found_after_the_other_ends() -> None:
    merged = Merged(1, 2)
    merged.bring(1, *(b"%d" % number for number in range(100)))
    merged.sources = (2,)
    merged.bring(2, *(b"%d" % number for number in range(120)))
    assert merged.kept == [b"%d" % number for number in range(120)]
    merged.bring(2, b"7", b"7")
    assert (merged.kept[-2:], merged.echoes) == ([b"7", b"7"], {})


def test_a_connection_ahead_is_not_expected_to_repeat_older_messages() -> None:
    merged = Merged(1, 2)
    merged.bring(1, b"old 1", b"old 2")  # 2 opened ahead of these
    merged.bring(2, b"new 1")
    merged.bring(1, b"old 3", b"new 1")
    merged.bring(2, b"old 1", b"old 2", b"old 3")
    assert merged.kept == [b"old 1", b"old 2", b"new 1", b"old 3", b"old 1", b"old 2", b"old 3"]


def test_expected_copies_are_bounded_in_time_and_number() -> None:
    merged = Merged(1, 2)
    merged.bring(1, b"a", b"b", at_us=0)
    merged.bring(1, b"c", at_us=30 * SECOND)
    merged.bring(2, b"a", b"c", at_us=41 * SECOND)
    assert merged.kept == [b"a", b"b", b"c", b"a"]
    for number in range(2 * EXPECTED_LIMIT):
        is_echo(merged.echoes, 1, [2], b"%d" % number, 50 * SECOND, LAG_US)
    assert len(merged.echoes[2].digests) == len(merged.echoes[2].delivered) == EXPECTED_LIMIT


@given(st.lists(st.sampled_from([b"a", b"b", b"c", b"d"]), max_size=40), st.lists(st.integers(1, 3), max_size=120))
def test_each_message_is_kept_as_often_as_sent_whoever_is_ahead(sent: list[bytes], turns: list[int]) -> None:
    merged, left = Merged(1, 2, 3), {connection: list(sent) for connection in (1, 2, 3)}
    for connection in [*turns, *[1] * len(sent), *[2] * len(sent), *[3] * len(sent)]:
        if left[connection]:
            merged.bring(connection, left[connection].pop(0))
    assert sorted(merged.kept) == sorted(sent)
    assert merged.echoes == {}


@st.composite
def lossy_lines(draw: st.DrawFn, contents: st.SearchStrategy[bytes]) -> tuple[list[bytes], list[list[int]], list[int]]:
    """What is sent, the numbers of what each of two lines keeps of it, and the line whose turn it is again and again."""
    sent = draw(st.lists(contents, min_size=1, max_size=40))
    lost = [draw(st.sets(st.integers(0, len(sent) - 1))) for _ in range(2)]
    kept = [[number for number in range(len(sent)) if number not in of_line] for of_line in lost]
    return sent, kept, draw(st.lists(st.integers(0, 1), max_size=80))


def merged_of(sent: list[bytes], kept: list[list[int]], turns: list[int]) -> list[bytes]:
    """What is stored of what two lines bring, each in its order, one of them whenever it is its turn."""
    merged, coming = Merged(0, 1), [iter(of_line) for of_line in kept]
    for line in [*turns, *[0] * len(sent), *[1] * len(sent)]:
        number = next(coming[line], None)
        if number is not None:
            merged.bring(line, sent[number])
    return merged.kept


@given(lossy_lines(st.uuids().map(lambda uuid: uuid.bytes)))
def test_what_two_lines_lose_each_by_itself_is_stored_once_if_one_brings_it(
    lines: tuple[list[bytes], list[list[int]], list[int]],
) -> None:
    sent, kept, turns = lines
    assert sorted(merged_of(sent, kept, turns)) == sorted(sent[number] for number in {*kept[0], *kept[1]})


@given(lossy_lines(st.sampled_from([b"a", b"b", b"c"])))
def test_of_equal_messages_no_fewer_are_stored_than_either_line_brings(
    lines: tuple[list[bytes], list[list[int]], list[int]],
) -> None:
    sent, kept, turns = lines
    stored = Counter(merged_of(sent, kept, turns))
    for of_line in kept:
        assert stored >= Counter(sent[number] for number in of_line)


def test_a_connection_repeats_what_others_brought_since_it_opened_though_it_is_read_later_that_it_did() -> None:
    echoes: Echoes = {}
    for at_us in (1, 2, 3):
        assert not is_echo(echoes, 1, [9], b"%d" % at_us, at_us, 100)
    inherit(echoes, 2, 9, 2)
    assert not is_echo(echoes, 2, [1], b"1", 4, 100)
    assert is_echo(echoes, 2, [1], b"2", 5, 100)
    assert is_echo(echoes, 2, [1], b"3", 6, 100)
    inherit(echoes, 3, 8, 0)
    assert 3 not in echoes
