"""After a refusal, streams that stay silent are subscribed one by one: a refused symbol never sinks the others."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from websockets.frames import Opcode

from collector.domain.records import StreamKey
from collector.exchanges.adapter import ConnectionPlan, Request
from collector.processes.ingest.refused_request import RefusedRequest
from tests.feed.servers import Server, wire
from tests.processes.ingest.ingest_harness import Recording, wait_for
from tests.processes.ingest.talking import FAST, TalkingAdapter, recording_of, texts

SYMBOLS = ("A", "B", "C", "D")
KEYS = tuple(StreamKey("plain", symbol, "trade") for symbol in SYMBOLS)

Start = Callable[..., Recording]


@pytest.fixture
def start(tmp_path: Path, server: Server) -> Iterator[Start]:
    with ExitStack() as stack:

        def start(adapter: TalkingAdapter, **options: Any) -> Recording:
            chosen = {"symbols": SYMBOLS, "first_data_timeout_secs": 0.3} | options
            return stack.enter_context(recording_of(tmp_path, server.url, adapter, **chosen))

        yield start


def refused(*keys: StreamKey) -> RefusedRequest:
    """A request was refused at 100 s, where first data may take 60 s."""
    watch = RefusedRequest(ConnectionPlan("", (), keys), 60.0)
    watch.note_refused(100.0)
    return watch


def test_only_what_stays_silent_is_subscribed_again_and_only_once() -> None:
    watch = refused(*KEYS)
    watch.note_frames({KEYS[1], None})

    assert watch.due(159.9) == []
    watch.note_frames({KEYS[3]})
    assert watch.due(160.0) == [KEYS[0], KEYS[2]]
    watch.note_refused(170.0)
    assert watch.due(1e9) == []
    assert not watch.silent


def test_requests_that_are_still_being_sent_have_their_full_time() -> None:
    watch = refused(*KEYS)
    watch.wait_from(150.0)

    assert watch.due(209.9) == []
    assert watch.due(210.0) == list(KEYS)


def test_a_refusal_that_comes_late_gives_every_stream_its_full_time() -> None:
    watch = RefusedRequest(ConnectionPlan("", (), KEYS), 60.0)
    watch.note_frames({KEYS[0]})
    watch.note_settled()
    assert not watch.silent
    watch.note_refused(1_000.0)
    watch.note_frames({KEYS[1]})

    assert watch.due(1_060.0) == [KEYS[0], *KEYS[2:]]


def test_streams_that_spoke_before_the_refusal_are_not_waited_for() -> None:
    watch = RefusedRequest(ConnectionPlan("", (), KEYS), 60.0)
    watch.note_frames({KEYS[0], KEYS[1]})
    watch.note_refused(100.0)

    assert watch.is_pending
    assert watch.due(160.0) == [KEYS[2], KEYS[3]]
    assert not watch.is_pending


def test_without_a_refusal_nothing_is_subscribed_again() -> None:
    watch = RefusedRequest(ConnectionPlan("", (), KEYS), 60.0)
    watch.wait_from(1.0)

    assert watch.due(1e9) == []


def test_a_single_stream_has_nothing_to_be_taken_apart() -> None:
    assert refused(KEYS[0]).due(1e9) == []


def test_a_refused_symbol_does_not_sink_the_others(start: Start, server: Server) -> None:
    recording = start(TalkingAdapter([Request("all")]))
    peer = server.accept()
    assert texts(peer, 1) == ["all"]
    peer.send(wire(b"error"))
    assert texts(peer, 4) == ["apart A", "apart B", "apart C", "apart D"]
    peer.send(wire(b"ack"), wire(b"error"), wire(b"ack"), wire(b"ack"), *[wire(f"{name} 1".encode()) for name in "ACD"])

    wait_for(lambda: {b"A 1", b"C 1", b"D 1"} <= set(recording.frames()))
    assert recording.events("subscribing_apart")[0]["count"] == 4
    assert len(recording.events("subscribing_apart")) == 1


def test_streams_that_speak_are_left_alone(start: Start, server: Server) -> None:
    start(TalkingAdapter([Request("all")]), first_data_timeout_secs=1.0)
    peer = server.accept(wire(b"error"), wire(b"A 1"), wire(b"C 1"))

    assert texts(peer, 3) == ["all", "apart B", "apart D"]


def test_single_topics_keep_to_the_pace(start: Start, server: Server) -> None:
    start(TalkingAdapter([Request("all")], limits=FAST._replace(requests_per_hour=3)))
    peer = server.accept(wire(b"error"))
    assert texts(peer, 3) == ["all", "apart A", "apart B"]
    peer.sock.settimeout(0.5)

    with pytest.raises(TimeoutError):
        texts(peer, 1)


def test_what_was_subscribed_alone_is_not_subscribed_again(start: Start, server: Server) -> None:
    start(TalkingAdapter([Request("apart A"), Request("B, C and D")]))
    peer = server.accept(wire(b"error"))

    assert texts(peer, 5) == ["apart A", "B, C and D", "apart B", "apart C", "apart D"]


def test_each_connection_falls_back_by_itself(start: Start, server: Server) -> None:
    start(TalkingAdapter([Request("all")]))
    for _ in range(2):
        peer = server.accept(wire(b"error"))
        assert texts(peer, 2) == ["all", "apart A"]
        peer.reset()


def test_the_old_connection_stays_until_the_single_topics_are_answered(start: Start, server: Server) -> None:
    start(TalkingAdapter([Request("all")]), symbols=("A", "B"), first_data_timeout_secs=1.0)
    old = server.accept(wire(b"ack"), wire(b"A 1"), wire(b"B 1"), wire(b"shutdown"))
    new = server.accept(wire(b"error"), wire(b"A 2"))
    assert texts(new, 2) == ["all", "apart B"]
    old.send(wire(b"B 2"))
    new.send(wire(b"ack"), wire(b"B 3"))

    assert texts(old, 1) == ["all"]
    assert old.receive().opcode == Opcode.CLOSE
