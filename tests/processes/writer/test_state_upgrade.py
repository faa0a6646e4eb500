"""State of an older version is upgraded step by step."""

from collector.processes.writer.state_upgrade import upgraded
from collector.storage.segment.file_format import FIRST_STATE_VERSION, STATE_VERSION
from collector.storage.segment.state import EMPTY_STATE, SegmentState


def test_every_older_version_is_upgraded_to_the_present_one() -> None:
    for version in range(FIRST_STATE_VERSION, STATE_VERSION + 1):
        assert upgraded(EMPTY_STATE._replace(version=version)).version == STATE_VERSION


def test_each_step_is_taken_once_and_in_order() -> None:
    def step(name: str, state: SegmentState) -> SegmentState:
        return state._replace(feeds={**state.feeds, name: str(len(state.feeds)).encode()})

    steps = {1: lambda state: step("one", state), 2: lambda state: step("two", state)}
    old = EMPTY_STATE._replace(version=1)
    assert upgraded(old, steps) == old._replace(version=3, feeds={"one": b"0", "two": b"1"})
    assert upgraded(old._replace(version=2), steps).feeds == {"two": b"0"}
    assert upgraded(old._replace(version=3), steps).feeds == {}
