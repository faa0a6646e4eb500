"""Requests on disk: whole or not there, the same however often they are put, and trusted in nothing."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from collector.domain.records import StreamKey
from collector.domain.repair_protocol import BookRequest, Request, TradesRequest, encode_request
from collector.processes.repair.repair_inbox import Claimed, InboxContent, RepairInbox, SetAside, claim
from collector.storage import request_files as requests_module
from collector.storage.request_files import BOOKS_SUFFIX, KEPT_ASIDE, RequestFolder, aside_folder, request_folder

TRADES = TradesRequest(StreamKey("binance", "BTCUSDT", "trade"), 0, "00ff", 101, 250, 1)
BOOK = BookRequest(StreamKey("binance", "BTCUSDT", "book_delta"), 0, 77, 2)


def queue(folder: Path, *, misfit: str | None = None) -> RepairInbox:
    """Of requests that all fit, or that all do not."""
    return RepairInbox(folder, folder.parent / "~aside", lambda _request: misfit)


def waiting(folder: Path) -> list[Request]:
    return all_of(queue(folder).read())


def all_of(look: InboxContent) -> list[Request]:
    assert look[1:] == ([], [], [])
    return sorted(look.waiting, key=lambda request: request.asked_us)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_request_waits_until_it_is_removed(tmp_path: Path) -> None:
    folder = request_folder(tmp_path, "f")
    assert waiting(folder) == []
    for _ in range(2):
        RequestFolder(folder).put([TRADES, BOOK])
    repair = queue(folder)
    assert all_of(repair.read()) == waiting(folder) == [TRADES, BOOK]
    assert set(RequestFolder(folder).names()) == {TRADES.name, BOOK.name}
    repair.remove(TRADES)
    repair.remove(TRADES)
    assert all_of(repair.read()) == waiting(folder) == [BOOK]


def test_each_read_sees_what_others_put_and_removed(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    writer, repair = RequestFolder(folder), queue(folder)
    writer.put([TRADES])
    assert all_of(repair.read()) == [TRADES]
    writer.put([BOOK])
    queue(folder).remove(TRADES)
    assert all_of(repair.read()) == [BOOK]


UNREADABLE = {
    "empty": b"", "torn": b'{"kind":"trades"', "foreign": b"[1,2]", "of another name": encode_request(TRADES),
    "binary": bytes(range(128, 256)),
}  # fmt: skip


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE)
def test_an_unreadable_request_is_set_aside_and_reported_once(tmp_path: Path, content: bytes) -> None:
    folder = tmp_path / "f"
    RequestFolder(folder).put([TRADES, BOOK])
    (folder / f"{BOOK.name}.request").write_bytes(content)
    assert set(RequestFolder(folder).names()) == {TRADES.name}
    repair = queue(folder)
    look = repair.read()
    assert look.waiting == [TRADES]
    assert [name for name, _ in look.unreadable] == [f"{BOOK.name}.request"]
    assert all_of(repair.read()) == waiting(folder) == [TRADES]
    assert (tmp_path / "~aside" / f"{BOOK.name}.request").read_bytes() == content


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_a_request_that_is_not_a_regular_file_is_set_aside(tmp_path: Path, make: Callable[[Path], None]) -> None:
    folder = tmp_path / "f"
    RequestFolder(folder).put([TRADES])
    make(folder / "x.request")
    assert [name for name, _ in queue(folder).read().unreadable] == ["x.request"]
    assert waiting(folder) == [TRADES]


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_claim_sets_aside_what_is_not_a_regular_file(tmp_path: Path, make: Callable[[Path], None]) -> None:
    folder = request_folder(tmp_path, "f")
    folder.mkdir(parents=True)
    make(folder / "x.request")
    assert claim(tmp_path, {}, []).misfits == [SetAside("x.request", "is not a regular file")]
    assert not (folder / "x.request").exists()


def test_a_request_that_does_not_fit_is_set_aside_with_the_reason(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    RequestFolder(folder).put([TRADES])
    repair = queue(folder, misfit="nobody has it")
    assert repair.read() == InboxContent([], [], [], [SetAside(f"{TRADES.name}.request", "nobody has it")])
    assert all_of(repair.read()) == []
    assert names_in(tmp_path / "~aside") == [f"{TRADES.name}.request"]


def test_the_number_of_requests_kept_aside_is_bounded(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    many = [TradesRequest(TRADES.stream, 0, f"{n:016x}", n, n, n) for n in range(KEPT_ASIDE + 20)]
    RequestFolder(folder).put(many)
    assert len(queue(folder, misfit="nobody has it").read().misfits) == KEPT_ASIDE + 20
    assert len(names_in(tmp_path / "~aside")) == KEPT_ASIDE
    assert waiting(folder) == []


def test_many_requests_put_at_once_are_durable_before_their_names(
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


def test_removing_a_request_keeps_one_put_again_since_the_read(tmp_path: Path) -> None:
    repair = queue(tmp_path / "f")

    def put(*requests: Request) -> None:
        RequestFolder(tmp_path / "f").put(requests)

    put(TRADES, BOOK)
    for _ in range(2):
        assert all_of(repair.read()) == [TRADES, BOOK]
    put(TRADES)
    repair.remove(TRADES)
    repair.remove(BOOK)
    assert all_of(repair.read()) == [TRADES]
    put(TRADES)
    assert repair.read() == InboxContent([TRADES], [TRADES.name], [], [])
    repair.remove(TRADES)
    assert waiting(tmp_path / "f") == []


def test_a_repeated_put_does_not_rewrite_placed_requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_draft_file_is_not_read_as_a_request(tmp_path: Path) -> None:
    (tmp_path / f"{TRADES.name}.new").write_bytes(b"{")
    assert waiting(tmp_path) == []


def test_requests_go_to_the_feed_that_brings_their_stream_now(tmp_path: Path) -> None:
    """Whatever feed is configured under the name of the folder they are in."""
    for name in ("before", "now", "other"):
        RequestFolder(request_folder(tmp_path, name)).put([TRADES, BOOK])
    feed_of = {TRADES.stream: "now", BOOK.stream: "other"}
    for _ in range(2):
        assert claim(tmp_path, feed_of, {"now", "other"}) == Claimed({}, [])
    assert waiting(request_folder(tmp_path, "before")) == []
    assert waiting(request_folder(tmp_path, "now")) == [TRADES]
    assert waiting(request_folder(tmp_path, "other")) == [BOOK]


def test_requests_of_unrepaired_feeds_stay_and_those_of_no_feed_are_set_aside(tmp_path: Path) -> None:
    RequestFolder(request_folder(tmp_path, "f")).put([TRADES, BOOK])
    (request_folder(tmp_path, "f") / "torn.request").write_bytes(b"{")
    found = claim(tmp_path, {TRADES.stream: "f"}, ())
    assert found.unclaimed == {"f": 1}
    assert [name for name, _ in found.misfits] == [f"{BOOK.name}.request", "torn.request"]
    assert found.misfits[0].reason == "no feed brings binance BTCUSDT book_delta"
    assert waiting(request_folder(tmp_path, "f")) == [TRADES]
    assert names_in(aside_folder(tmp_path)) == [f"{BOOK.name}.request", "torn.request"]
    assert claim(tmp_path, {TRADES.stream: "f"}, ()) == Claimed({"f": 1}, [])


def test_requests_for_books_that_connections_get_are_left_alone(tmp_path: Path) -> None:
    folder = request_folder(tmp_path, f"f{BOOKS_SUFFIX}")
    RequestFolder(folder).put([BOOK])
    assert claim(tmp_path, {BOOK.stream: "f"}, {"f"}) == Claimed({}, [])
    assert claim(tmp_path, {}, ()) == Claimed({}, [])
    assert waiting(folder) == [BOOK]
