"""When the publisher begins again from where storage is."""

from collector.processes.publish.rewinding import Rewinds


def test_the_stream_is_looked_at_when_the_place_has_stood_still_and_from_then_on_at_intervals() -> None:
    rewinds = Rewinds(4.0)
    assert [now for now in range(12) if rewinds.stands_still(float(now))] == [4, 8]
    rewinds.moved()
    assert [now for now in range(20, 25) if rewinds.stands_still(float(now))] == [24]


def test_each_rewind_that_brings_nothing_waits_twice_as_long_for_the_next() -> None:
    rewinds, begun = Rewinds(4.0), []
    for now in range(1_200):
        if rewinds.may_begin(float(now)):
            rewinds.begun(float(now))
            begun.append(now)
    assert begun == [0, 4, 12, 28, 60, 124, 252, 508, 808, 1108]
    rewinds.moved()
    assert rewinds.may_begin(1_200.0)
