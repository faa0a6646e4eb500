"""Whatever happens to slices on their way, each byte of each file is taken once and in order.

Nothing that is missing is passed over unless the edge says that it is lost.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from collector.bus.slices import EndedFile, SliceHead
from collector.processes.relay.edge_stream import by_servers_clock
from collector.processes.relay.judging import Judged, Verdict, is_late, judge
from collector.processes.relay.knowledge import KEPT_ENDED, MOST_ENDED, SLOT_KEPT_US, place_of, with_edge, with_slice
from collector.storage.journal.relayed import IN_SLICE, RelayedHead, Source

NEW = Source("e", 0, "", (), 0, 0, 0)
RECORD_BYTES = 10


class Unit(NamedTuple):
    """A record of a file, in the order in which an edge publishes."""

    file: int
    record: int
    is_last: bool


class Relay:
    """Keeps what the rules let it take."""

    def __init__(self) -> None:
        self.source = NEW
        self.taken: dict[str, list[tuple[int, int]]] = defaultdict(list)
        self.lost = 0

    def send(self, head: SliceHead) -> Judged:
        judged = judge(self.source, head)
        if judged.verdict is Verdict.NEXT:
            self.taken[head.epoch + head.file_id].append((judged.start, head.end))
            self.lost += judged.is_lost
            relayed = RelayedHead(
                head.edge, 0, head.epoch, head.file_id, head.number, judged.start, head.end, IN_SLICE,
                ended=head.ended, lost=judged.is_lost,
            )  # fmt: skip
            self.source = with_slice(self.source, relayed, b"head", 1)
        return judged

    def has_whole(self, head: SliceHead) -> bool:
        return any(file.file_id == head.file_id and file.ended for file in self.source.files)


@st.composite
def journals(draw: st.DrawFn) -> list[Unit]:
    """The records of some files, of which those of two incarnations may take turns."""
    lengths = draw(st.lists(st.integers(1, 4), min_size=1, max_size=12))
    files = [[Unit(file, at, at == length - 1) for at in range(length)] for file, length in enumerate(lengths)]
    order: list[Unit] = []
    while files:
        chosen = draw(st.integers(0, min(1, len(files) - 1)))
        order.append(files[chosen].pop(0))
        files = [left for left in files if left]
    return order


def slices(order: Sequence[Unit], sizes: Iterable[int], start: int = 0, epoch: str = "x") -> list[SliceHead]:
    """What an edge publishes from the record `start` on, so many records a slice."""
    found, at, counts = [], start, iter(sizes)
    while at < len(order):
        first = order[at]
        end = at + 1
        for _ in range(next(counts, 1) - 1):
            if end < len(order) and order[end].file == first.file:
                end += 1
        last = order[end - 1]
        ended = [
            EndedFile(f"f{unit.file}", unit.file + 1, (unit.record + 1) * RECORD_BYTES)
            for unit in order[:at]
            if unit.is_last
        ]
        found.append(
            SliceHead(
                "e", "f", epoch, f"f{first.file}", first.file + 1, first.record * RECORD_BYTES,
                (last.record + 1) * RECORD_BYTES, ended=last.is_last, before=tuple(ended[-3:]),
            )
        )  # fmt: skip
        at = end
    return found


def whole(order: Sequence[Unit], epoch: str = "x") -> dict[str, int]:
    return {f"{epoch}f{unit.file}": (unit.record + 1) * RECORD_BYTES for unit in order if unit.is_last}


def lengths_of(taken: dict[str, list[tuple[int, int]]]) -> dict[str, int]:
    """The length of each file, of which every byte was taken once and in order."""
    for stretches in taken.values():
        ends = [0, *(end for _, end in stretches)]
        assert [start for start, _ in stretches] == ends[:-1]
    return {name: stretches[-1][1] for name, stretches in taken.items()}


def from_place(order: Sequence[Unit], relay: Relay) -> int:
    """Where an edge begins again: at the first record that the place does not say is there."""
    place = place_of(relay.source, has_hole=False)
    offsets = {file.file_id: file.offset for file in place.files}
    for at, unit in enumerate(order):
        is_here = unit.file + 1 < place.done_below or (unit.record + 1) * RECORD_BYTES <= offsets.get(
            f"f{unit.file}", 0
        )
        if not is_here:
            return at
    return len(order)


SIZES = st.lists(st.integers(1, 3), max_size=30)
CHAOS = st.lists(st.tuples(st.integers(0, 40), SIZES, st.integers(1, 6)), max_size=8)


@given(journals(), CHAOS, SIZES)
def test_slices_in_any_order_and_number_make_exactly_the_files(
    order: list[Unit], chaos: list[tuple[int, list[int], int]], sizes: list[int]
) -> None:
    relay = Relay()
    for start, cut, count in chaos:
        for head in slices(order, cut, start % len(order))[:count]:
            relay.send(head)
    for head in slices(order, sizes, from_place(order, relay)):
        assert relay.send(head).verdict is not Verdict.HOLE
    assert lengths_of(relay.taken) == whole(order)
    assert relay.lost == 0
    assert len(relay.source.files) <= KEPT_ENDED
    assert all(relay.send(head).verdict is Verdict.COPY for head in slices(order, sizes))


@given(journals(), CHAOS)
def test_no_slice_is_taken_while_a_file_that_ended_before_it_is_not_whole(
    order: list[Unit], chaos: list[tuple[int, list[int], int]]
) -> None:
    relay = Relay()
    for start, cut, count in chaos:
        for head in slices(order, cut, start % len(order))[:count]:
            was = relay.source
            if relay.send(head).verdict is Verdict.NEXT:
                ended = {file.file_id for file in was.files if file.ended}
                assert all(one.file_id in ended or one.number < was.done_below for one in head.before)


@given(journals(), CHAOS, SIZES)
def test_what_an_edge_lost_is_passed_over_once_and_said(
    order: list[Unit], chaos: list[tuple[int, list[int], int]], sizes: list[int]
) -> None:
    relay = Relay()
    for start, cut, count in chaos:
        for head in slices(order, cut, start % len(order))[:count]:
            relay.send(head)
    first = from_place(order, relay)
    gone = order[first].file if first < len(order) else None
    left = [head for head in slices(order, sizes, first) if head.number != (gone or 0) + 1]
    if left:
        left[0] = replace(left[0], lost=True)
    for head in left:
        fitting = tuple(ended for ended in head.before if ended.number != (gone or 0) + 1)
        relay.send(replace(head, before=fitting))
    found, expected = lengths_of(relay.taken), whole(order)
    assert {name: end for name, end in found.items() if name != f"xf{gone}"} == {
        name: end for name, end in expected.items() if name != f"xf{gone}"
    }
    assert relay.lost <= 1


@given(journals(), journals(), SIZES, SIZES, st.integers(0, 40))
def test_an_edge_without_its_journal_begins_anew_and_what_it_had_before_is_not_taken_for_it(
    old: list[Unit], new: list[Unit], cut: list[int], again: list[int], came: int
) -> None:
    relay = Relay()
    before = slices(old, cut)
    for head in before[:came]:
        relay.send(head)
    for head in [*slices(new, cut, epoch="y"), *before, *slices(new, again, epoch="y")]:
        relay.send(head)
    found = lengths_of(relay.taken)
    assert {name: end for name, end in found.items() if name.startswith("y")} == whole(new, "y")
    was_whole = {name: end for name, end in found.items() if name.startswith("x")}.items() <= whole(old).items()
    assert relay.lost == (0 if was_whole else 1)


def test_an_edge_whose_journal_was_removed_says_what_nobody_else_can_know() -> None:
    relay = Relay()
    relay.send(head_of(1, 0, 10, ended=True))
    assert not relay.send(replace(head_of(1, 0, 10), epoch="y")).is_lost, "a journal that was whole is missed by nobody"
    relay.send(replace(head_of(1, 10, 20, ended=True), epoch="y"))
    first = replace(head_of(1, 0, 10), epoch="z", lost=True)
    assert relay.send(first).is_lost
    assert relay.send(replace(first, start=10, end=20)) == Judged(Verdict.NEXT, 10)


def head_of(number: int, start: int, end: int, **told: object) -> SliceHead:
    return SliceHead("e", "f", "x", f"f{number}", number, start, end, **told)  # type: ignore[arg-type]


def test_a_lost_file_tail_is_noticed_by_the_next_file() -> None:
    relay = Relay()
    relay.send(head_of(1, 0, 10))
    after = head_of(2, 0, 10, before=(EndedFile("f1", 1, 20),))
    assert relay.send(after).verdict is Verdict.HOLE
    relay.send(head_of(1, 10, 20, ended=True))
    assert relay.send(after).verdict is Verdict.NEXT


def test_of_a_slice_that_overlaps_only_what_is_new_is_wanted() -> None:
    relay = Relay()
    relay.send(head_of(1, 0, 20))
    assert relay.send(head_of(1, 10, 40)) == Judged(Verdict.NEXT, 20)


def test_the_end_of_a_file_is_taken_once_though_it_brings_no_bytes() -> None:
    relay = Relay()
    relay.send(head_of(1, 0, 20))
    end = head_of(1, 20, 20, ended=True)
    assert [relay.send(end).verdict for _ in range(2)] == [Verdict.NEXT, Verdict.COPY]


def test_a_file_that_was_begun_beside_many_others_is_taken_when_it_comes() -> None:
    relay = Relay()
    relay.send(head_of(1, 0, 20, ended=True))
    for number in range(3, MOST_ENDED):
        relay.send(head_of(number, 0, 20, ended=True))
    assert relay.source.done_below <= 2
    assert relay.send(head_of(2, 0, 20, ended=True)).verdict is Verdict.NEXT
    assert len(relay.source.files) == KEPT_ENDED


def test_what_is_known_of_files_is_bounded_though_a_number_never_comes() -> None:
    relay = Relay()
    relay.send(head_of(1, 0, 20, ended=True))
    for number in range(3, 2 * MOST_ENDED):
        relay.send(head_of(number, 0, 20, ended=True))
        assert len(relay.source.files) <= MOST_ENDED
        assert sum(bool(file.head) for file in relay.source.files) <= KEPT_ENDED
    assert relay.source.done_below > MOST_ENDED


def test_a_file_goes_on_whose_ingest_was_taken_for_dead_too_early() -> None:
    relay = Relay()
    relay.send(head_of(1, 0, 20, ended=True))
    assert relay.send(head_of(1, 20, 30)).verdict is Verdict.NEXT
    assert [file.ended for file in relay.source.files] == [False]


def test_a_file_is_never_begun_in_its_middle_because_it_could_not_be_read() -> None:
    assert Relay().send(head_of(3, 10, 20, lost=True)).verdict is Verdict.HOLE


def test_an_edge_that_says_lost_though_all_is_here_costs_no_gap() -> None:
    relay = Relay()
    relay.send(head_of(1, 0, 20, ended=True))
    assert relay.send(head_of(2, 0, 20, lost=True, before=(EndedFile("f1", 1, 20),))) == Judged(Verdict.NEXT, 0)


def test_a_file_of_which_nothing_came_before_it_was_lost_is_missed_where_the_edge_says_so() -> None:
    for is_told in (True, False):
        relay = Relay()
        relay.send(head_of(1, 0, 20, ended=True))
        assert relay.send(head_of(3, 0, 20, lost=is_told, before=(EndedFile("f1", 1, 20),))).is_lost == is_told
        assert not relay.send(head_of(3, 20, 40, lost=is_told)).is_lost


def test_a_file_that_was_lost_is_not_asked_for_again() -> None:
    relay = Relay()
    relay.send(head_of(1, 0, 20))
    assert relay.send(head_of(2, 0, 20, lost=True)).is_lost
    assert [(file.number, file.ended) for file in place_of(relay.source, has_hole=False).files] == [
        (1, True),
        (2, False),
    ]


@pytest.mark.parametrize(("newest_ns", "late"), [(0, False), (49, True), (50, False), (90, False)])
def test_a_slice_is_late_if_another_edge_brought_its_time_long_ago(newest_ns: int, *, late: bool) -> None:
    others = [replace(NEW, newest_ns=100), replace(NEW, newest_ns=7)]
    assert is_late(head_of(1, 0, 10, newest_ns=newest_ns), others, 50) is late


@pytest.mark.parametrize("clock_secs", [-600, 600])
def test_an_edge_whose_clock_is_wrong_is_judged_by_that_of_nats(clock_secs: int) -> None:
    ahead_ns, stored_ns = clock_secs * 10**9, 1_000_000 * 10**9
    sent_ns, newest_ns = stored_ns + ahead_ns + 5, stored_ns + ahead_ns - 7
    head = replace(head_of(1, 0, 10, newest_ns=newest_ns), sent_ns=sent_ns)
    found = by_servers_clock(head, b"", stored_ns)
    assert (found.ahead_ns, found.head.newest_ns) == (ahead_ns, stored_ns - 7)
    unsaid = by_servers_clock(replace(head, sent_ns=0), b"", stored_ns)
    assert (unsaid.ahead_ns, unsaid.head.newest_ns) == (0, newest_ns)


def test_nothing_is_late_where_no_other_edge_brings_the_feed() -> None:
    assert not is_late(head_of(1, 0, 10, newest_ns=1), [], 0)


def test_a_clock_that_is_ahead_makes_others_late_only_by_what_it_is() -> None:
    relayed = RelayedHead("e", 0, "x", "f1", 1, 0, 10, IN_SLICE, newest_ns=10**18)
    assert with_slice(NEW, relayed, b"", 5).newest_ns == 5


def test_eight_edges_bring_a_feed_and_one_that_is_long_gone_gives_its_slot_up() -> None:
    sources: dict[str, Source] | None = {}
    for number in range(8):
        assert sources is not None
        sources = with_edge(sources, f"e{number}", number)
    assert sources is not None
    assert [source.slot for source in sources.values()] == list(range(8))
    assert with_edge(sources, "ninth", SLOT_KEPT_US - 1) is None
    more = with_edge(sources, "ninth", SLOT_KEPT_US)
    assert more is not None
    assert (more["ninth"].slot, "e0" in more, len(more)) == (0, False, 8)
