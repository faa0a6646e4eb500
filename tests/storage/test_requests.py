"""Requests on disk: whole or not there, the same however often they are put."""

from pathlib import Path

import pytest

from collector.domain.records import StreamKey
from collector.domain.repairs import BookRequest, Request, TradesRequest
from collector.storage import requests as requests_module
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


def test_many_that_come_due_at_once_are_each_durable_before_their_name_and_tell_that_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    durable: list[str] = []
    monkeypatch.setattr(requests_module, "sync", lambda path: durable.append(path.stem if path.is_file() else "folder"))
    named_first: list[str] = []
    real = Path.replace

    def replace(draft: Path, target: Path) -> Path:
        if target.stem not in durable:
            named_first.append(target.stem)
        return real(draft, target)

    monkeypatch.setattr(Path, "replace", replace)
    many: list[Request] = [TradesRequest(TRADES.stream, 0, f"{n:016x}", n, n, n) for n in range(500)]
    told: list[None] = []
    RequestFolder(tmp_path).put([*many, BOOK], lambda: told.append(None))
    assert set(waiting(tmp_path)) == {*many, BOOK}
    assert sorted(durable[:-1]) == sorted(request.name for request in many)
    assert durable[-1] == "folder"
    assert named_first == [BOOK.name]
    assert len(told) >= 2 * len(many)


def test_one_that_is_put_again_is_told_and_is_not_removed_with_the_one_before(tmp_path: Path) -> None:
    writer, repair = RequestFolder(tmp_path), RequestFolder(tmp_path)
    writer.put([TRADES, BOOK])
    again: list[str] = []
    for _ in range(2):
        assert len(repair.waiting(none_damaged, again.append)) == 2
    assert again == []
    RequestFolder(tmp_path).put([TRADES])
    repair.remove(TRADES)
    repair.remove(BOOK)
    assert repair.waiting(none_damaged, again.append) == [TRADES]
    assert again == []
    RequestFolder(tmp_path).put([TRADES])
    assert repair.waiting(none_damaged, again.append) == [TRADES]
    assert again == [TRADES.name]
    repair.remove(TRADES)
    assert waiting(tmp_path) == []


def test_a_put_that_is_repeated_leaves_alone_what_it_has_put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = True

    def sync(path: Path) -> None:
        if full and path.is_file():
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(requests_module, "sync", sync)
    requests = RequestFolder(tmp_path)
    with pytest.raises(OSError, match="No space"):
        requests.put([BOOK, TRADES])
    before = (tmp_path / f"{BOOK.name}.request").stat()
    full = False
    requests.put([BOOK, TRADES])
    assert (tmp_path / f"{BOOK.name}.request").stat() == before
    assert waiting(tmp_path) == [TRADES, BOOK]
    requests.put([BOOK])
    assert (tmp_path / f"{BOOK.name}.request").stat() != before


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
