"""A renewal loses nothing: both connections stay open until the new one brings every stream."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.frames import Opcode

from collector.config.model import SilenceConfig
from collector.exchanges.binance import Binance
from collector.processes.ingest import takeover
from collector.simulator.server import Options
from collector.storage.journal.format import RecordKind
from tests.feed.servers import Server, close_frame, speak, wire
from tests.processes.ingest.ingest_harness import LIMITS, PlainAdapter, Recording, wait_for
from tests.simulator.running import Running

SYMBOLS = tuple(f"A{number:03}USDT" for number in range(350))
"""Of which a connection asks for 100 in its URL, and for the others in two requests."""

Start = Callable[..., Recording]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    begun: list[Recording] = []

    def start(url: str, **options: Any) -> Recording:
        begun.append(Recording(tmp_path, url, **options))
        return begun[-1]

    yield start
    for recording in begun:
        recording.begin_stop()


def asking(*messages: str) -> PlainAdapter:
    return PlainAdapter(limits=LIMITS._replace(messages_per_sec=1_000), messages=messages)


def states(recording: Recording) -> dict[int, str]:
    lines = recording.reports[-1].lines if recording.reports else []
    return {line.connection: line.state for line in lines if line.connection is not None}


def test_the_old_connection_closes_once_all_new_requests_are_answered(
    start: Start, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.processes.ingest.process.REPORT_SECS", 0.05)
    recording = start(server.url, adapter=asking("first", "second"))
    old = server.accept(wire(b"old 1"), wire(b"shutdown"))
    new = server.accept(wire(b"new 1"), wire(b"ack"))
    assert [new.receive().data, new.receive().data] == [b"first", b"second"]
    new.send(wire(b"new 2"))
    wait_for(lambda: b"new 2" in recording.frames())
    seen = len(recording.reports)
    wait_for(lambda: len(recording.reports) > seen + 5)
    assert states(recording) == {1: "open", 2: "open"}

    new.send(wire(b"error"))
    assert [old.receive().data, old.receive().data] == [b"first", b"second"]
    assert old.receive().opcode == Opcode.CLOSE
    old.send(wire(b"old 2"), close_frame())
    wait_for(lambda: recording.records(RecordKind.DISCONNECT))

    assert recording.records(RecordKind.DISCONNECT)[0].info["reason"] == "renewed"
    assert b"old 2" in recording.frames()
    told = [(record.connection, frame) for record in recording.records(RecordKind.FRAMES) for frame in record.frames]
    assert {number for number, frame in told if frame.startswith(b"old")} == {1}
    assert {number for number, frame in told if frame.startswith(b"new")} == {2}


def test_a_missing_answer_does_not_keep_two_connections(
    start: Start, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(takeover, "ANSWER_SECS", 0.2)
    start(server.url, adapter=asking("request"))
    old = server.accept(wire(b"old"), wire(b"shutdown"))
    server.accept(wire(b"new"))

    assert old.receive().data == b"request"
    assert old.receive().opcode == Opcode.CLOSE


def test_a_second_replacement_closes_all_earlier_connections(start: Start, server: Server) -> None:
    start(server.url, adapter=asking("request"))
    first = server.accept(wire(b"1"), wire(b"shutdown"))
    second = server.accept(wire(b"2"), wire(b"shutdown"))
    third = server.accept(wire(b"3"))
    third.receive()
    third.send(wire(b"ack"))

    for left in (first, second):
        assert left.receive().data == b"request"
        assert left.receive().opcode == Opcode.CLOSE


def test_the_old_connection_stays_until_the_new_one_brings_every_stream(start: Start, server: Server) -> None:
    recording = start(server.url, symbols=("A", "B"))
    old = server.accept(wire(b"A 1"), wire(b"B 1"), wire(b"shutdown"))
    new = server.accept(wire(b"A 2"))
    wait_for(lambda: b"A 2" in recording.frames())
    old.send(wire(b"B 2"))
    wait_for(lambda: b"B 2" in recording.frames())
    assert recording.records(RecordKind.DISCONNECT) == []

    new.send(wire(b"B 3"))
    assert old.receive().opcode == Opcode.CLOSE
    assert recording.events("renewed_with_silent_streams") == []


def test_a_symbol_that_may_be_silent_for_hours_keeps_no_second_connection(start: Start, server: Server) -> None:
    start(server.url, symbols=("A", "B"), silence=SilenceConfig(min_secs=2 * takeover.LONGEST_OVERLAP_SECS))
    old = server.accept(wire(b"A 1"), wire(b"B 1"), wire(b"shutdown"))
    server.accept(wire(b"A 2"))

    assert old.receive().opcode == Opcode.CLOSE


def test_a_stream_that_the_new_connection_never_brings_is_named_once_the_overlap_is_over(
    start: Start, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(takeover, "LONGEST_OVERLAP_SECS", 1.0)
    recording = start(server.url, symbols=("A", "B"), silence=SilenceConfig(min_secs=0.1))
    old = server.accept(wire(b"A 1"))
    speak(old, b"B 1")
    wait_for(lambda: b"B 1" in recording.frames())
    old.send(wire(b"shutdown"))
    server.accept(wire(b"A 2"))
    while (came := old.receive()).opcode != Opcode.CLOSE:
        assert came.opcode == Opcode.PING

    (told,) = recording.events("renewed_with_silent_streams")
    assert (told["count"], told["streams"]) == (1, ["B trade"])


def trade_ids(recording: Recording) -> dict[str, set[int]]:
    """By stream."""
    ids: dict[str, set[int]] = defaultdict(set)
    for frame in recording.frames():
        fields = json.loads(frame)
        if fields.get("stream", "").endswith("@trade"):
            ids[fields["stream"]].add(fields["data"]["t"])
    return ids


def test_no_trade_is_lost_when_a_large_connection_is_renewed(start: Start) -> None:
    exchange = Running(Options(symbols=(SYMBOLS[0], SYMBOLS[200], SYMBOLS[-1]), rate=200.0))
    recording = start(f"ws://127.0.0.1:{exchange.port}", adapter=Binance(), symbols=SYMBOLS)
    wait_for(lambda: len(trade_ids(recording)) == 3)
    exchange.fault(kind="shutdown", now=True, connection=1, secs=600)
    wait_for(lambda: recording.records(RecordKind.DISCONNECT))
    at_renewal = trade_ids(recording)
    wait_for(lambda: all(max(ids) > max(at_renewal[stream]) + 5 for stream, ids in trade_ids(recording).items()))
    recording.stop()
    exchange.stop()

    kept = trade_ids(recording)
    assert [{*range(min(ids), max(ids))} - ids for ids in kept.values()] == [set(), set(), set()]
    assert [ended.info["reason"] for ended in recording.records(RecordKind.DISCONNECT)] == ["renewed", "stopped"]
