"""No more connections are open at once than the exchange allows one address."""

from pathlib import Path

from collector.storage.journal.format import RecordKind
from tests.feed.servers import Server, wire
from tests.processes.ingest.ingest_harness import LIMITS, PlainAdapter, wait_for
from tests.processes.ingest.talking import recording_of

ONE = LIMITS._replace(live=1, budget="small")


def test_a_connection_beyond_the_limit_waits_and_says_so(tmp_path: Path, server: Server) -> None:
    with recording_of(tmp_path, server.url, PlainAdapter([server.url, server.url], ONE)) as recording:
        server.accept(wire(b"BTCUSDT 1"))
        wait_for(lambda: recording.events("connections_all_open"))
        wait_for(lambda: recording.frames() == [b"BTCUSDT 1"])

        assert recording.events("connections_all_open")[0]["live"] == 1
        assert len(recording.records(RecordKind.CONNECT)) == 1
        assert (tmp_path / "run/connections-small/0.lock").exists()


def test_a_successor_without_a_slot_connects_once_the_old_connection_has_ended(tmp_path: Path, server: Server) -> None:
    with recording_of(tmp_path, server.url, PlainAdapter(limits=ONE)) as recording:
        old = server.accept(wire(b"BTCUSDT 1"), wire(b"shutdown"))
        wait_for(lambda: recording.events("connections_all_open"))
        old.send(wire(b"BTCUSDT 2"))
        wait_for(lambda: b"BTCUSDT 2" in recording.frames())
        old.hang_up()
        server.accept(wire(b"BTCUSDT 3"))

        wait_for(lambda: b"BTCUSDT 3" in recording.frames())
        assert [record.kind for record in recording.records(RecordKind.CONNECT, RecordKind.DISCONNECT)] == [
            RecordKind.CONNECT,
            RecordKind.DISCONNECT,
            RecordKind.CONNECT,
        ]
