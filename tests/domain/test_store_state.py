from collections.abc import Iterator
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from collector.domain.store_state import Change, State, StoreState


def delays(state: State) -> Iterator[float]:
    """10, 20, 30, ... for a store that is away, always 100 for one that refuses."""
    return iter(10.0 * number for number in count(1)) if state == "away" else iter(lambda: 100.0, None)


def secs_to_wait(store: StoreState, now: float) -> float:
    """Seconds until a try may begin."""
    return 0.0 if store.may_ask(now) else store._retry_at - now


def test_a_store_that_fails_gets_one_try_at_a_time_with_growing_delays() -> None:
    store = StoreState(delays)
    assert (store.is_there, store.may_ask(0.0)) == (True, True)
    assert store.failed(5.0, 4.0, "no route", refused=False) == Change("away", "no route", 0.0, 1)
    assert (store.state, store.error, store.may_ask(14.9), store.may_ask(15.0)) == ("away", "no route", False, True)
    assert store.failed(16.0, 15.0, "still none", refused=False) is None, "no change, nothing to say"
    assert (store.error, secs_to_wait(store, 16.0), store.away_secs(17.0)) == ("still none", 20.0, 12.0)


def test_what_a_store_is_like_is_known_from_the_first_try_on() -> None:
    answering, failing = StoreState(delays), StoreState(delays)
    assert (answering.is_known, failing.is_known) == (False, False)
    answering.succeeded(1.0, 0.0)
    failing.failed(1.0, 0.0, "no route", refused=False)
    assert (answering.is_known, failing.is_known) == (True, True)


def test_a_store_that_is_back_says_how_long_and_how_many_tries_it_took() -> None:
    store = StoreState(delays)
    store.failed(5.0, 4.0, "no route", refused=False)
    store.failed(15.0, 15.0, "no route", refused=False)
    assert store.succeeded(36.0, 35.0) == Change("there", None, 31.0, 2)
    assert (store.is_there, store.error, store.away_secs(40.0)) == (True, None, 0.0)
    store.failed(50.0, 50.0, "no route", refused=False)
    assert secs_to_wait(store, 50.0) == 10.0, "it begins anew"


def test_a_refusal_is_another_state_with_delays_of_its_own() -> None:
    store = StoreState(delays)
    store.failed(0.0, 0.0, "no route", refused=False)
    assert store.failed(10.0, 10.0, "forbidden", refused=True) == Change("refusing", "forbidden", 10.0, 2)
    assert secs_to_wait(store, 10.0) == 100.0
    assert store.failed_tries == {"away": 1, "refusing": 1}
    assert store.succeeded(110.0, 110.0) == Change("there", None, 110.0, 2)


def test_tries_that_were_begun_together_count_as_one_failure() -> None:
    store = StoreState(delays)
    for ended in (5.0, 5.1, 5.2):
        store.failed(ended, 4.0, "no route", refused=False)
    assert secs_to_wait(store, 5.2) == 9.8
    assert store.failed_tries["away"] == 3


def test_a_try_begun_before_a_failure_does_not_prove_the_store_is_back() -> None:
    store = StoreState(delays)
    store.failed(5.0, 4.0, "slow down", refused=False)
    assert store.succeeded(5.1, 4.5) is None
    assert store.state == "away"


def test_a_store_can_be_tried_at_once_if_there_is_no_time() -> None:
    store = StoreState(delays)
    store.failed(0.0, 0.0, "no route", refused=False)
    store.failed(10.0, 10.0, "no route", refused=False)
    store.hasten(11.0)
    assert store.may_ask(11.0)
    store.failed(12.0, 11.0, "no route", refused=False)
    assert secs_to_wait(store, 12.0) == 10.0


def test_a_failed_request_is_at_fault_if_a_later_one_succeeded() -> None:
    store = StoreState(delays)
    assert not store.is_own_trouble(5.0), "nothing is known of the store yet"
    store.succeeded(7.0, 4.0)
    assert not store.is_own_trouble(5.0), "that was asked before, and the store may have gone since"
    store.succeeded(8.0, 6.0)
    assert store.is_own_trouble(5.0)
    store.failed(9.0, 8.0, "no route", refused=False)
    assert not store.is_own_trouble(5.0)


@given(st.lists(st.tuples(st.sampled_from(["ok", "away", "refusing"]), st.floats(0, 1_000)), max_size=40))
def test_a_change_is_returned_exactly_when_the_state_changes(tries: list[tuple[str, float]]) -> None:
    store, now = StoreState(delays), 0.0
    for outcome, later_secs in tries:
        now, before = now + later_secs, store.state
        if outcome == "ok":
            change = store.succeeded(now, now)
        else:
            change = store.failed(now, now, outcome, refused=outcome == "refusing")
        assert (change is not None) == (store.state != before)
        assert store.is_there == (store.error is None)
        assert store.is_there or secs_to_wait(store, now) > 0
