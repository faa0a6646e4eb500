"""A stream is uncovered only while no source carries it, in whichever order the sources tell of it."""

from itertools import pairwise
from random import Random
from typing import Final

import pytest

from collector.domain.coverage import EVER, LIVES_KEPT, Coverage, Stretch, without

UNTIL: Final = 60


def covered_of(stretches: list[Stretch]) -> set[int]:
    return {at for since, until in stretches for at in range(since, min(until, UNTIL))}


@pytest.mark.parametrize("seed", range(200))
def test_what_is_left_of_a_stretch_is_what_no_other_covers(seed: int) -> None:
    random = Random(seed)
    borders = [sorted(random.sample(range(UNTIL), 2)) for _ in range(random.randint(0, 6))]
    others = [(since, until) for since, until in borders]
    left = without((10, 50), others)
    assert covered_of(left) == set(range(10, 50)) - covered_of(others)
    assert all(before[1] < after[0] for before, after in pairwise(left))


def lives(random: Random) -> list[Stretch]:
    """When a source carries the stream."""
    at, found = random.randint(1, 6), list[Stretch]()
    while at < UNTIL and len(found) < LIVES_KEPT:
        until = at + random.randint(1, 12)
        found.append((at, until))
        at = until + random.randint(1, 6)
    return found


def told_uncovered(random: Random, told: dict[str, list[Stretch]], *, in_order: bool) -> set[int]:
    """What comes out while the sources are read: in the order of time, or in any."""
    coverage, found, offline = Coverage(), list[Stretch](), 0
    events = {name: [(at, kind) for life in ones for kind, at in enumerate(life)] for name, ones in told.items()}
    for name in told:
        # All have begun before any is read on.
        coverage.begin(name, events[name].pop(0)[0])
    while left := {name: ahead[0] for name, ahead in events.items() if ahead}:
        name = min(left, key=left.__getitem__) if in_order else random.choice(list(left))
        at, kind = events[name].pop(0)
        if kind == 0:
            coverage.begin(name, at)
            found += [(offline, at)] * (0 < offline < at)
            offline = 0
            continue
        ended = coverage.end(name, [(at, EVER)])
        found += [stretch for stretch in ended if stretch[1] < EVER]
        offline = next((since for since, until in ended if until == EVER), offline)
    return covered_of([*found, (offline, EVER)] if offline else found)


@pytest.mark.parametrize("seed", range(150))
def test_the_stretches_that_no_source_covered_come_out_whichever_is_read_first(seed: int) -> None:
    random = Random(seed)
    told = {name: lives(random) for name in ("f@a", "f@b", "f@c")[: random.randint(1, 3)]}
    begun = min(ones[0][0] for ones in told.values())
    covered = covered_of([life for ones in told.values() for life in ones])
    expected = set(range(begun, UNTIL)) - covered
    assert told_uncovered(random, told, in_order=True) == expected
    # What a source that is read late covered was told as missing before.
    assert told_uncovered(random, told, in_order=False) >= expected


def test_a_connection_that_was_dead_before_the_other_source_ended_leaves_it_uncovered_from_that_end_on() -> None:
    coverage = Coverage()
    coverage.begin("f@a", 10)
    coverage.begin("f@b", 10)
    assert coverage.end("f@b", [(30, EVER)]) == []
    assert coverage.end("f@a", [(20, EVER)]) == [(30, EVER)]


def test_a_source_that_came_back_before_the_other_turned_out_to_be_dead_was_missed_in_between() -> None:
    coverage = Coverage()
    coverage.begin("f@a", 10)
    coverage.begin("f@b", 10)
    assert coverage.end("f@b", [(30, EVER)]) == []
    coverage.begin("f@b", 40)
    assert coverage.end("f@a", [(20, EVER)]) == [(30, 40)]
    assert coverage.end("f@b", [(50, EVER)]) == [(50, EVER)]


def test_a_dead_stretch_of_one_source_is_none_where_the_other_stood() -> None:
    coverage = Coverage()
    coverage.begin("f@a", 10)
    coverage.begin("f@b", 15)
    assert coverage.end("f@a", [(12, 20)]) == [(12, 15)]
    assert coverage.sources == {"f@a": 20, "f@b": 15}


def test_earlier_times_are_kept_only_while_another_source_may_tell_of_them() -> None:
    coverage = Coverage()
    coverage.begin("f@a", 10)
    for at in range(100, 200, 2):
        coverage.begin("f@b", at)
        coverage.end("f@b", [(at + 1, EVER)])
    assert len(coverage.lives) == LIVES_KEPT
    coverage.end("f@a", [(300, EVER)])
    coverage.begin("f@b", 310)
    coverage.begin("f@a", 310)
    coverage.end("f@a", [(320, EVER)])
    assert coverage.lives == [(310, 320)]
