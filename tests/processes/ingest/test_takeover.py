import pytest

from collector.processes.ingest.takeover import ANSWER_SECS, has_taken_over


def test_a_connection_without_requests_brings_all_once_it_brings_data() -> None:
    assert not has_taken_over(has_data=False, unsent=0, unanswered=0, since_sent_secs=0.0)
    assert has_taken_over(has_data=True, unsent=0, unanswered=0, since_sent_secs=0.0)


@pytest.mark.parametrize(("unsent", "unanswered"), [(2, 3), (1, 1), (0, 1)])
def test_a_request_that_waits_to_be_sent_or_answered_may_be_for_a_stream_that_is_not_brought(
    unsent: int, unanswered: int
) -> None:
    assert not has_taken_over(has_data=True, unsent=unsent, unanswered=unanswered, since_sent_secs=ANSWER_SECS / 2)


def test_an_answer_that_does_not_come_is_not_waited_for_for_ever() -> None:
    assert has_taken_over(has_data=True, unsent=0, unanswered=1, since_sent_secs=ANSWER_SECS)
    assert not has_taken_over(has_data=True, unsent=1, unanswered=1, since_sent_secs=ANSWER_SECS)
    assert not has_taken_over(has_data=False, unsent=0, unanswered=1, since_sent_secs=ANSWER_SECS)
