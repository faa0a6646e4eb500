"""What is refused is asked again for as long as it may pass."""

import pytest

from collector.processes.repair.retry_policy import FORBIDDEN_SECS, FORBIDDEN_TRIES, LONGEST_SECS, TRIES, RetryPolicy


@pytest.mark.parametrize("status", [400, 451])
@pytest.mark.parametrize("never_give_up", [False, True])
def test_what_is_refused_for_good_is_never_asked_again(status: int, never_give_up: bool) -> None:
    assert RetryPolicy().retry_delay_secs("a", status, 0.0, never_give_up=never_give_up) is None


@pytest.mark.parametrize("status", [200, 302, 404, 407, 410])
def test_other_refusals_and_what_cannot_be_read_have_some_tries_ever_less_often(status: int) -> None:
    patience = RetryPolicy()
    waits = [patience.retry_delay_secs("a", status, 0.0, never_give_up=False) for _ in range(TRIES)]
    assert waits == [10, 30, 90, 270, 810, None]


def test_a_firewall_is_believed_after_many_tries_over_a_day() -> None:
    patience = RetryPolicy()
    many = [patience.retry_delay_secs("a", 403, 60.0 * n, never_give_up=False) for n in range(2 * FORBIDDEN_TRIES)]
    assert None not in many
    assert many[-1] == 2_430
    assert patience.retry_delay_secs("a", 403, FORBIDDEN_SECS - 1, never_give_up=False) is not None
    assert patience.retry_delay_secs("a", 403, FORBIDDEN_SECS, never_give_up=False) is None
    few = RetryPolicy()
    few.retry_delay_secs("a", 403, 0.0, never_give_up=False)
    assert few.retry_delay_secs("a", 403, FORBIDDEN_SECS, never_give_up=False) is not None


def test_hope_for_a_book_ends_only_where_there_is_none() -> None:
    patience = RetryPolicy()
    waits = [
        patience.retry_delay_secs("a", status, 3_600.0 * n, never_give_up=True)
        for n in range(50)
        for status in (403, 404)
    ]
    assert all(wait is not None and wait <= LONGEST_SECS for wait in waits)


def test_an_answer_ends_the_count() -> None:
    patience = RetryPolicy()
    for _ in range(TRIES - 1):
        patience.retry_delay_secs("a", 404, 0.0, never_give_up=False)
    assert (patience.is_first_unread("a"), patience.is_first_unread("a")) == (True, False)
    patience.forget("a")
    assert patience.retry_delay_secs("a", 404, 0.0, never_give_up=False) == 10
    assert patience.is_first_unread("a")
