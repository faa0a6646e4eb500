"""Requests on disk: whole or not there, the same however often they are put."""

from pathlib import Path

import pytest

from collector.domain.records import StreamKey
from collector.domain.repairs import BookRequest, Request, TradesRequest
from collector.storage.requests import RequestFolder, claim, request_folder

TRADES = TradesRequest(StreamKey("binance", "BTCUSDT", "trade"), 0, "00ff", 101, 250, 1)
BOOK = BookRequest(StreamKey("binance", "BTCUSDT", "book_delta"), 0, 77, 2)


def none_damaged(name: str) -> None:
    raise AssertionError(name)


def waiting(folder: Path) -> list[Request]:
    return sorted(RequestFolder(folder).waiting(none_damaged), key=lambda request: request.asked_us)


def test_what_was_put_waits_until_it_is_removed(tmp_path: Path) -> None:
    folder = request_folder(tmp_path, "f")
    assert waiting(folder) == []
    requests = RequestFolder(folder)
    for _ in range(2):
        requests.put([TRADES, BOOK])
    assert waiting(folder) == [TRADES, BOOK]
    requests.remove(TRADES)
    requests.remove(TRADES)
    assert requests.waiting(none_damaged) == waiting(folder) == [BOOK]


def test_one_who_looks_again_sees_what_others_put_and_removed(tmp_path: Path) -> None:
    writer, repair = RequestFolder(tmp_path), RequestFolder(tmp_path)
    writer.put([TRADES])
    assert repair.waiting(none_damaged) == [TRADES]
    writer.put([BOOK])
    writer.remove(TRADES)
    assert repair.waiting(none_damaged) == [BOOK]


@pytest.mark.parametrize("content", [b"", b'{"kind":"trades"'])
def test_a_request_that_a_power_cut_left_without_content_is_removed_and_told(tmp_path: Path, content: bytes) -> None:
    requests = RequestFolder(tmp_path)
    requests.put([TRADES, BOOK])
    (tmp_path / f"{BOOK.name}.request").write_bytes(content)
    told: list[str] = []
    assert requests.waiting(told.append) == [TRADES]
    assert told == [f"{BOOK.name}.request"]
    assert waiting(tmp_path) == [TRADES]


def test_a_draft_is_no_request(tmp_path: Path) -> None:
    (tmp_path / f"{TRADES.name}.new").write_bytes(b"{")
    assert waiting(tmp_path) == []


def test_requests_go_to_the_feed_that_brings_their_stream(tmp_path: Path) -> None:
    before, now = RequestFolder(request_folder(tmp_path, "before")), request_folder(tmp_path, "now")
    before.put([TRADES, BOOK])
    (request_folder(tmp_path, "before") / "torn.request").write_bytes(b"{")
    for _ in range(2):
        assert claim(tmp_path, {TRADES.stream: "now"}) == {"before": 2}
    assert waiting(now) == [TRADES]
