import errno
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from websockets.frames import Opcode
from websockets.sync.server import ServerConnection, serve

from collector.config import Config, FeedConfig, JournalConfig
from collector.processes.context import Context
from collector.processes.disk_space import Space
from collector.processes.ingest import line_reader as readers_module
from collector.processes.ingest import process
from collector.processes.ingest import session as session_module
from collector.processes.ingest.orders import Orders
from collector.processes.journals import open_journal
from collector.storage.journal.format import RecordKind
from collector.storage.journal.writer import JournalWriter
from tests.feed.servers import Peer, Server, close_frame, meanwhile, wire
from tests.processes.ingest.ingest_harness import (
    DEADLINE_SECS,
    LIMITS,
    Bell,
    PlainAdapter,
    Recording,
    capturing_log,
    wait_for,
)

REAL_FRAMES = Path("../shared/data/frames/binance_spot/hftbacktest_btcusdt_20240808.jsonl.zst")
PLENTY = Space(free_bytes=1 << 40, journal_bytes=0, journal_files=1)
SPARSE = Space(free_bytes=0, journal_bytes=0, journal_files=1)

Start = Callable[..., Recording]


@pytest.fixture(autouse=True)
def _report_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.processes.ingest.process.REPORT_SECS", 0.05)


@pytest.fixture
def start(tmp_path: Path, server: Server) -> Iterator[Start]:
    begun: list[Recording] = []

    def start(**options: Any) -> Recording:
        begun.append(Recording(tmp_path, options.pop("url", server.url), **options))
        return begun[-1]

    yield start
    for recording in begun:
        recording.begin_stop()


def stop(recording: Recording, *peers: Peer) -> None:
    """Stop as an exchange answers it: the close frame is replied to."""
    recording.begin_stop()
    for peer in peers:
        while peer.receive().opcode != Opcode.CLOSE:
            pass
        peer.send(close_frame())
    recording.join()


def real_frames(count: int) -> list[bytes]:
    if not REAL_FRAMES.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{REAL_FRAMES} is missing")
        pytest.skip(f"no recorded frames at {REAL_FRAMES}")
    with pa.input_stream(str(REAL_FRAMES), compression="zstd") as stream:
        lines = stream.read().splitlines()
    return [entry["raw"].encode() for entry in map(json.loads, lines) if entry["dir"] == "in"][:count]


def test_real_frames_are_in_the_journal_byte_for_byte(start: Start) -> None:
    sent = real_frames(20_000)

    def handler(connection: ServerConnection) -> None:
        for frame in sent:
            connection.send(frame, text=True)
        connection.recv()

    with serve(handler, "127.0.0.1", 0, compression=None) as exchange:
        running = meanwhile(exchange.serve_forever)
        recording = start(url=f"ws://127.0.0.1:{exchange.socket.getsockname()[1]}/")
        wait_for(lambda: recording.reports and recording.reports[-1].frames == len(sent), "the last frame")
        recording.stop()
        exchange.shutdown()
        running.result(DEADLINE_SECS)

    assert recording.frames() == sent
    assert recording.reports[-1].bytes == sum(map(len, sent))


def test_odd_messages_are_recorded_whole_with_their_opcode(start: Start, server: Server) -> None:
    big = os.urandom(5_000_000)
    recording = start()
    peer = server.accept(wire(b"with the handshake"))
    peer.send(wire(b""), wire(b"\xff\xfe no utf-8"), wire(b"\x00\x01", Opcode.BINARY))
    peer.send(wire(b"in ", fin=False), wire(b"!", Opcode.PING), wire(b"pieces", Opcode.CONT), wire(big))
    wait_for(lambda: len(recording.frames()) == 6)
    stop(recording, peer)

    assert recording.frames() == [b"with the handshake", b"", b"\xff\xfe no utf-8", b"\x00\x01", b"in pieces", big]
    binary = [record.frames[index] for record in recording.records() for index in record.binary]
    assert binary == [b"\x00\x01"]


def test_whole_frames_are_in_the_journal_while_half_a_frame_is_pending(start: Start, server: Server) -> None:
    recording = start()
    peer = server.accept()
    peer.send(wire(b"one"), wire(b"two"), wire(b"half of me")[:6])

    wait_for(lambda: recording.frames() == [b"one", b"two"])


