import pytest

from collector.processes.ingest.takeover import ANSWER_SECS, has_taken_over


def test_without_requests_the_first_data_is_the_takeover() -> None:
    assert not has_taken_over(has_data=False, unsent=0, unanswered=0, since_sent_secs=0.0)
    assert has_taken_over(has_data=True, unsent=0, unanswered=0, since_sent_secs=0.0)


@pytest.mark.parametrize(("unsent", "unanswered"), [(2, 3), (1, 1), (0, 1)])
def test_unsent_and_unanswered_requests_delay_the_takeover(unsent: int, unanswered: int) -> None:
    assert not has_taken_over(has_data=True, unsent=unsent, unanswered=unanswered, since_sent_secs=ANSWER_SECS / 2)


def test_the_takeover_waits_a_minute_for_a_missing_answer() -> None:
    assert has_taken_over(has_data=True, unsent=0, unanswered=1, since_sent_secs=ANSWER_SECS)
    assert not has_taken_over(has_data=True, unsent=1, unanswered=1, since_sent_secs=ANSWER_SECS)
    assert not has_taken_over(has_data=False, unsent=0, unanswered=1, since_sent_secs=ANSWER_SECS)
