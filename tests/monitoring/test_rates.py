from collector.monitoring.rates import STEP_SECS, STEPS, RateHistory


def history_of(*totals: int) -> RateHistory:
    history = RateHistory()
    for index, total in enumerate(totals):
        history.note(index * STEP_SECS, total)
    return history


def test_before_the_first_step_is_over_nothing_is_known() -> None:
    history = history_of(7)
    history.note(STEP_SECS / 2, 9)
    assert (history.per_sec(), history.rates()) == (None, [])


def test_every_step_has_its_rate() -> None:
    history = history_of(0, 50, 50, 150)
    assert history.rates() == [10.0, 0.0, 20.0]


def test_the_present_rate_is_that_of_the_last_two_steps() -> None:
    assert history_of(0, 50).per_sec() == 10.0
    assert history_of(0, 0, 100, 100).per_sec() == 10.0


def test_looks_within_a_step_are_passed_over() -> None:
    history = history_of(0, 50)
    history.note(STEP_SECS * 1.5, 10_000)
    assert history.rates() == [10.0]


def test_only_the_last_minutes_are_kept() -> None:
    assert len(history_of(*range(3 * STEPS)).rates()) == STEPS
