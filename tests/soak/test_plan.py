"""The plan of a soak."""

import pytest

from tests.soak.plan import ACTIONS, EVERYTHING, HANG_TIMEOUT_SECS, KILL, STOP_CONTINUE, SUPERVISOR, TERM, plan

ROLES = ["ingest:books", "ingest:trades", "writer", "archiver"]


def test_the_same_seed_gives_the_same_plan_and_another_seed_another() -> None:
    assert plan(7, ROLES, 60, 100) == plan(7, ROLES, 60, 100)
    assert plan(7, ROLES, 60, 100) != plan(8, ROLES, 60, 100)


@pytest.mark.parametrize("seed", range(20))
def test_sixty_kills_reach_every_target_in_every_way(seed: int) -> None:
    steps = plan(seed, ROLES, 60, 100)
    assert sum(step.kills for step in steps) == 60
    done = {(step.action, step.target) for step in steps}
    assert {(action, target) for action in ACTIONS for target in [*ROLES, SUPERVISOR]} <= done
    assert (KILL, EVERYTHING) in done


def test_steps_are_ordered_in_time_and_within_the_run() -> None:
    moments = [step.at_secs for step in plan(3, ROLES, 60, 100)]
    assert moments == sorted(moments)
    assert moments[0] >= 0
    assert moments[-1] <= 100


def test_only_a_step_that_stops_has_a_hold_time() -> None:
    for step in plan(3, ROLES, 200, 100):
        assert (step.hold_secs > 0) == (step.action not in {KILL, TERM})


def test_some_stops_last_long_enough_to_be_taken_for_dead() -> None:
    holds = [step.hold_secs for step in plan(3, ROLES, 500, 100) if step.action == STOP_CONTINUE]
    assert 0 < sum(hold > HANG_TIMEOUT_SECS for hold in holds) < len(holds)
