"""What stalls without a word is noticed, and replaced beside what still stands."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.frames import Opcode

from collector.config.model import SilenceConfig
from collector.processes.ingest import keepalive, line_silence
from collector.storage.journal.format import RecordKind
from tests.feed.servers import Peer, Server, close_frame, speak, wire
from tests.processes.ingest.ingest_harness import PlainAdapter, Recording, wait_for

Start = Callable[..., Recording]


@pytest.fixture
def start(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    monkeypatch.setattr(line_silence, "CHECK_SECS", 0.05)
    begun: list[Recording] = []

    def start(**options: Any) -> Recording:
        begun.append(Recording(tmp_path, server.url, **{"symbols": ("A", "B"), **options}))
        return begun[-1]

    yield start
    for recording in begun:
        recording.begin_stop()


def happened(recording: Recording) -> list[tuple[str, int]]:
    """Which connection opened and ended, in this order."""
    records = recording.records(RecordKind.CONNECT, RecordKind.DISCONNECT)
    return [(record.kind.name, record.info["connection"]) for record in records]


def asked(peer: Peer) -> Opcode:
    """What the next frame is that it is sent, pings left out."""
    while (came := peer.receive()).opcode == Opcode.PING:
        pass
    return Opcode(came.opcode)


@pytest.fixture
def soon_doubted(monkeypatch: pytest.MonkeyPatch) -> float:
    """A timeout within which a connection is doubted after a second, and dead after a minute."""
    monkeypatch.setattr(keepalive, "PING_AFTER", 0.005)
    monkeypatch.setattr(keepalive, "DOUBT_AFTER", 0.015)
    return 60.0


def test_a_connection_that_answers_no_ping_is_replaced_before_it_is_dead(
    start: Start, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keepalive, "PING_AFTER", 0.05)
    monkeypatch.setattr(keepalive, "DOUBT_AFTER", 0.1)
    recording = start(stale_timeout_secs=8.0)
    server.accept(wire(b"A 1"), wire(b"B 1"))
    beside = server.accept(wire(b"A 2"), wire(b"B 2"))
    quiet = speak(beside, b"A 3")
    wait_for(lambda: recording.records(RecordKind.DISCONNECT))
    quiet.set()

    assert happened(recording)[:3] == [("CONNECT", 1), ("CONNECT", 2), ("DISCONNECT", 1)]
    ended = recording.records(RecordKind.DISCONNECT)[0].info
    assert ended["reason"] == "silent"
    assert ended["alive_ns"] < time.time_ns() - 7_000_000_000, "all since its last word may be missing"
    assert 0.7 <= recording.events("connection_unanswering")[0]["silent_secs"] < 8.0


def test_what_was_only_delayed_is_read_before_a_replaced_connection_is_closed(
    start: Start, server: Server, soon_doubted: float
) -> None:
    recording = start(stale_timeout_secs=soon_doubted)
    delayed = server.accept(wire(b"A 1"), wire(b"B 1"))
    beside = server.accept(wire(b"A 5"), wire(b"B 5"))
    wait_for(lambda: b"B 5" in recording.frames())
    beside.send(wire(b"A 6"))
    wait_for(lambda: b"A 6" in recording.frames())
    delayed.send(wire(b"A 2"), wire(b"A 3"), wire(b"A 4"))
    assert asked(delayed) == Opcode.CLOSE
    delayed.send(close_frame())
    wait_for(lambda: recording.records(RecordKind.DISCONNECT))

    assert {b"A 2", b"A 3", b"A 4"} <= set(recording.frames())
    assert recording.records(RecordKind.DISCONNECT)[0].info["reason"] == "renewed"


def test_a_connection_that_answers_late_stays_if_the_other_brings_nothing(
    start: Start, server: Server, soon_doubted: float
) -> None:
    recording = start(stale_timeout_secs=soon_doubted, first_data_timeout_secs=0.5)
    slow = server.accept(wire(b"A 1"))
    beside = server.accept()
    slow.send(wire(b"", Opcode.PONG))
    assert asked(beside) == Opcode.CLOSE
    beside.send(close_frame())
    wait_for(lambda: ("DISCONNECT", 2) in happened(recording))
    slow.send(wire(b"A 2"))
    wait_for(lambda: b"A 2" in recording.frames())

    assert ("DISCONNECT", 1) not in happened(recording)


def test_a_dead_connection_leaves_its_plan_to_the_one_that_is_being_opened_beside_it(
    start: Start, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keepalive, "PING_AFTER", 0.1)
    monkeypatch.setattr(keepalive, "DOUBT_AFTER", 0.2)
    recording = start(stale_timeout_secs=2.0, base_delay_secs=600.0)
    server.accept(wire(b"A 1"))
    wait_for(lambda: recording.records(RecordKind.DISCONNECT))
    server.accept(wire(b"A 2"))
    wait_for(lambda: b"A 2" in recording.frames())

    assert happened(recording)[:3] == [("CONNECT", 1), ("DISCONNECT", 1), ("CONNECT", 2)]
    assert recording.records(RecordKind.DISCONNECT)[0].info["reason"] == "silent"


def test_a_quiet_connection_that_answers_is_never_doubted(start: Start, server: Server, soon_doubted: float) -> None:
    recording = start(stale_timeout_secs=soon_doubted)
    quiet = server.accept(wire(b"A 1"))
    for _ in range(5):
        came = quiet.receive()
        quiet.send(wire(came.data, Opcode.PONG))
    quiet.send(wire(b"A 2"))
    wait_for(lambda: b"A 2" in recording.frames())

    assert happened(recording) == [("CONNECT", 1)]


def test_an_acknowledged_subscription_that_brings_nothing_is_tried_on_another_connection(
    start: Start, server: Server
) -> None:
    adapter = PlainAdapter(messages=("subscribe",))
    recording = start(adapter=adapter, silence=SilenceConfig(min_secs=0.2, max_secs=600.0))
    deaf = server.accept(wire(b"ack"), wire(b"A 1"))
    quiet = speak(deaf, b"A 2")
    beside = server.accept(wire(b"ack"), wire(b"A 3"))
    wait_for(lambda: b"A 3" in recording.frames())
    assert ("DISCONNECT", 1) not in happened(recording)

    beside.send(wire(b"B 1"))
    wait_for(lambda: ("DISCONNECT", 1) in happened(recording))
    quiet.set()
    assert recording.events("streams_overdue")[0]["streams"] == ["B trade"]
    assert recording.records(RecordKind.DISCONNECT)[0].info["reason"] == "renewed"


def test_a_stream_that_falls_silent_on_a_living_connection_is_replaced(start: Start, server: Server) -> None:
    recording = start(silence=SilenceConfig(min_secs=0.2, max_secs=600.0))
    living = server.accept(wire(b"B 1"))
    quiet = speak(living, b"A 1")
    beside = server.accept(wire(b"A 2"), wire(b"B 2"))
    wait_for(lambda: ("DISCONNECT", 1) in happened(recording))
    quiet.set()
    beside.send(wire(b"B 3"))
    wait_for(lambda: b"B 3" in recording.frames())

    assert happened(recording)[:3] == [("CONNECT", 1), ("CONNECT", 2), ("DISCONNECT", 1)]