def test_a_connection_leaves_a_connect_and_a_disconnect_record(start: Start, server: Server) -> None:
    url = server.url.replace("ws://", "ws://user:secret@") + "?key=secret"
    recording = start(adapter=PlainAdapter([url]))
    peer = server.accept(wire(b"data"))
    wait_for(recording.frames)
    stop(recording, peer)

    connect, frames, disconnect, close = recording.records()
    assert [connect.kind, frames.kind, disconnect.kind, close.kind] == [
        RecordKind.CONNECT,
        RecordKind.FRAMES,
        RecordKind.DISCONNECT,
        RecordKind.CLOSE,
    ]
    assert connect.info == {"connection": 1, "plan": 0, "url": f"{server.url}?key=***", "streams": 1}
    assert disconnect.info == {
        "connection": 1,
        "reason": "stopped",
        "cause": "restart",
        "text": "close frame 1000",
    }
    assert "secret" not in str(recording.logged)


def test_a_stop_records_frames_until_the_close_frame_is_answered(start: Start, server: Server) -> None:
    recording = start()
    peer = server.accept(wire(b"before"))
    wait_for(recording.frames)
    recording.begin_stop()
    assert peer.receive().opcode == Opcode.CLOSE
    peer.send(*(wire(b"on its way %d" % number) for number in range(100)), close_frame())
    recording.join()

    assert recording.frames() == [b"before", *(b"on its way %d" % number for number in range(100))]
    assert recording.records()[-1].kind is RecordKind.CLOSE


def test_a_stop_does_not_wait_long_for_a_peer_that_ignores_it(
    start: Start, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "CLOSE_SECS", 0.05)
    recording = start()
    server.accept(wire(b"data"))
    wait_for(recording.frames)
    recording.stop()

    (ended,) = recording.records(RecordKind.DISCONNECT)
    assert (ended.info["reason"], ended.info["text"]) == ("stopped", "the close frame was not answered")
    assert ended.info["alive_ns"] < time.time_ns()


def test_all_lines_are_closed_at_the_same_time(start: Start, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "CLOSE_SECS", 0.3)
    recording = start(lines=4)
    peers = [server.accept(wire(b"data")) for _ in range(4)]
    wait_for(lambda: len(recording.frames()) == 4)
    recording.begin_stop()

    assert [peer.receive().opcode for peer in peers] == [Opcode.CLOSE] * 4
    recording.join()
    assert sorted(record.line for record in recording.records(RecordKind.DISCONNECT)) == [0, 1, 2, 3]


@pytest.mark.parametrize("urls", [1, 3])
def test_each_line_carries_every_connection_of_the_plan(start: Start, server: Server, urls: int) -> None:
    adapter = PlainAdapter([f"{server.url}/{number}" for number in range(urls)])
    recording = start(adapter=adapter, lines=2)
    requests = sorted(server.accept(wire(b"data")).request.split(" ")[1] for _ in range(2 * urls))
    wait_for(lambda: len(recording.frames()) == 2 * urls)

    assert requests == sorted([f"/stream/{number}" for number in range(urls)] * 2)
    assert sorted(record.line for record in recording.records(RecordKind.FRAMES)) == [0] * urls + [1] * urls


def test_the_plans_messages_are_sent(start: Start, server: Server) -> None:
    start(adapter=PlainAdapter(messages=('{"id":1}', '{"id":2}')))
    peer = server.accept()

    assert [peer.receive().data, peer.receive().data] == [b'{"id":1}', b'{"id":2}']


@pytest.mark.parametrize(
    ("end", "reason", "text"),
    [
        (lambda peer: peer.send(close_frame(1001, "going away")), "closed", "close frame 1001 going away"),
        (lambda peer: peer.hang_up(), "lost", "the peer hung up without a close frame"),
        (lambda peer: peer.reset(), "lost", "ConnectionResetError"),
        (lambda peer: peer.send(b"\xf1\x01x"), "protocol", "rsv"),
    ],
)
def test_a_connection_that_ends_is_made_again_and_its_end_recorded(
    start: Start, server: Server, end: Callable[[Peer], None], reason: str, text: str
) -> None:
    recording = start()
    peer = server.accept(wire(b"first"))
    wait_for(recording.frames)
    end(peer)
    server.accept(wire(b"second"))
    wait_for(lambda: recording.frames() == [b"first", b"second"])

    (ended,) = recording.records(RecordKind.DISCONNECT)
    assert (ended.info["reason"], ended.info["cause"]) == (reason, "disconnect")
    assert text in ended.info["text"]
    assert ("alive_ns" in ended.info) == (reason != "closed"), "a close frame says that nothing is on its way"
    assert ended.info.get("alive_ns", 0) <= time.time_ns()
    assert [record.info["connection"] for record in recording.records(RecordKind.CONNECT)] == [1, 2]
    wait_for(lambda: recording.reports[-1].reconnects == 1)
    assert recording.reports[-1].disconnects == [(reason, 1)]


