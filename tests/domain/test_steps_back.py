"""A small step back is another host's clock; a large one puts nothing off."""

from collector.domain.steps_back import MOST_US, has_passed


def test_a_time_has_passed_when_it_is_over_or_the_clock_was_set_back_far() -> None:
    spans = (-MOST_US - 1, -MOST_US, 0, 9, 10)
    assert [has_passed(10, 100, 100 + span) for span in spans] == [True, False, False, False, True]
