"""An overdue stream gets a second connection beside the first, which is kept only if it brings the stream."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from websockets.frames import Opcode

from collector.config.model import SilenceConfig
from collector.domain.records import StreamKey
from collector.domain.silence import Bounds
from collector.processes.ingest import line_silence
from collector.processes.ingest.connection_trial import ConnectionTrial
from collector.processes.ingest.line_silence import LineSilence, TrialSchedule
from collector.storage.journal.format import RecordKind
from tests.feed.servers import Server, close_frame, speak, wire
from tests.processes.ingest.ingest_harness import LIMITS, PlainAdapter, Recording, wait_for

A, B = (StreamKey("plain", symbol, "trade") for symbol in "AB")
BOUNDS = Bounds(300.0, 30.0, 14_400.0)
HOUR = 3600.0


def tries(random: float = 1.0) -> TrialSchedule:
    return TrialSchedule(60.0, 300.0, 4 * HOUR, lambda: random)


class Quiet:
    """A line whose two streams speak every so many seconds, looked at as a session does."""

    def __init__(self, **every_secs: float) -> None:
        self.silence = LineSilence((A, B), BOUNDS, tries())
        self.silence.connection_opened(1, 0.0)
        self.every = {A: every_secs["a"], B: every_secs["b"]}
        self.now = 0.0
        self.tried: list[tuple[float, frozenset[StreamKey]]] = []

    def run(self, secs: float) -> None:
        until = self.now + secs
        while self.now < until:
            self.now += 1.0
            self.silence.note_frames({key for key, secs in self.every.items() if self.now % secs == 0}, self.now)
            if self.now % line_silence.CHECK_SECS == 0 and (wanted := self.silence.streams_to_try(self.now)):
                self.tried.append((self.now, wanted))
                self.silence.note_failed_trial(wanted, self.now + 60.0)


def test_a_trade_every_three_minutes_is_never_overdue() -> None:
    line = Quiet(a=180.0, b=180.0)
    line.run(6 * HOUR)
    assert line.tried == []


def test_changed_limits_count_at_once_and_what_was_learned_stays() -> None:
    line = Quiet(a=30.0, b=30.0)
    line.run(600.0)
    line.every[A] = float("inf")
    line.run(110.0)
    assert line.tried == []
    line.silence.change_limits(Bounds(60.0, 5.0, 60.0), tries())
    line.run(10.0)
    assert [wanted for _, wanted in line.tried] == [{A}]
    assert line.silence.streams_to_try(line.now + 1.0) == frozenset(), "the other one speaks"


def test_a_stream_that_falls_silent_is_tried_soon_then_less_often() -> None:
    line = Quiet(a=1.0, b=1.0)
    line.run(600.0)
    line.every[B] = float("inf")
    line.run(24 * HOUR)
    at = [when - 600.0 for when, wanted in line.tried if wanted == {B}]
    assert len(at) == len(line.tried)
    assert 30.0 <= at[0] <= 40.0
    pauses = [later - earlier - 60.0 for earlier, later in pairwise(at)]
    assert pauses[:4] == [60.0, 120.0, 240.0, 480.0]
    assert max(pauses) == 4 * HOUR


def test_a_silent_connection_is_tried_again_at_least_every_five_minutes() -> None:
    line = Quiet(a=1.0, b=2.0)
    line.run(600.0)
    line.every = dict.fromkeys((A, B), float("inf"))
    line.run(6 * HOUR)
    assert {wanted for _, wanted in line.tried} == {frozenset({A, B})}
    pauses = [later[0] - earlier[0] - 60.0 for earlier, later in pairwise(line.tried)]
    assert pauses[:4] == [60.0, 120.0, 240.0, 300.0]
    assert max(pauses) == 300.0


def test_a_newly_overdue_stream_is_tried_at_once() -> None:
    line = Quiet(a=1.0, b=1.0)
    line.run(600.0)
    line.every[B] = float("inf")
    line.run(20 * HOUR)
    before = len(line.tried)
    line.every[A] = float("inf")
    line.run(400.0)
    assert {A, B} in [wanted for _, wanted in line.tried[before:]]


def test_time_without_a_connection_is_no_silence() -> None:
    line = Quiet(a=1.0, b=1.0)
    line.run(600.0)
    line.silence.connection_closed(1)
    line.now += HOUR
    line.silence.connection_opened(2, line.now)
    line.run(20.0)
    assert line.tried == []


def test_streams_from_another_address_are_not_overdue() -> None:
    line = Quiet(a=1.0, b=float("inf"))
    line.silence.stop_watching([B])
    line.run(4 * HOUR)
    assert line.tried == []


def test_a_trial_is_decided_once() -> None:
    kept, given_up = ConnectionTrial([A]), ConnectionTrial([A])
    assert (kept.keep(), kept.give_up(), kept.is_pending, kept.is_given_up) == (True, False, False, False)
    assert (kept.is_kept, given_up.is_kept) == (True, False)
    assert (given_up.give_up(), given_up.keep(), given_up.is_pending, given_up.is_given_up) == (
        True,
        False,
        False,
        True,
    )


Start = Callable[..., Recording]
SOON = SilenceConfig(min_secs=0.2, max_secs=600.0)
"""A stream is overdue after 2 s before its rhythm is known."""


@pytest.fixture
def start(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    monkeypatch.setattr(line_silence, "CHECK_SECS", 0.05)
    begun: list[Recording] = []

    def start(**options: Any) -> Recording:
        options = {"symbols": ("A", "B"), "silence": SOON, "first_data_timeout_secs": 0.5, **options}
        begun.append(Recording(tmp_path, server.url, **options))
        return begun[-1]

    yield start
    for recording in begun:
        recording.begin_stop()


def ended(recording: Recording) -> dict[int, str]:
    return {record.info["connection"]: record.info["reason"] for record in recording.records(RecordKind.DISCONNECT)}


def test_a_server_that_answers_but_sends_no_data_is_replaced(start: Start, server: Server) -> None:
    recording = start()
    stuck = server.accept(wire(b"A 1"), wire(b"B 1"))
    beside = server.accept()
    wait_for(lambda: len(recording.records(RecordKind.CONNECT)) == 2)
    stuck.send(wire(b"heartbeat"))
    wait_for(lambda: b"heartbeat" in recording.frames())
    assert ended(recording) == {}

    beside.send(wire(b"B 2"), wire(b"A 2"))
    assert stuck.receive().opcode == Opcode.CLOSE
    stuck.send(wire(b"A 3"), close_frame())
    wait_for(lambda: ended(recording) == {1: "renewed"})
    beside.send(wire(b"A 4"))
    wait_for(lambda: b"A 4" in recording.frames())

    assert set(recording.frames()) == {b"A 1", b"B 1", b"heartbeat", b"B 2", b"A 2", b"A 3", b"A 4"}
    assert [record.info["plan"] for record in recording.records(RecordKind.CONNECT)] == [0, 0]
    assert {record.line for record in recording.records(RecordKind.CONNECT)} == {0}
    assert recording.events("streams_overdue")[0]["streams"] == ["A trade", "B trade"]


def test_a_trial_that_brings_nothing_is_given_up(start: Start, server: Server) -> None:
    recording = start()
    first = server.accept(wire(b"A 1"), wire(b"B 1"))
    for _ in range(2):
        beside = server.accept()
        assert beside.receive().opcode == Opcode.CLOSE
        beside.send(close_frame())
    first.send(wire(b"A 2"))
    wait_for(lambda: b"A 2" in recording.frames())

    assert 1 not in ended(recording)
    assert set(ended(recording).values()) == {"trial"}
    assert recording.frames() == [b"A 1", b"B 1", b"A 2"]


def test_a_trial_that_brings_none_of_the_overdue_streams_is_given_up(start: Start, server: Server) -> None:
    recording = start()
    first = server.accept(wire(b"B 1"))
    quiet = speak(first, b"A 1")
    beside = server.accept(wire(b"A 2"))
    while (came := beside.receive()).opcode != Opcode.CLOSE:
        assert came.opcode == Opcode.PING
    beside.send(wire(b"A 3"))  # it was on its way
    wait_for(lambda: b"A 3" in recording.frames())
    beside.send(close_frame())
    wait_for(lambda: ended(recording) == {2: "trial"})
    server.accept(wire(b"A 4"))  # the first one is still there, and B is overdue on it
    wait_for(lambda: b"A 4" in recording.frames())
    quiet.set()

    assert 1 not in ended(recording)
    assert recording.events("line_without_reader") == []


def test_a_trial_must_bring_the_stream_that_fell_silent(start: Start, server: Server) -> None:
    recording = start(first_data_timeout_secs=600.0)
    first = server.accept(wire(b"B 1"))
    quiet = speak(first, b"A 1")
    beside = server.accept(wire(b"A 2"))
    wait_for(lambda: b"A 2" in recording.frames())
    beside.send(wire(b"A 3"))
    wait_for(lambda: b"A 3" in recording.frames())
    assert ended(recording) == {}
    assert recording.events("streams_overdue")[0]["streams"] == ["B trade"]

    beside.send(wire(b"B 2"))
    wait_for(lambda: ended(recording) == {1: "renewed"})
    quiet.set()


def test_a_trial_is_kept_when_the_first_connection_ends(start: Start, server: Server) -> None:
    recording = start(first_data_timeout_secs=600.0)
    first = server.accept(wire(b"A 1"))
    beside = server.accept()
    wait_for(lambda: len(recording.records(RecordKind.CONNECT)) == 2)
    first.hang_up()
    wait_for(lambda: ended(recording) == {1: "lost"})
    beside.send(wire(b"A 2"))
    wait_for(lambda: b"A 2" in recording.frames())
    beside.hang_up()
    server.accept(wire(b"A 3"))
    wait_for(lambda: b"A 3" in recording.frames())

    assert [record.info["connection"] for record in recording.records(RecordKind.CONNECT)] == [1, 2, 3]


def test_a_trial_is_kept_when_the_first_connection_is_due_for_renewal(start: Start, server: Server) -> None:
    recording = start(first_data_timeout_secs=600.0)
    first = server.accept(wire(b"A 1"))
    beside = server.accept()
    wait_for(lambda: len(recording.records(RecordKind.CONNECT)) == 2)
    first.send(wire(b"shutdown"))
    wait_for(lambda: recording.events("renewing"))
    beside.send(wire(b"noise"), wire(b"A 2"))
    assert first.receive().opcode == Opcode.CLOSE
    first.send(close_frame())
    wait_for(lambda: ended(recording) == {1: "renewed"})

    assert len(recording.records(RecordKind.CONNECT)) == 2


def test_a_trial_does_not_wait_for_the_connection_limit(start: Start, server: Server) -> None:
    adapter = PlainAdapter(limits=LIMITS._replace(connections=1, window_secs=300))
    recording = start(adapter=adapter)
    first = server.accept(wire(b"A 1"))
    wait_for(lambda: len(recording.events("streams_overdue")) >= 2)
    first.send(wire(b"A 2"))
    wait_for(lambda: b"A 2" in recording.frames())

    assert ended(recording) == {}
    assert len(recording.records(RecordKind.CONNECT)) == 1
