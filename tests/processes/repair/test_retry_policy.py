"""Refused requests are tried again for as long as the refusal may pass."""

import pytest

from collector.processes.repair.retry_policy import FORBIDDEN_SECS, FORBIDDEN_TRIES, MAX_DELAY_SECS, TRIES, RetryPolicy


@pytest.mark.parametrize("status", [400, 451])
@pytest.mark.parametrize("never_give_up", [False, True])
def test_permanent_refusals_are_given_up_at_once(status: int, never_give_up: bool) -> None:
    assert RetryPolicy().retry_delay_secs("a", status, 0.0, never_give_up=never_give_up) is None


@pytest.mark.parametrize("status", [200, 302, 404, 407, 410])
def test_other_failures_are_retried_with_growing_delays_then_given_up(status: int) -> None:
    policy = RetryPolicy()
    waits = [policy.retry_delay_secs("a", status, 0.0, never_give_up=False) for _ in range(TRIES)]
    assert waits == [10, 30, 90, 270, 810, None]


def test_a_403_is_given_up_after_many_tries_over_a_day() -> None:
    policy = RetryPolicy()
    many = [policy.retry_delay_secs("a", 403, 60.0 * n, never_give_up=False) for n in range(2 * FORBIDDEN_TRIES)]
    assert None not in many
    assert many[-1] == 2_430
    assert policy.retry_delay_secs("a", 403, FORBIDDEN_SECS - 1, never_give_up=False) is not None
    assert policy.retry_delay_secs("a", 403, FORBIDDEN_SECS, never_give_up=False) is None
    few = RetryPolicy()
    few.retry_delay_secs("a", 403, 0.0, never_give_up=False)
    assert few.retry_delay_secs("a", 403, FORBIDDEN_SECS, never_give_up=False) is not None


def test_never_give_up_ends_only_at_permanent_refusals() -> None:
    policy = RetryPolicy()
    waits = [
        policy.retry_delay_secs("a", status, 3_600.0 * n, never_give_up=True)
        for n in range(50)
        for status in (403, 404)
    ]
    assert all(wait is not None and wait <= MAX_DELAY_SECS for wait in waits)


def test_an_answer_resets_the_tries() -> None:
    policy = RetryPolicy()
    for _ in range(TRIES - 1):
        policy.retry_delay_secs("a", 404, 0.0, never_give_up=False)
    assert (policy.is_first_unread("a"), policy.is_first_unread("a")) == (True, False)
    policy.forget("a")
    assert policy.retry_delay_secs("a", 404, 0.0, never_give_up=False) == 10
    assert policy.is_first_unread("a")
