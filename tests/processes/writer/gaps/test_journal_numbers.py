"""Which journal file numbers show that a file is missing."""

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
