"""Which journal file numbers show that a file is missing."""

from random import Random

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from collector.processes.writer.gaps.journal_numbers import JournalNumbers


def missing(*files: tuple[str, int]) -> list[int | None]:
    """The first missing number found at each file; `-` is a file without a head."""
    trail, known, found = JournalNumbers(), "", []
    for writer, number in files:
        if writer == "-":
            trail.pass_headless(number)
            continue
        found.append(trail.follow(number, same_writer=writer == known))
        known = writer
    return found


@given(st.lists(st.sampled_from(["next", "again", "restart", "begun and restart"])), st.integers(1, 50))
def test_incarnations_one_after_another_miss_nothing(steps: list[str], first: int) -> None:
    number, writer, files = first, 0, [("w0", first)]
    for step in steps:
        if step != "again":
            number += 1
        if step == "begun and restart":
            files.append(("-", number))
            number += 1
        writer += "restart" in step
        files.append((f"w{writer}", number))
    assert set(missing(*files)) == {None}


def test_a_jump_in_journal_numbers_means_missing_files() -> None:
    assert missing(("a", 3), ("a", 5)) == [None, 4]
    assert missing(("a", 3), ("b", 6)) == [None, 4]


def test_a_headless_file_is_missing_only_within_one_incarnation() -> None:
    assert missing(("a", 3), ("-", 4), ("a", 5)) == [None, 4]
    assert missing(("a", 3), ("-", 4), ("b", 5)) == [None, None]


def test_numbers_given_again_miss_nothing() -> None:
    assert missing(("a", 7), ("b", 1), ("b", 2), ("c", 8)) == [None] * 4


class Folder:
    """Files of incarnations that append side by side, each named, and what a reader of them is told."""

    def __init__(self) -> None:
        self.trail = JournalNumbers()
        self.present: set[int] = set()
        self._previous: dict[str, int] = {}
        self._files: dict[int, tuple[str, int]] = {}

    def begin(self, incarnation: str, number: int) -> None:
        """An incarnation begins a file."""
        self._files[number] = incarnation, self._previous.get(incarnation, 0)
        self._previous[incarnation] = number
        self.present.add(number)

    def read(self, number: int) -> int | None:
        """The first missing number found at that file; every file after the first goes on from the same writer."""
        incarnation, previous = self._files[number]
        self.trail = msgspec.msgpack.decode(msgspec.msgpack.encode(self.trail), type=JournalNumbers)
        return self.trail.follow(
            number,
            same_writer=self.trail.highest > 0,
            incarnation=incarnation,
            previous=previous,
            others=frozenset(self.present),
        )


@given(st.lists(st.sampled_from("abc"), min_size=2, max_size=40), st.randoms())
def test_incarnations_side_by_side_miss_nothing_in_whatever_order_they_are_read(turns: str, order: Random) -> None:
    folder, queues = Folder(), dict[str, list[int]]()
    for number, incarnation in enumerate(turns, 1):
        folder.begin(incarnation, number)
        queues.setdefault(incarnation, []).append(number)
    while queues:
        incarnation = order.choice(sorted(queues))
        assert folder.read(queues[incarnation].pop(0)) is None
        if not queues[incarnation]:
            del queues[incarnation]


def test_a_file_missing_between_two_of_its_incarnation_is_told_though_another_took_turns() -> None:
    folder = Folder()
    for incarnation, number in (("a", 3), ("b", 4), ("a", 5), ("b", 6), ("a", 7), ("b", 8)):
        folder.begin(incarnation, number)
    assert [folder.read(3), folder.read(4)] == [None, None]
    folder.present.remove(5)
    assert [folder.read(6), folder.read(7), folder.read(8)] == [None, 5, None]


def test_a_file_missing_before_an_incarnation_s_first_is_told_once() -> None:
    folder = Folder()
    for incarnation, number in (("a", 3), ("a", 4), ("b", 5), ("a", 6)):
        folder.begin(incarnation, number)
    assert folder.read(3) is None
    folder.present.remove(4)
    assert [folder.read(5), folder.read(6)] == [4, None]


def test_the_first_file_of_an_incarnation_that_is_missing_is_told() -> None:
    folder = Folder()
    for incarnation, number in (("a", 3), ("b", 4), ("b", 5)):
        folder.begin(incarnation, number)
    assert folder.read(3) is None
    folder.present.remove(4)
    assert folder.read(5) == 4


def test_a_file_without_a_head_is_missing_only_if_the_next_of_an_incarnation_names_it() -> None:
    folder = Folder()
    for incarnation, number in (("a", 3), ("a", 4), ("b", 5), ("a", 6)):
        folder.begin(incarnation, number)
    assert folder.read(3) is None
    folder.trail.pass_headless(4)
    assert [folder.read(5), folder.read(6)] == [None, 4]


def test_a_damaged_head_that_has_its_row_is_not_missing_too() -> None:
    folder = Folder()
    for number in (3, 4, 5):
        folder.begin("a", number)
    assert folder.read(3) is None
    folder.trail.pass_headless(4)
    folder.trail.pass_damaged(4)
    assert folder.read(5) is None


def test_what_is_remembered_of_incarnations_stays_small() -> None:
    folder = Folder()
    for number in range(1, 200):
        folder.begin(f"i{number}", number)
        assert folder.read(number) is None
    assert len(folder.trail.newest_of) < 20
