"""Requests for books go from the storage host to the edges that have the connections, each once."""

from pathlib import Path

from collector.domain.records import StreamKey
from collector.domain.repair_protocol import BookRequest
from collector.processes.cluster.handed_books import MOST, SHOWN_SECS, BooksAsked, BooksToAsk
from collector.storage.request_files import SUFFIX, RequestFolder, read_request, request_folder


def request(symbol: str, from_id: int = 1, asked_us: int = 5) -> BookRequest:
    return BookRequest(StreamKey("kraken", symbol, "book_delta"), 0, from_id, asked_us)


def put(folder: Path, *requests: BookRequest) -> None:
    RequestFolder(request_folder(folder, "f~books")).put(requests)


def waiting(folder: Path) -> list[tuple[str, int]]:
    found = [read_request(path) for path in request_folder(folder, "f~books").glob(f"*{SUFFIX}")]
    return sorted((each.stream.symbol, each.from_id) for each in found if isinstance(each, BookRequest))


def test_an_edge_gets_the_newest_request_of_each_stream_that_it_records(tmp_path: Path) -> None:
    storage, edge = tmp_path / "storage", tmp_path / "edge"
    put(storage, request("A", 1, asked_us=5), request("A", 2, asked_us=9), request("B"), request("C"))
    to_ask, asked = BooksToAsk(storage, "f"), BooksAsked(edge, "f", lambda symbol: symbol != "C")
    value = to_ask.newest(0.0)
    assert value is not None
    assert len(waiting(storage)) == 4, "until the servers have them"
    to_ask.handed_on()
    assert waiting(storage) == []
    asked.take(value)
    assert waiting(edge) == [("A", 2), ("B", 1)]


def test_what_was_asked_for_is_not_asked_for_again(tmp_path: Path) -> None:
    storage, edge = tmp_path / "storage", tmp_path / "edge"
    to_ask, asked = BooksToAsk(storage, "f"), BooksAsked(edge, "f", lambda _symbol: True)
    for number, symbol in enumerate("AB"):
        put(storage, request(symbol))
        asked.take(to_ask.newest(float(number)) or b"")
        to_ask.handed_on()
        assert waiting(edge) == [(symbol, 1)]
        for path in request_folder(edge, "f~books").glob(f"*{SUFFIX}"):
            path.unlink()
    assert to_ask.newest(2.0) is None
    assert to_ask.newest(SHOWN_SECS + 2.0) == b"[]"
    assert to_ask.newest(SHOWN_SECS + 3.0) is None


def test_a_flood_of_requests_keeps_the_value_small_and_a_bad_value_asks_for_nothing(tmp_path: Path) -> None:
    put(tmp_path, *(request(f"S{number}", asked_us=number) for number in range(MOST + 20)))
    value = BooksToAsk(tmp_path, "f").newest(0.0)
    assert value is not None
    assert len(value) < 200 * MOST
    asked = BooksAsked(tmp_path / "edge", "f", lambda _symbol: True)
    asked.take(b"{")
    assert waiting(tmp_path / "edge") == []
    asked.take(value)
    assert len(waiting(tmp_path / "edge")) == MOST
