"""A line that lags behind another for long is replaced; one that lags a little, or for a moment, is not."""

from itertools import pairwise
from pathlib import Path

import pytest

from collector.processes.ingest import line_lag
from collector.processes.ingest.line_lag import (
    FEWEST,
    LAG_SECS,
    LONGEST_SECS,
    PATIENCE_SECS,
    QUIET_SECS,
    SAMPLE_SECS,
    Lagging,
    LineLag,
)
from collector.storage.journal.format import RecordKind
from tests.feed.servers import Server, wire
from tests.processes.ingest.ingest_harness import Recording, wait_for


def replaced_at(lagging: Lagging, first: float, count: int, *, every: float = 10.0) -> list[float]:
    """When a line is replaced whose frames come late, every so many seconds."""
    times = [first + number * every for number in range(count)]
    return [now for now in times if lagging.note(LAG_SECS, now)]


def test_a_line_is_replaced_once_it_has_lagged_for_long() -> None:
    assert replaced_at(Lagging(), 100.0, 7) == [100.0 + PATIENCE_SECS]


def test_a_few_late_frames_are_no_lag_however_far_apart() -> None:
    assert replaced_at(Lagging(), 0.0, FEWEST - 1, every=PATIENCE_SECS) == []


def test_one_frame_in_time_ends_the_lag() -> None:
    lagging = Lagging()
    for number in range(100):
        assert not lagging.note(LAG_SECS - 0.1 if number % 6 == 5 else 60.0, number * 10.0)


def test_a_line_that_goes_on_lagging_is_replaced_less_and_less_often() -> None:
    lagging = Lagging()
    times = replaced_at(lagging, 0.0, 10_000, every=1.0)
    between = [later - earlier for earlier, later in pairwise(times)]
    assert between == sorted(between)
    assert between[0] >= 2 * PATIENCE_SECS
    assert between[-1] == pytest.approx(LONGEST_SECS, abs=2)
    begins = times[-1] + LONGEST_SECS + QUIET_SECS
    assert not lagging.note(0.0, begins - 1)
    assert replaced_at(lagging, begins, 7) == [begins + PATIENCE_SECS]


def both(lag: LineLag) -> LineLag:
    for line in (0, 1):
        lag.opened(line + 1, line)
    return lag


def test_the_line_behind_is_replaced_and_the_one_ahead_is_not() -> None:
    lag, due = both(LineLag()), []
    for number in range(100):
        frame, at = b"%d" % number, number * 10.0
        due += [(0, at)] if lag.note(0, [frame], at, may_sample=True) else []
        due += [(1, at)] if lag.note(1, [b"x", frame], at + 6.0, may_sample=False) else []
    assert [line for line, _ in due] == [1] * len(due)
    assert due[0][1] == PATIENCE_SECS


def test_a_frame_that_the_other_line_lost_is_given_up() -> None:
    lag = both(LineLag())
    lag.note(0, [b"lost"], 0.0, may_sample=True)
    lag.note(0, [b"next"], SAMPLE_SECS, may_sample=True)
    for number in range(FEWEST):
        at = SAMPLE_SECS + number * PATIENCE_SECS
        lag.note(0, [b"%d" % number], at, may_sample=True)
        is_due = lag.note(1, [b"next", b"%d" % number], at + LAG_SECS, may_sample=False)
    assert is_due


def test_frames_are_compared_only_while_several_lines_are_open() -> None:
    lag = LineLag()
    lag.opened(1, 0)
    lag.opened(2, 0)
    assert not lag.is_shared
    lag.opened(3, 1)
    assert lag.is_shared
    lag.closed(3)
    assert not lag.is_shared


def test_a_lagging_line_is_replaced_by_a_connection_beside_it(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"LAG_SECS": 0.0, "PATIENCE_SECS": 0.0, "FEWEST": 2}.items():
        monkeypatch.setattr(line_lag, name, value)
    recording = Recording(tmp_path, server.url, lines=2)
    ahead, behind = server.accept(), server.accept()
    for number in range(4):
        for count, peer in enumerate((ahead, behind), 1):
            peer.send(wire(b"BTCUSDT %d" % number))
            wait_for(lambda count=count, number=number: len(recording.frames()) == 2 * number + count)  # type: ignore[misc]
    successor = server.accept(wire(b"BTCUSDT 4"))
    wait_for(lambda: recording.records(RecordKind.DISCONNECT))

    (ended,) = recording.records(RecordKind.DISCONNECT)
    assert (ended.line, ended.info["reason"]) == (1, "renewed")
    assert [record.line for record in recording.records(RecordKind.CONNECT)] == [0, 1, 1]
    assert recording.events("renewing")[0]["why"] == "it lags behind another line"
    assert successor.request
    recording.begin_stop()
    recording.join()
