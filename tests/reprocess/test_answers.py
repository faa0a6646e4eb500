"""What was fetched over REST is read again, and stored as what is fetched is."""

import json
from pathlib import Path

import pytest

import collector.read
from collector.domain.errors import UndecodableError
from collector.domain.repair_protocol import RepairAnswer, encode_answer
from collector.exchanges import registry
from collector.reprocess.answers import read_answer
from collector.reprocess.job import Job
from collector.reprocess.scope import Scope
from collector.storage.store.directory import DirectoryStore
from tests.reprocess.stored import store_segment, typed, undecoded
from tests.storage.segment.segment_files import NOON_US


def page(*ids: int, first: int, last: int) -> bytes:
    """Trades that were missing, as the exchange told them."""
    trades = [
        {"id": id_, "price": "64000.10", "qty": "0.50", "quoteQty": "1", "time": NOON_US // 1_000 + id_ * 1_000,
         "isBuyerMaker": False, "isBestMatch": True}
        for id_ in ids
    ]  # fmt: skip
    return encode_answer(RepairAnswer("BTCUSDT", "trade", "page", 0, first, last), json.dumps(trades).encode())


def test_trades_that_were_fetched_stand_in_their_place(tmp_path: Path) -> None:
    answer = page(1, 2, 3, 4, first=2, last=3)
    store = store_segment(tmp_path, [typed(1), typed(3), typed(4), undecoded(1, 60, answer, line=-1)])
    job = Job(store, DirectoryStore(tmp_path / "again"), Scope(), registry.adapter)
    (result,) = job.read(job.look(lambda: None), lambda: None)
    found = collector.read.open(tmp_path / "again").trades("BTCUSDT", gaps="ignore").arrow()
    assert found["trade_id"].to_pylist() == ["1", "2", "3", "4"]
    assert found["line"].to_pylist() == [0, -1, 0, 0]
    assert result.counts.copies == 1, "the third came meanwhile"


def test_a_poll_has_the_line_of_polled_rows() -> None:
    adapter = registry.adapter("binance_usdm")
    body = b'{"openInterest":"10659.509","symbol":"BTCUSDT","time":1589437530011}'
    found = read_answer(adapter, encode_answer(RepairAnswer("BTCUSDT", "open_interest", "poll"), body))
    assert [message.payload for message in found.messages] == [body]
    assert (found.line, found.series) == (0, None)


def test_an_instrument_is_its_whole_text() -> None:
    adapter = registry.adapter("binance")
    found = read_answer(adapter, encode_answer(RepairAnswer("BTCUSDT", "instrument", "poll"), b"{}"))
    assert [message.payload for message in found.messages] == [b"{}"]
    assert read_answer(adapter, encode_answer(RepairAnswer("BTCUSDT", "instrument", "poll"))).messages == []


def test_a_book_and_the_end_of_a_page_are_read() -> None:
    adapter = registry.adapter("binance")
    body = b'{"lastUpdateId":7,"bids":[["1.0","2.0"]],"asks":[]}'
    (book,) = read_answer(adapter, encode_answer(RepairAnswer("BTCUSDT", "book_delta", "snapshot"), body)).messages
    assert (book.id, book.is_snapshot) == (7, True)
    assert read_answer(adapter, encode_answer(RepairAnswer("BTCUSDT", "trade", "end", first=1, last=2))).messages == []


@pytest.mark.parametrize(
    "frame",
    [b"", b"?", b"{}\n[]", encode_answer(RepairAnswer("BTCUSDT", "trade", "page", 0, 1, 2), b"?"),
     encode_answer(RepairAnswer("BTCUSDT", "weather", "poll"), b"{}")],
    ids=["empty", "no JSON", "no answer", "a page that is none", "a data type that is none"],
)  # fmt: skip
def test_anything_else_is_not_understood(frame: bytes) -> None:
    with pytest.raises(UndecodableError):
        read_answer(registry.adapter("binance"), frame)
