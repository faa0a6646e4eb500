"""Of what a late source brings, only what was received in an outage, and is not stored next to it, is missing."""

from collector.domain.past_outage import NEXT_KEPT, Known, PastOutage, borders

SEC = 1_000_000


def outage(before: list[Known] | None = None, after: list[Known] | None = None) -> PastOutage:
    return PastOutage("silence", "disconnect", 10 * SEC, 20 * SEC, [(10 * SEC, 20 * SEC)], before or [], after or [])


def test_ids_that_rise_are_missing_between_those_on_both_sides() -> None:
    found = outage([Known(7, 9 * SEC)], [Known(12, 21 * SEC)])
    assert [id_ for id_ in range(5, 15) if found.takes_id(id_, rises=True)] == [8, 9, 10, 11]
    assert found.taken == [8, 9, 10, 11]


def test_ids_in_no_order_are_missing_unless_they_are_stored_next_to_it() -> None:
    found = outage([Known(7, 9 * SEC)], [Known(3, 21 * SEC)])
    assert [id_ for id_ in (1, 3, 7, 9) if found.takes_id(id_, rises=False)] == [1, 9]


def test_a_message_without_an_id_is_missing_once_whichever_lines_bring_it() -> None:
    found = outage()
    assert found.takes_content(b"one", 11 * SEC, 1, [2], 40 * SEC)
    assert not found.takes_content(b"one", 11 * SEC, 2, [1], 40 * SEC)
    assert found.takes_content(b"one", 12 * SEC, 1, [2], 40 * SEC)


def test_beyond_a_border_nothing_is_missing_unless_what_is_stored_there_is_known() -> None:
    few, many = [Known(1, 9 * SEC)], [Known(id_, 10 * SEC - id_) for id_ in range(NEXT_KEPT)]
    assert [outage(few).is_near(at) for at in (9 * SEC - 1, 9 * SEC, 20 * SEC, 21 * SEC + 1)] == [
        False,
        True,
        True,
        False,
    ]
    assert [outage(sorted(many, key=lambda known: known.at_us)).is_near(at) for at in (9 * SEC, 10 * SEC)] == [
        False,
        True,
    ]


def test_the_messages_next_to_a_stretch_are_the_newest_before_and_the_first_after_it() -> None:
    stored = [Known(at, at * SEC) for at in range(1, 40)]
    before, after = borders(stored, 10 * SEC, 20 * SEC)
    assert [known.name for known in before] == list(range(11 - NEXT_KEPT, 11))
    assert [known.name for known in after] == list(range(20, 20 + NEXT_KEPT))


def test_what_a_source_covered_after_all_is_left_no_more() -> None:
    found = outage()
    assert found.cover((0, 15 * SEC))
    assert not found.cover((0, 15 * SEC))
    assert found.left == [(15 * SEC, 20 * SEC)]
    assert found.cover((15 * SEC, 30 * SEC))
    assert found.left == []
