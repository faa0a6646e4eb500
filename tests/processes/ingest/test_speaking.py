"""What ingest says on a connection beside its first requests, and what it makes of answers and compressed frames."""

import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from websockets.frames import Opcode

from collector.exchanges.adapter import Keepalive, Request
from collector.processes.ingest import takeover
from collector.storage.journal.format import RecordKind
from tests.feed.servers import Server, close_frame, wire
from tests.processes.ingest.ingest_harness import PlainAdapter, Recording, wait_for
from tests.processes.ingest.talking import TalkingAdapter, recording_of, texts

Start = Callable[..., Recording]


@pytest.fixture
def start(tmp_path: Path, server: Server) -> Iterator[Start]:
    with ExitStack() as stack:

        def start(adapter: PlainAdapter, **options: Any) -> Recording:
            return stack.enter_context(recording_of(tmp_path, server.url, adapter, **options))

        yield start


def test_a_question_on_the_connection_is_replied_to(start: Start, server: Server) -> None:
    start(TalkingAdapter())
    peer = server.accept(wire(b"ask one"), wire(b"BTCUSDT 1"), wire(b"ask two"))

    assert texts(peer, 2) == ["answer one", "answer two"]


def test_a_compressed_question_is_replied_to_and_kept_as_it_came(start: Start, server: Server) -> None:
    recording = start(TalkingAdapter())
    asked = zlib.compress(b"ask one")
    peer = server.accept(wire(asked, Opcode.BINARY))

    assert texts(peer, 1) == ["answer one"]
    assert recording.frames() == [asked]
    assert recording.records(RecordKind.FRAMES)[0].binary == [0]


def test_compressed_data_counts_as_data_of_its_stream(start: Start, server: Server) -> None:
    start(TalkingAdapter(), first_data_timeout_secs=86_400)
    old = server.accept(wire(b"shutdown"))
    server.accept(wire(zlib.compress(b"BTCUSDT 1"), Opcode.BINARY))

    assert old.receive().opcode == Opcode.CLOSE


def test_a_binary_frame_that_cannot_be_read_is_no_data(
    start: Start, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.processes.ingest.process.REPORT_SECS", 0.05)
    recording = start(TalkingAdapter())
    server.accept(wire(b"\x00\x01", Opcode.BINARY))
    wait_for(lambda: recording.frames() == [b"\x00\x01"])
    seen = len(recording.reports)
    wait_for(lambda: len(recording.reports) > seen + 2)

    assert [line.last_data_us for line in recording.reports[-1].lines] == [None]
    assert recording.reports[-1].control == 0


def test_a_client_that_speaks_in_time_is_not_dropped(start: Start, server: Server) -> None:
    start(TalkingAdapter(keepalive=Keepalive("ping", 0.1)))
    peer = server.accept()
    peer.sock.settimeout(30.0)

    assert texts(peer, 20) == ["ping"] * 20


def test_after_a_drop_the_next_connection_begins_its_own_keepalive(start: Start, server: Server) -> None:
    adapter = TalkingAdapter([Request("subscribe")], keepalive=Keepalive("ping", 0.05))
    start(adapter)
    for _ in range(2):
        peer = server.accept()
        assert texts(peer, 3) == ["subscribe", "ping", "ping"]
        peer.reset()
    server.accept()

    wait_for(lambda: adapter.conversations == 3)


def test_heartbeats_are_no_life_of_a_stream(start: Start, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.processes.ingest.process.REPORT_SECS", 0.05)
    recording = start(TalkingAdapter(), first_data_timeout_secs=0.3)
    peer = server.accept()
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(0.02):
            peer.send(wire(b"heartbeat"))

    beating = threading.Thread(target=beat)
    beating.start()
    wait_for(lambda: recording.events("stream_never_spoke"))
    stop.set()
    beating.join()

    assert recording.reports[-1].lines[0].last_data_us is None


def test_a_request_with_several_answers_is_answered_by_all_of_them(
    start: Start, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.processes.ingest.process.REPORT_SECS", 0.05)
    recording = start(TalkingAdapter([Request("first", answers=3), Request("second", answers=2)]))
    old = server.accept(wire(b"BTCUSDT 1"), wire(b"shutdown"))
    new = server.accept(wire(b"BTCUSDT 2"))
    assert texts(new, 2) == ["first", "second"]
    new.send(wire(b"ack") * 4, wire(b"BTCUSDT 3"))
    wait_for(lambda: b"BTCUSDT 3" in recording.frames())
    seen = len(recording.reports)
    wait_for(lambda: len(recording.reports) > seen + 5)
    assert [line.state for line in recording.reports[-1].lines] == ["open", "open"]

    new.send(wire(b"ack"))
    assert texts(old, 2) == ["first", "second"]
    assert old.receive().opcode == Opcode.CLOSE


def test_an_exchange_that_never_answers_keeps_no_second_connection(
    start: Start, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(takeover, "ANSWER_SECS", 0.2)
    start(TalkingAdapter([Request("first", answers=100)]))
    old = server.accept(wire(b"BTCUSDT 1"), wire(b"shutdown"))
    server.accept(wire(b"BTCUSDT 2"))

    assert old.receive().data == b"first"
    assert old.receive().opcode == Opcode.CLOSE


def test_nothing_is_replied_on_a_connection_that_is_being_closed(start: Start, server: Server) -> None:
    recording = start(TalkingAdapter())
    peer = server.accept(wire(b"BTCUSDT 1"))
    wait_for(recording.frames)
    recording.begin_stop()
    assert peer.receive().opcode == Opcode.CLOSE
    peer.send(wire(b"ask late"), close_frame())
    recording.join()

    assert b"ask late" in recording.frames()
    with pytest.raises(EOFError):
        peer.receive()


def test_exchanges_with_one_budget_count_their_attempts_together(tmp_path: Path, server: Server, start: Start) -> None:
    start(TalkingAdapter(limits=TalkingAdapter().limits._replace(budget="shared")))
    server.accept(wire(b"BTCUSDT 1"))

    wait_for((tmp_path / "run/connections-shared.json").exists)
    assert not (tmp_path / "run/connections-talking.json").exists()
