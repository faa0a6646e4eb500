"""From a broken chain of book updates to the exchange's next snapshot: ingest and the writer at work on one folder."""

import json
import time
from pathlib import Path

from collector.exchanges.registry import adapter
from collector.processes.writer.process import Writer
from tests.feed.servers import Peer, Server, wire
from tests.processes.ingest.ingest_harness import Recording, wait_for
from tests.processes.ingest.talking import recording_of, texts
from tests.processes.process_harness import ProcessHarness
from tests.storage.segment.segment_rows import query

TOPIC = "orderbook.200.BTCUSDT"


def message(update_id: int, kind: str = "delta") -> bytes:
    data = {"s": "BTCUSDT", "b": [["100.5", "1"]], "a": [], "u": update_id, "seq": update_id}
    return wire(json.dumps({"topic": TOPIC, "type": kind, "ts": 1, "data": data, "cts": 1}).encode())


def write(recording: Recording) -> list[tuple[str, str]]:
    """Let a writer store what has come, settle what is missing and stop; returns the ledger: kind and status."""
    harness = ProcessHarness(recording.config, time.time_ns())
    Writer(harness.context("writer"), adapter).run()
    folder = recording.config.data_dir / "segments"
    return [row for path in folder.glob("*.db") for row in query(path, "SELECT kind, status FROM gaps")]


def subscribed(peer: Peer) -> list[str]:
    """The operations of the next two requests, all for the book."""
    asked = [json.loads(text) for text in texts(peer, 2)]
    assert all(TOPIC in request["args"] for request in asked)
    return [request["op"] for request in asked]


def test_a_broken_book_is_subscribed_again_and_its_snapshot_asks_for_no_other(tmp_path: Path, server: Server) -> None:
    options = {"exchange": "bybit_linear", "symbols": ("BTCUSDT",), "data_types": ("book_delta",)}
    with recording_of(tmp_path, server.url, adapter("bybit_linear"), **options) as recording:
        peer = server.accept(message(1, "snapshot"), message(2), message(9))
        assert len(texts(peer, 1)) == 1
        wait_for(lambda: len(recording.frames()) == 3)
        assert [kind for kind, _ in write(recording)] == ["sequence", "book_unknown"]
        requests = tmp_path / "repair/plain~books"
        assert len(list(requests.glob("*.request"))) == 1

        assert subscribed(peer) == ["unsubscribe", "subscribe"]
        wait_for(lambda: not list(requests.iterdir()))
        peer.send(message(20, "snapshot"), message(21))
        wait_for(lambda: len(recording.frames()) == 5)
        assert [kind for kind, _ in write(recording)].count("sequence") >= 2
        assert list(requests.iterdir()) == []
