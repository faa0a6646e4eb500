"""A whole book is asked for with the first update that a connection brings of it, where no other connection carries it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from collector.channel.channel import Notice
from collector.config.model import NatsConfig
from collector.domain.records import StreamKey
from collector.domain.repair_protocol import BookRequest, Request
from collector.exchanges.registry import adapter
from collector.feed.connection import ReadBatch
from collector.processes.ingest.books_at_once import BooksAtOnce
from collector.storage.request_files import SUFFIX, RequestFolder, read_request
from tests.feed.servers import Server, wire
from tests.processes.ingest.ingest_harness import Recording, capturing_log, wait_for
from tests.processes.ingest.talking import recording_of
from tests.processes.repair.repair_world import diff, trade

Start = Callable[..., Recording]
US = 1_700_000_000_000_000
ASKED = Notice("ingest:plain", "asked", 0, 0)


def key(symbol: str = "BTCUSDT") -> StreamKey:
    return StreamKey("binance", symbol, "book_delta")


def batch(*frames: bytes) -> ReadBatch:
    return ReadBatch(US * 1_000, list(frames), [])


class Feed:
    """The books of a feed of Binance, and what of them was asked for."""

    def __init__(self, folder: Path, exchange: str = "binance") -> None:
        self.folder = folder / "repair/f"
        self.wakes = 0
        self.log, self.logged = capturing_log()
        exchanges = adapter(exchange)
        self.books = BooksAtOnce(exchanges, exchanges.rest, RequestFolder(self.folder), self._wake, self.log)

    def _wake(self) -> None:
        self.wakes += 1

    def asked(self) -> list[tuple[str, int]]:
        """Symbol and first id of what was asked for since the last call."""
        self.books.put()
        requests = [read_request(path) for path in sorted(self.folder.glob(f"*{SUFFIX}"))]
        for path in self.folder.glob(f"*{SUFFIX}"):
            path.unlink()
        return sorted(_told(request) for request in requests)


def _told(request: Request) -> tuple[str, int]:
    assert isinstance(request, BookRequest)
    assert (request.series, request.asked_us) == (None, US)
    return request.stream.symbol, request.from_id


@pytest.fixture
def feed(tmp_path: Path) -> Feed:
    return Feed(tmp_path)


@pytest.fixture
def start(tmp_path: Path, server: Server) -> Iterator[Start]:
    with ExitStack() as stack:

        def start(**options: Any) -> Recording:
            chosen = {"data_types": ("book_delta", "trade"), "rest_url": "http://127.0.0.1:9"} | options
            return stack.enter_context(recording_of(tmp_path, server.url, adapter("binance"), **chosen))

        yield start


def requests_in(folder: Path) -> list[int]:
    """The first ids of the books asked for."""
    found = [read_request(path) for path in (folder / "repair/plain").glob(f"*{SUFFIX}")]
    return sorted(request.from_id for request in found if isinstance(request, BookRequest))


def test_a_book_is_asked_for_at_once_at_the_start_and_after_each_reconnect(
    tmp_path: Path, server: Server, start: Start
) -> None:
    recording = start()
    peer = server.accept(wire(trade(1)), wire(diff(101, 103)), wire(diff(104, 108)))
    wait_for(lambda: requests_in(tmp_path) == [101])
    wait_for(lambda: recording.bell.notices.count(ASKED) == 1)
    peer.hang_up()
    peer = server.accept(wire(trade(2)))
    wait_for(lambda: trade(2) in recording.frames())
    assert requests_in(tmp_path) == [101]
    peer.send(wire(diff(201, 203)))
    wait_for(lambda: requests_in(tmp_path) == [101, 201])
    wait_for(lambda: recording.bell.notices.count(ASKED) == 2)


def test_a_line_that_comes_back_beside_another_asks_for_no_book(tmp_path: Path, server: Server, start: Start) -> None:
    recording = start(lines=2)
    first, second = server.accept(), server.accept()
    first.send(wire(diff(101, 103)))
    wait_for(lambda: requests_in(tmp_path) == [101])
    second.send(wire(diff(101, 103)), wire(diff(104, 105)))
    wait_for(lambda: len(recording.frames()) == 3)
    first.hang_up()
    first = server.accept(wire(diff(106, 107)))
    wait_for(lambda: len(recording.frames()) == 4)
    assert requests_in(tmp_path) == [101]
    second.hang_up()
    first.hang_up()
    server.accept(wire(diff(301, 305)))
    wait_for(lambda: requests_in(tmp_path) == [101, 301])


def test_a_feed_that_is_not_repaired_asks_for_no_book(tmp_path: Path, server: Server, start: Start) -> None:
    recording = start(rest_url="")
    server.accept(wire(diff(101, 103)))
    wait_for(lambda: len(recording.frames()) == 1)
    recording.stop()
    assert ASKED not in recording.bell.notices
    assert not (tmp_path / "repair/plain").exists()


def test_an_edge_asks_for_no_book_because_the_storage_host_does(tmp_path: Path, server: Server, start: Start) -> None:
    recording = start(settings={"role": "edge", "nats": NatsConfig(urls=("nats://127.0.0.1:4222",))})
    server.accept(wire(diff(101, 103)))
    wait_for(lambda: len(recording.frames()) == 1)
    recording.stop()
    assert ASKED not in recording.bell.notices
    assert not (tmp_path / "repair/plain").exists()


def test_each_book_is_asked_for_by_the_first_id_of_its_own_first_update(feed: Feed) -> None:
    connection = feed.books.opened([key(), key("ETHUSDT"), key("BNBUSDT")])
    frames = [diff(7, 9, "ETHUSDT"), diff(10, 11, "ETHUSDT"), b"no message", diff(101, 103)]
    connection.note({key(), key("ETHUSDT"), None}, batch(*frames))
    assert feed.asked() == [("BTCUSDT", 101), ("ETHUSDT", 7)]
    connection.note({key(), key("ETHUSDT")}, batch(diff(104, 105), diff(12, 13, "ETHUSDT")))
    assert feed.asked() == []
    connection.note({key("BNBUSDT")}, batch(diff(1, 2, "BNBUSDT")))
    assert feed.asked() == [("BNBUSDT", 1)]
    assert feed.wakes == 2


def test_a_successor_that_was_subscribed_in_time_asks_for_no_book_of_a_quiet_stream(feed: Feed) -> None:
    connection = feed.books.opened([key()])
    connection.note({key()}, batch(diff(101, 103)))
    assert feed.asked() == [("BTCUSDT", 101)]
    successor = feed.books.opened([key()])
    successor.settled()
    connection.ended()
    successor.note({key()}, batch(diff(104, 105)))
    assert feed.asked() == []


def test_a_connection_that_was_not_subscribed_before_the_other_ended_asks(feed: Feed) -> None:
    connection = feed.books.opened([key()])
    connection.note({key()}, batch(diff(101, 103)))
    successor = feed.books.opened([key()])
    connection.ended()
    successor.settled()
    successor.note({key()}, batch(diff(106, 107)))
    assert feed.asked() == [("BTCUSDT", 106)]


def test_a_stream_that_begins_with_a_whole_book_asks_for_none(tmp_path: Path) -> None:
    feed = Feed(tmp_path, "okx")
    book = StreamKey("okx", "BTC-USDT", "book_delta")
    connection = feed.books.opened([book])
    assert connection.awaited == {book}
    frame = (
        b'{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"snapshot","data":[{"asks":[["2","1","0","1"]],'
        b'"bids":[["1","1","0","1"]],"ts":"1700000000000","checksum":1,"prevSeqId":-1,"seqId":5}]}'
    )
    connection.note({book}, batch(frame))
    assert feed.asked() == []
    assert connection.carried == {book}


def test_requests_that_the_disk_does_not_take_are_written_later(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = feed.books.opened([key(), key("ETHUSDT")])
    connection.note({key()}, batch(diff(101, 103)))

    def refuse(*_requests: Sequence[Request]) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(RequestFolder, "put", refuse)
        assert not feed.books.put()
        assert not feed.books.put()
    assert [entry["event"] for entry in feed.logged] == ["book_requests_unwritable"]
    connection.note({key("ETHUSDT")}, batch(diff(7, 9, "ETHUSDT")))
    assert feed.asked() == [("BTCUSDT", 101), ("ETHUSDT", 7)]
