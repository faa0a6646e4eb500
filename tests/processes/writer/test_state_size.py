"""The state in a commit does not grow with the outages before it."""

from collections.abc import Iterator
from itertools import product

import pytest

from collector.domain.sequence import hole_rules
from collector.domain.sequence.hole_rules import (
    MAX_REQUESTED_HOLES,
    MAX_REQUESTED_HOLES_IN_ALL,
    MIN_REQUESTED_HOLES,
    max_requested,
)
from collector.processes.writer.gaps.feed_state import LOOK_US
from tests.processes.writer.outage_world import Outages
from tests.processes.writer.processor_world import ProcessorWorld
from tests.processes.writer.writer_harness import START_NS, trade

START_US = START_NS // 1_000
LAG_SECS = 40


def test_committed_state_does_not_grow_with_outages() -> None:
    """The long form, with 3,000 streams and 1,000 outages, is `tests/bench/bench_state.py`."""
    outages = Outages(30)
    first, *_, last = (outages.outage(pause_secs=60) for _ in range(40))
    assert last <= 2 * first
    assert all(len(stream.dedup.progress.holes) <= 1 for stream in outages.world.streams)


def test_a_requested_hole_is_kept_until_it_is_answered() -> None:
    outages = Outages(3, answered=False)
    outages.outage(pause_secs=600)
    assert [len(stream.dedup.progress.holes) for stream in outages.world.streams] == [1, 0, 0]
    outages._answer()
    outages._pass(60)
    assert [len(stream.dedup.progress.holes) for stream in outages.world.streams] == [0, 0, 0]


@pytest.mark.parametrize("streams", [1, 2, 30, 3_000, 100_000])
def test_requested_holes_are_bounded_over_all_streams(streams: int) -> None:
    assert MIN_REQUESTED_HOLES <= max_requested(streams) <= MAX_REQUESTED_HOLES
    assert streams * max_requested(streams) <= max(MAX_REQUESTED_HOLES_IN_ALL, streams * MIN_REQUESTED_HOLES)


def test_unanswered_holes_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hole_rules, "MAX_REQUESTED_HOLES_IN_ALL", 1)
    outages = Outages(3, answered=False)
    for _ in range(2 * MIN_REQUESTED_HOLES):
        outages.outage(pause_secs=60)
    held = [hole for stream in outages.world.streams for hole in stream.dedup.progress.holes]
    # Those found since the last look at how many there are come on top.
    assert MIN_REQUESTED_HOLES <= len(held) <= MIN_REQUESTED_HOLES + 1
    lost = [row for row in outages.world.latest().values() if row.stream_type == "agg_trade" and row.status != "open"]
    assert [row.status for row in lost] == ["unrepairable"] * (2 * MIN_REQUESTED_HOLES - len(held))


def world_of_trades() -> ProcessorWorld:
    return ProcessorWorld("binance", ("BTCUSDT",), ("trade",), repaired=False)


@pytest.mark.parametrize("stood_still_at", [None, 1, 299, 320, 380, 420, 480, 620, 660, 680, 900])
@pytest.mark.parametrize("lag_secs", [8.0, LAG_SECS - 0.1])
def test_a_line_that_lags_behind_forgotten_holes_loses_nothing(lag_secs: float, stood_still_at: int | None) -> None:
    """Ten messages a second; each line loses some, some are lost on both; the process may pause for a minute."""
    sent = range(1, 1_500)
    lost = [{100, 101, *range(300, 305), 310, 311}, {101, *range(303, 312)}]

    def arrivals() -> Iterator[tuple[float, int, int]]:
        for id_, line in product(sent, (0, 1)):
            after_secs = id_ / 10 + line * lag_secs
            if stood_still_at is not None and stood_still_at / 10 <= after_secs < stood_still_at / 10 + 60:
                # What came meanwhile is read when it goes on, one line after the other.
                after_secs = stood_still_at / 10 + 60
            if id_ not in lost[line]:
                yield after_secs, line, id_

    world = world_of_trades()
    for after_secs, line, id_ in sorted(arrivals()):
        world.receive(START_US + round(after_secs * 1e6), [trade(id_)], line)
    world.commit()
    stored = [id_ for _, id_ in world.messages]
    assert (len(stored), set(stored)) == (len(set(stored)), set(sent) - (lost[0] & lost[1]))
    assert [stream.dedup.progress.holes for stream in world.streams] == [[]]


@pytest.mark.parametrize("restarts", [False, True])
def test_a_hole_is_forgotten_as_soon_by_a_writer_that_is_restarted(*, restarts: bool) -> None:
    world = world_of_trades()
    world.receive(START_US, [trade(1), trade(5)])
    held = []
    for half in range(1, 25):
        world.receive(START_US + half * LOOK_US // 2, [trade(5 + half)])
        world.commit()
        if restarts:
            world.restart()
        held.append(sum(len(stream.dedup.progress.holes) for stream in world.streams))
    assert held == [1] * 17 + [0] * 7


def test_a_message_for_a_forgotten_hole_is_stored() -> None:
    world = world_of_trades()
    world.receive(START_US, [trade(1), trade(5)])
    for tick in range(20):
        world.receive(START_US + tick * LOOK_US, [trade(6 + tick)])
    assert [len(stream.dedup.progress.holes) for stream in world.streams] == [0]
    world.receive(START_US + 21 * LOOK_US, [trade(3)])
    world.commit()
    assert (1, 3) in world.messages


def test_a_step_of_the_clock_ages_a_hole_only_once() -> None:
    world = world_of_trades()
    world.receive(START_US, [trade(1), trade(5)])
    for step in range(10):
        day_us = 86_400_000_000 * (step % 2)
        world.receive(START_US - day_us + step, [trade(6 + step)])
    (stream,) = world.streams
    assert len(stream.dedup.progress.holes) == 1