def test_a_connection_that_answers_no_ping_is_closed_and_reopened(start: Start, server: Server) -> None:
    recording = start(stale_timeout_secs=0.3)
    silent = server.accept()
    assert silent.receive().opcode == Opcode.PING
    assert silent.receive().opcode == Opcode.CLOSE
    server.accept(wire(b"data"))
    wait_for(recording.frames)

    wait_for(lambda: recording.records(RecordKind.DISCONNECT))
    ended = recording.records(RecordKind.DISCONNECT)[0]  # the second connection falls silent too
    assert ended.info["reason"] == "silent"


def test_a_connection_that_delivered_and_died_does_not_lengthen_the_delay(start: Start, server: Server) -> None:
    recording = start(stale_timeout_secs=0.1, base_delay_secs=0.01)
    for _ in range(12):
        server.accept()
    pauses = [entry["retry_secs"] for entry in recording.events("disconnected") if entry["reason"] == "silent"]
    assert len(pauses) >= 11
    assert max(pauses) <= 0.01


def test_a_line_without_a_reader_gets_another(start: Start, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(reader: readers_module.LineReader) -> bool:
        reader._has_successor = True
        return True

    monkeypatch.setattr(readers_module.LineReader, "_hands_over", lose)
    recording = start()
    server.accept(wire(b"first"), close_frame())
    wait_for(lambda: recording.frames() == [b"first"])
    server.accept(wire(b"second"))
    wait_for(lambda: recording.frames() == [b"first", b"second"])
    wait_for(lambda: [entry["plan"] for entry in recording.events("line_without_reader")] == [0])


def test_a_dead_connection_is_recorded_as_lost_since_its_last_pong(start: Start, server: Server) -> None:
    recording = start(stale_timeout_secs=1.0)
    peer = server.accept(wire(b"data"))
    wait_for(recording.frames)
    answered_ns = []
    for _ in range(3):
        ping = peer.receive()
        answered_ns.append(time.time_ns())
        peer.send(wire(ping.data, Opcode.PONG))
    assert [peer.receive().opcode, peer.receive().opcode] == [Opcode.PING, Opcode.CLOSE]
    wait_for(lambda: recording.records(RecordKind.DISCONNECT))

    ended = recording.records(RecordKind.DISCONNECT)[0].info
    assert (ended["reason"], ended["cause"]) == ("silent", "disconnect")
    assert answered_ns[-1] <= ended["alive_ns"] < time.time_ns() - 400_000_000


@pytest.mark.parametrize("sign", [wire(b"heartbeat"), wire(b"", Opcode.PING), wire(b"", Opcode.PONG)])
def test_a_connection_that_answers_pings_is_not_closed_without_data(start: Start, server: Server, sign: bytes) -> None:
    recording = start(stale_timeout_secs=1.0)
    peer = server.accept()
    until = time.monotonic() + 4.0
    while time.monotonic() < until:
        peer.send(sign)
        threading.Event().wait(0.05)
    peer.send(wire(b"data"))
    wait_for(lambda: b"data" in recording.frames())

    assert recording.records(RecordKind.DISCONNECT) == []


def test_rare_trades_on_a_connection_that_answers_pings_are_all_kept(start: Start, server: Server) -> None:
    recording = start(stale_timeout_secs=0.5)
    peer = server.accept()
    for number in range(9):
        asked = [answer(peer), answer(peer), answer(peer)]
        assert asked == [Opcode.PING] * 3
        peer.send(wire(b"trade %d" % number))
    wait_for(lambda: len(recording.frames()) == 9)

    assert recording.frames() == [b"trade %d" % number for number in range(9)]
    assert len(recording.records(RecordKind.CONNECT)) == 1
    assert recording.records(RecordKind.DISCONNECT) == []


def answer(peer: Peer) -> int:
    """What the client sends next; a ping is answered."""
    sent = peer.receive()
    if sent.opcode == Opcode.PING:
        peer.send(wire(sent.data, Opcode.PONG))
    return sent.opcode


def test_a_refused_subscription_is_logged_and_the_connection_stays(start: Start, server: Server) -> None:
    recording = start()
    peer = server.accept(wire(b"error"), wire(b"data"))
    wait_for(lambda: recording.frames() == [b"error", b"data"])
    stop(recording, peer)

    (refused,) = recording.events("subscription_refused")
    assert refused["text"] == "no such stream"
    assert (recording.reports[-1].subscriptions_refused, recording.reports[-1].control) == (1, 1)
    assert len(recording.records(RecordKind.CONNECT)) == 1


def test_a_renewal_opens_the_new_connection_before_it_closes_the_old(start: Start, server: Server) -> None:
    recording = start(adapter=PlainAdapter(limits=LIMITS._replace(lifetime_secs=1)))
    old = server.accept(wire(b"old 1"))
    new = server.accept()
    old.send(wire(b"old 2"))
    wait_for(lambda: recording.frames() == [b"old 1", b"old 2"])
    new.send(wire(b"heartbeat"))
    old.send(wire(b"old 3"))
    wait_for(lambda: len(recording.frames()) == 4)
    assert recording.records(RecordKind.DISCONNECT) == []

    new.send(wire(b"new 1"))
    assert old.receive().opcode == Opcode.CLOSE
    old.send(wire(b"old 4"), close_frame())
    wait_for(lambda: recording.records(RecordKind.DISCONNECT))
    new.send(wire(b"new 2"))
    wait_for(lambda: b"new 2" in recording.frames())

    assert [record.info["connection"] for record in recording.records(RecordKind.CONNECT)][:2] == [1, 2]
    ended = recording.records(RecordKind.DISCONNECT)[0].info
    assert (ended["connection"], ended["reason"]) == (1, "renewed")
    assert set(recording.frames()) == {b"old 1", b"old 2", b"old 3", b"old 4", b"heartbeat", b"new 1", b"new 2"}
    assert recording.reports[-1].reconnects == 0


def test_an_announced_shutdown_starts_a_renewal(start: Start, server: Server) -> None:
    recording = start()
    old = server.accept(wire(b"data"), wire(b"shutdown"), wire(b"shutdown"))
    new = server.accept(wire(b"new data"))
    assert old.receive().opcode == Opcode.CLOSE
    old.send(close_frame())
    wait_for(lambda: recording.records(RecordKind.DISCONNECT))
    stop(recording, new)

    assert recording.frames() == [b"data", b"shutdown", b"shutdown", b"new data"]
    assert len(recording.events("renewing")) == 1
    assert len(recording.records(RecordKind.CONNECT)) == 2


def test_a_renewal_goes_on_alone_if_the_old_connection_dies_first(start: Start, server: Server) -> None:
    recording = start()
    old = server.accept(wire(b"data"), wire(b"shutdown"))
    new = server.accept()
    old.hang_up()
    wait_for(lambda: recording.records(RecordKind.DISCONNECT))
    new.hang_up()
    server.accept(wire(b"third time lucky"))
    wait_for(lambda: b"third time lucky" in recording.frames())

    assert len(recording.records(RecordKind.CONNECT)) == 3


def test_the_writer_is_notified_of_appended_bytes(start: Start, server: Server) -> None:
    recording = start()
    peer = server.accept(wire(b"data"))
    wait_for(recording.frames)
    stop(recording, peer)

    last = recording.bell.notices[-1]
    assert (last.sender, last.kind, last.number) == ("ingest:plain", "appended", recording.journal.number)
    assert last.position == recording.journal.position
    positions = [notice.position for notice in recording.bell.notices]
    assert positions == sorted(set(positions))


def test_the_report_says_what_each_line_does(start: Start, server: Server) -> None:
    recording = start()
    server.accept(wire(b"12345"), wire(b"ack"))
    wait_for(lambda: recording.reports[-1].frames == 2, "a report")

    report = recording.reports[-1]
    (line,) = report.lines
    assert (report.feed, report.bytes, report.control, report.refused) == ("plain", 8, 1, 0)
    assert (line.line, line.connection, line.state, line.streams) == (0, 1, "open", 1)
    assert line.last_data_us is not None
    assert report.journal.files == 1
    assert 0 < report.journal.position <= report.journal.bytes


def test_frames_are_refused_only_while_space_is_short(start: Start, server: Server) -> None:
    space = [PLENTY]
    recording = start(measure=lambda _: space[0], journal_config=JournalConfig(min_free_bytes=1 << 30))
    peer = server.accept(wire(b"before"))
    wait_for(recording.frames)
    space[0] = SPARSE
    wait_for(lambda: recording.records(RecordKind.REFUSING))
    peer.send(wire(b"lost 1"), wire(b"lost 2"))
    wait_for(lambda: recording.reports[-1].refused == 2)
    space[0] = PLENTY
    looks = len(recording.reports)
    wait_for(lambda: len(recording.reports) > looks + 1)
    peer.send(wire(b"after"))
    wait_for(lambda: len(recording.frames()) == 2)

    assert recording.frames() == [b"before", b"after"]
    assert recording.reports[-1].refused_bytes == 12
    resumed = recording.records(RecordKind.RESUMED)[0].info
    refusing = recording.records(RecordKind.REFUSING)[0].info
    assert (resumed["frames"], resumed["bytes"]) == (2, 12)
    assert resumed["started_ns"] == refusing["started_ns"]
    assert refusing["reason"] == "min_free_bytes"


def test_a_disk_that_is_full_at_the_start_is_noticed_before_the_first_frame(start: Start, server: Server) -> None:
    recording = start(measure=lambda _: SPARSE, journal_config=JournalConfig(min_free_bytes=1 << 30))
    peer = server.accept(wire(b"refused"))
    wait_for(lambda: recording.reports[-1].refused == 1)
    stop(recording, peer)

    assert recording.frames() == []
    assert recording.records()[0].kind is RecordKind.REFUSING


class BreakingJournal:
    """A real journal whose sync fails once told to."""

    def __init__(self, journal: JournalWriter, broken: threading.Event) -> None:
        self._journal = journal
        self._broken = broken

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    def sync(self) -> None:
        if self._broken.is_set():
            raise OSError(5, "Input/output error")
        self._journal.sync()


def test_a_failed_fsync_ends_the_process_without_a_close_record(start: Start, server: Server) -> None:
    broken = threading.Event()
    recording = start(wrap_journal=lambda journal: BreakingJournal(journal, broken))
    peer = server.accept(wire(b"data"))
    wait_for(recording.frames)
    broken.set()
    assert peer.receive().opcode == Opcode.CLOSE
    peer.send(wire(b"still recorded"), close_frame())
    with pytest.raises(OSError, match="Input/output"):
        recording.join()

    assert recording.frames() == [b"data", b"still recorded"]
    assert recording.records(RecordKind.CLOSE) == []
    (failed,) = recording.events("fsync_failed")
    assert failed["durable_bytes"] <= failed["appended_bytes"]


def test_a_failed_fsync_at_the_stop_ends_the_process_with_its_error(
    start: Start, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = start(journal_config=JournalConfig(fsync_interval_secs=3_600, min_free_bytes=0))
    peer = server.accept(wire(b"data"))
    wait_for(recording.frames)
    calls: list[int] = []

    def fails_once(fd: int) -> None:
        calls.append(fd)
        if len(calls) == 1:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr("os.fdatasync", fails_once)
    with pytest.raises(OSError, match="Input/output"):
        stop(recording, peer)
    assert len(calls) == 1
    with pytest.raises(OSError, match="Input/output"):
        recording.journal.sync()
    assert len(calls) == 1


def test_a_refused_close_record_is_logged_and_the_journal_is_synced(
    start: Start, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = start(journal_config=JournalConfig(fsync_interval_secs=3_600, min_free_bytes=0))
    peer = server.accept(wire(b"data"))
    wait_for(recording.frames)

    def refuses() -> None:
        raise OSError(28, "No space left on device")

    synced: list[int] = []
    monkeypatch.setattr(recording.journal, "append_close", refuses)
    monkeypatch.setattr("os.fdatasync", synced.append)
    stop(recording, peer)
    assert recording.frames() == [b"data"]
    assert recording.records(RecordKind.CLOSE) == []
    assert len(recording.events("journal_not_closed")) == 1
    assert len(synced) == 1


def test_a_broken_reader_thread_ends_the_process(start: Start, server: Server) -> None:
    class BrokenAdapter(PlainAdapter):
        def control(self, frame: bytes) -> None:
            raise ZeroDivisionError

    recording = start(adapter=BrokenAdapter())
    server.accept(wire(b"appended all the same"))
    with pytest.raises(ZeroDivisionError):
        recording.join()

    assert recording.frames() == [b"appended all the same"]


def test_an_exchange_that_never_answers_does_not_delay_the_stop(
    start: Start, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.processes.ingest.process.STOP_SECS", 0.1)
    recording = start()
    server.accept_silently()
    recording.stop()

    assert recording.events("threads_left_behind")[0]["count"] == 1
    assert [record.kind for record in recording.records()] == [RecordKind.CLOSE]


def test_a_new_incarnation_begins_the_next_journal_file(start: Start, server: Server) -> None:
    first = start()
    stop(first, server.accept(wire(b"one")))
    second = start()
    stop(second, server.accept(wire(b"two")))

    assert second.journal.number == first.journal.number + 1
    assert second.frames() == [b"one", b"two"]


def test_on_a_full_disk_the_journal_is_begun_once_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports: list[Any] = []
    log, logged = capturing_log()
    full = iter([errno.ENOSPC, errno.EDQUOT])

    def begin(*given: Any) -> JournalWriter:
        number = next(full, None)
        if number is not None:
            raise OSError(number, os.strerror(number))
        return open_journal(*given)

    class Clock:
        sleep = staticmethod(lambda _secs: None)
        monotonic = now_ns = now_us = staticmethod(time.time_ns)

    feed = FeedConfig(name="plain")
    config = Config(data_dir=tmp_path, feed=(feed,))
    bell = Bell()
    context = Context("ingest:plain", config, bell, bell, lambda: False, reports.append, log, Clock)
    monkeypatch.setattr(process, "open_journal", begin)
    orders = Orders(context, feed, PlainAdapter())
    journal = process.begin_journal(context, orders)
    assert journal is not None
    journal.close()
    assert len(reports) == 2
    assert [entry["event"] for entry in logged] == ["no_room_for_journal"]
    full = iter([errno.EACCES])
    with pytest.raises(PermissionError):
        process.begin_journal(context, orders)
    assert process.begin_journal(replace(context, stopping=lambda: True), orders) is None


def test_an_acknowledged_silent_stream_is_tried_at_another_address(start: Start, server: Server) -> None:
    other = Server()
    recording = start(
        adapter=PlainAdapter(other_urls=[other.url]), symbols=("A", "B", "C"), first_data_timeout_secs=0.2
    )
    peer = server.accept(wire(b"ack"), wire(b"A 1"))
    second = other.accept(wire(b"ack"), wire(b"B 1"))
    wait_for(lambda: b"B 1" in recording.frames(), "what came elsewhere")
    wait_for(lambda: len(recording.events("stream_never_spoke")) == 2, "word of what came nowhere")
    stop(recording, peer, second)
    other.close()

    first, last = recording.events("stream_never_spoke")
    assert (first["count"], first["streams"]) == (2, ["B trade", "C trade"])
    assert first["tried_at"] == [other.url]
    assert (last["streams"], last["tried_at"]) == (["C trade"], [])
    assert recording.reports[-1].never_spoke == 2
    about = [(record.line, record.info["plan"]) for record in recording.records(RecordKind.CONNECT)]
    assert about == [(0, 0), (1, 1)]


def test_a_trial_at_another_address_that_brings_nothing_is_given_up(start: Start, server: Server) -> None:
    other = Server()
    recording = start(adapter=PlainAdapter(other_urls=[other.url]), symbols=("A", "B"), first_data_timeout_secs=0.2)
    peer = server.accept(wire(b"A 1"))
    other.accept(wire(b"ack")).hang_up()
    wait_for(lambda: recording.events("disconnected"), "the end of the second try")
    told = len(recording.reports)
    wait_for(lambda: len(recording.reports) > told + 1, "two reports after it")
    stop(recording, peer)
    assert [state.line for state in recording.reports[told + 1].lines] == [0]
    other.close()
    assert len(recording.events("connected")) == 2
    assert [entry["retry_secs"] for entry in recording.events("disconnected") if "retry_secs" in entry] == [0.0]
