"""Books that the writer wants anew: ingest subscribes again on a connection that carries the stream."""

import errno
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from websockets.frames import Opcode

from collector.config.model import BookConfig
from collector.domain.records import StreamKey
from collector.domain.repair_protocol import BookRequest, TradesRequest, encode_request
from collector.exchanges.adapter import Request
from collector.processes.ingest import fresh_books, further_requests
from collector.processes.ingest.fresh_books import FIRST_DELAY_SECS, LONGEST_DELAY_SECS, AskingDelay, FreshBooks
from collector.storage.request_files import RequestFolder
from tests.feed.servers import Server, wire
from tests.processes.ingest.ingest_harness import Recording, capturing_log, wait_for
from tests.processes.ingest.talking import FAST, TalkingAdapter, recording_of, texts

Start = Callable[..., Recording]


def key(symbol: str) -> StreamKey:
    return StreamKey("plain", symbol, "book_delta")


def request(symbol: str, asked_us: int, from_id: int = 7) -> BookRequest:
    return BookRequest(key(symbol), 0, from_id, asked_us)


def now_us() -> int:
    return time.time_ns() // 1_000


class Folder:
    """The folder of requests, as the writer puts and ingest reads them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "repair/plain~books"
        self._writer = RequestFolder(self.folder)

    def put(self, *requests: BookRequest) -> None:
        self._writer.put(requests)

    def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir()) if self.folder.exists() else []


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.fixture
def books(tmp_path: Path, folder: Folder) -> FreshBooks:
    """After its first look at the folder."""
    books = FreshBooks(folder.folder, tmp_path / "repair/~aside", capturing_log()[0])
    books.refresh()
    return books


@pytest.fixture
def start(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    monkeypatch.setattr("collector.processes.ingest.process.REPORT_SECS", 0.05)
    monkeypatch.setattr(further_requests, "BOOKS_SECS", 0.02)
    with ExitStack() as stack:

        def start(adapter: TalkingAdapter, **options: Any) -> Recording:
            chosen = {"symbols": ("A", "B"), "data_types": ("book_delta",)} | options
            return stack.enter_context(recording_of(tmp_path, server.url, adapter, **chosen))

        yield start


def test_a_delay_doubles_while_requests_keep_coming_and_begins_anew_after_a_quiet_time() -> None:
    delay, now, waits = AskingDelay(), 1_000.0, []
    for _ in range(15):
        asked_at = now
        delay.note_asked(now)
        while not delay.is_over(now):
            now += 1.0
        waits.append(now - asked_at)
    delay.note_asked(now + 2 * LONGEST_DELAY_SECS)

    assert waits[:5] == [FIRST_DELAY_SECS * 2**number for number in range(5)]
    assert waits[-1] == LONGEST_DELAY_SECS
    assert delay.is_over(now + 2 * LONGEST_DELAY_SECS + FIRST_DELAY_SECS)


def test_a_book_is_asked_for_once_and_its_file_goes_once_that_was_sent(books: FreshBooks, folder: Folder) -> None:
    folder.put(request("A", 200))
    books.refresh()

    assert books.take([key("A"), key("B")], 100, 0.0) == [key("A")]
    assert books.take([key("A")], 100, 1e6) == []
    books.refresh()
    assert len(folder.names()) == 1
    books.note_sent([key("A")])
    books.refresh()
    assert folder.names() == []


def test_what_a_connection_did_not_send_is_for_the_next_one(books: FreshBooks, folder: Folder) -> None:
    folder.put(request("A", 200))
    books.refresh()
    books.take([key("A")], 100, 0.0)
    books.give_back([key("A")])

    assert books.take([key("A")], 150, FIRST_DELAY_SECS) == [key("A")]


def test_a_connection_that_opened_later_began_with_the_book(books: FreshBooks, folder: Folder) -> None:
    folder.put(request("A", 200))
    books.refresh()

    assert books.take([key("A")], 300, 0.0) == []
    books.refresh()
    assert folder.names() == []


def test_the_next_asking_waits_for_its_delay(books: FreshBooks, folder: Folder) -> None:
    folder.put(request("A", 200))
    books.refresh()
    books.take([key("A")], 100, 0.0)
    books.note_sent([key("A")])
    folder.put(request("A", 201, from_id=8))
    books.refresh()

    assert books.take([key("A")], 100, FIRST_DELAY_SECS - 0.1) == []
    assert books.take([key("A")], 100, FIRST_DELAY_SECS) == [key("A")]


def test_one_fresh_book_answers_all_requests_of_its_stream(books: FreshBooks, folder: Folder) -> None:
    folder.put(*[request("A", 200 + number, from_id=number) for number in range(50)])
    books.refresh()
    books.refresh()
    assert len(folder.names()) == 1
    books.take([key("A")], 100, 0.0)
    folder.put(request("A", 300, from_id=99))
    books.refresh()
    books.note_sent([key("A")])
    books.refresh()

    assert folder.names() == [f"{request('A', 300, from_id=99).name}.request"]


def test_a_request_for_a_stream_that_no_connection_carries_waits(books: FreshBooks, folder: Folder) -> None:
    folder.put(request("A", 200))
    books.refresh()
    assert books.take([key("B")], 100, 0.0) == []
    books.refresh()

    assert len(folder.names()) == 1


def test_what_waits_before_the_first_connection_is_answered_by_it(tmp_path: Path, folder: Folder) -> None:
    folder.put(request("A", now_us()), request("gone", now_us()))
    FreshBooks(folder.folder, tmp_path / "aside", capturing_log()[0]).refresh()

    assert folder.names() == []


def test_files_that_are_no_request_for_a_book_are_set_aside(books: FreshBooks, folder: Folder, tmp_path: Path) -> None:
    trades = TradesRequest(key("A"), 0, "gap", 1, 2, 3)
    folder.put(request("A", 200))
    (folder.folder / f"{trades.name}.request").write_bytes(encode_request(trades))
    (folder.folder / "torn.request").write_bytes(b'{"kind":"bo')
    (folder.folder / "newer.request").write_bytes(b'{"version":99}')
    (folder.folder / "folder.request").mkdir()
    books.refresh()
    books.refresh()

    aside = {path.name for path in (tmp_path / "repair/~aside").iterdir()}
    assert aside >= {f"{trades.name}.request", "torn.request", "newer.request"}
    assert books.take([key("A")], 100, 0.0) == [key("A")]


def test_a_folder_that_cannot_be_read_is_told_once_and_tried_again(
    tmp_path: Path, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, logged = capturing_log()
    books = FreshBooks(folder.folder, tmp_path / "aside", log)
    books.refresh()
    folder.put(request("A", 200))

    def broken(_folder: Path, _pattern: str) -> list[Path]:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(fresh_books, "matching", broken)
        for _ in range(3):
            books.refresh()
    books.refresh()

    assert [entry["event"] for entry in logged] == ["book_requests_unreadable"]
    assert books.take([key("A")], 100, 0.0) == [key("A")]


def test_the_exchange_is_asked_on_the_connection_that_carries_the_stream(
    start: Start, server: Server, folder: Folder
) -> None:
    start(TalkingAdapter([Request("all")]))
    peer = server.accept(wire(b"ack"), wire(b"A 1"))
    assert texts(peer, 1) == ["all"]
    folder.put(request("B", now_us()))

    assert texts(peer, 1) == ["again B"]
    wait_for(lambda: folder.names() == [])


def test_one_line_is_enough(start: Start, server: Server, folder: Folder) -> None:
    recording = start(TalkingAdapter(), lines=2)
    peers = [server.accept(wire(b"A 1")) for _ in range(2)]
    wait_for(lambda: len(recording.frames()) == 2)
    folder.put(request("A", now_us()))
    wait_for(lambda: folder.names() == [])
    recording.begin_stop()
    sent = []
    for peer in peers:
        while (frame := peer.receive()).opcode != Opcode.CLOSE:
            sent += [frame.data] if frame.opcode == Opcode.TEXT else []

    assert sent == [b"again A"]


def test_asking_again_keeps_to_the_requests_of_an_hour(start: Start, server: Server, folder: Folder) -> None:
    start(TalkingAdapter([Request("all")], limits=FAST._replace(requests_per_hour=2)))
    peer = server.accept(wire(b"ack"), wire(b"A 1"))
    assert texts(peer, 1) == ["all"]
    folder.put(request("A", now_us()), request("B", now_us()))
    assert texts(peer, 1) == ["again A"]
    peer.sock.settimeout(0.3)

    with pytest.raises(TimeoutError):
        texts(peer, 1)
    assert f"{request('B', now_us()).name}.request" in folder.names()


def test_a_new_connection_answers_what_the_old_one_did_not_send(start: Start, server: Server, folder: Folder) -> None:
    start(TalkingAdapter([Request("all")], limits=FAST._replace(requests_per_hour=1)))
    peer = server.accept(wire(b"ack"), wire(b"A 1"))
    folder.put(request("A", now_us()))
    assert texts(peer, 1) == ["all"]
    peer.hang_up()
    server.accept(wire(b"A 2"))

    wait_for(lambda: folder.names() == [])


def test_a_connection_whose_books_come_only_at_its_beginning_is_renewed_for_a_checkpoint(
    start: Start, server: Server
) -> None:
    recording = start(TalkingAdapter(), book=BookConfig(checkpoint_interval_secs=0.2))
    old = server.accept(wire(b"A 1"))
    server.accept(wire(b"A 2"))

    assert old.receive().opcode == Opcode.CLOSE
    assert recording.events("renewing")[0]["why"] == "a checkpoint of its books is due"


class SilentAdapter(TalkingAdapter):
    """Nothing that a client says on an open connection brings a book anew."""

    def again(self, keys: Sequence[StreamKey]) -> tuple[Request, ...]:
        return ()


def test_where_only_a_new_connection_brings_a_book_it_is_opened_and_the_old_one_read_until_then(
    start: Start, server: Server, folder: Folder
) -> None:
    recording = start(SilentAdapter())
    old = server.accept(wire(b"A 1"))
    wait_for(lambda: len(recording.frames()) == 1)
    folder.put(request("A", now_us()))
    server.accept(wire(b"A 2"))

    wait_for(lambda: old.receive().opcode == Opcode.CLOSE)
    wait_for(lambda: folder.names() == [])
    assert [event["why"] for event in recording.events("renewing")] == ["books are wanted anew"]


@pytest.mark.parametrize(
    "changed",
    [
        {"data_types": ("trade",), "book": BookConfig(checkpoint_interval_secs=0.05)},
        {"book": BookConfig(checkpoint_interval_secs=0.0)},
    ],
)
def test_other_connections_are_not_renewed_for_a_checkpoint(
    start: Start, server: Server, changed: dict[str, Any]
) -> None:
    recording = start(TalkingAdapter(), **changed)
    server.accept(wire(b"A 1"))
    wait_for(lambda: len(recording.reports) > 20)

    assert recording.events("renewing") == []
