"""Which streams are waited for, for how long, and that they are reported once."""

from collector.domain.records import StreamKey
from collector.exchanges.adapter import ConnectionPlan
from collector.processes.ingest.first_data import FirstDataWatch

A, B, C = (StreamKey("x", symbol, "trade") for symbol in "ABC")
PLANS = {0: ConnectionPlan("u", (), (A, B)), 1: ConnectionPlan("v", (), (C,))}


def first_data() -> FirstDataWatch:
    return FirstDataWatch(PLANS, 60.0)


def test_streams_that_delivered_in_time_are_not_reported() -> None:
    watch = first_data()
    watch.pending(0).open_connections.add(1)
    watch.pending(1).open_connections.add(2)
    watch.pending(0).note_frames({B, None})
    assert list(watch.advance(59.0)) == []
    watch.pending(1).note_frames({C})
    assert list(watch.advance(1.0)) == [(0, [A])]
    assert watch.never_spoke == 1


def test_silent_streams_are_reported_once() -> None:
    watch = first_data()
    watch.pending(0).open_connections.add(1)
    assert list(watch.advance(60.0)) == [(0, [A, B])]
    assert not watch.pending(0).silent
    assert list(watch.advance(60.0)) == []


def test_only_time_with_an_open_connection_counts() -> None:
    watch = first_data()
    assert list(watch.advance(1_000.0)) == []
    watch.pending(1).open_connections.add(7)
    assert list(watch.advance(30.0)) == []
    watch.pending(1).open_connections.discard(7)
    assert list(watch.advance(1_000.0)) == []
    watch.pending(1).open_connections.add(8)
    assert list(watch.advance(30.0)) == [(1, [C])]


def test_a_second_try_has_a_plan_and_a_time_of_its_own() -> None:
    watch = first_data()
    number = watch.add(ConnectionPlan("w", (), (A,)), second_try=True)
    assert (number, watch.is_first_try(1), watch.is_first_try(number)) == (2, True, False)
    watch.pending(number).open_connections.add(1)
    assert list(watch.advance(60.0)) == [(2, [A])]
    assert watch.never_spoke == 0


def test_a_plan_that_joins_later_is_a_first_try_and_takes_the_next_number() -> None:
    watch = first_data()
    numbers = [watch.add(ConnectionPlan("w", (), (A,)), second_try=second_try) for second_try in (True, False)]
    assert numbers == [2, 3]
    assert watch.next_number == 4
    assert [watch.is_first_try(number) for number in range(4)] == [True, True, False, True]


def test_streams_that_left_are_not_waited_for() -> None:
    watch = first_data()
    watch.pending(0).open_connections.add(1)
    watch.forget({A})
    assert list(watch.advance(60.0)) == [(0, [B])]
