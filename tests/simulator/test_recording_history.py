"""What a replay answers over REST: the recorded snapshot, the book as played, and the trades as played."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from collector.domain.records import BookRow, StreamKey
from collector.exchanges.adapter import Adapter
from collector.exchanges.registry import adapter
from collector.read.books.book import Book
from collector.simulator.recording_history import RecordingHistory
from collector.simulator.replay import Recording, load
from tests.conftest import Lines
from tests.exchanges.rows import rows_of
from tests.simulator.running import Running


def line(direction: str, content: Any, **more: Any) -> str:
    raw = content if isinstance(content, str) else json.dumps(content, separators=(",", ":"))
    return json.dumps({"recv_ts_us": 1, "dir": direction, "raw": raw, **more})


def frame(channel: str, data: dict[str, Any]) -> str:
    return line("in", {"stream": f"btcusdt@{channel}", "data": data})


def trade(number: int) -> str:
    return frame(
        "trade",
        {"e": "trade", "E": 9, "s": "BTCUSDT", "t": number, "p": "0.10", "q": "3", "T": 8, "m": True, "M": True},
    )


def diff(first: int, last: int, bids: list[list[str]]) -> str:
    return frame("depth@100ms", {"e": "depthUpdate", "E": 9, "s": "BTCUSDT", "U": first, "u": last, "b": bids, "a": []})


SNAPSHOT = {"lastUpdateId": 10, "bids": [["9.00", "1.0"], ["8.00", "2.0"]], "asks": [["10.00", "3.0"]]}
AGGREGATE = {
    "e": "aggTrade",
    "E": 9,
    "s": "BTCUSDT",
    "a": 5,
    "p": "0.1",
    "q": "2",
    "f": 1,
    "l": 2,
    "T": 8,
    "m": False,
    "M": True,
}
URL = "https://api.binance.com/api/v3/depth"


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    path = tmp_path / "made.jsonl"
    lines = [
        diff(8, 9, [["9.00", "7.0"]]),
        line("http", SNAPSHOT, url=URL),
        diff(10, 12, [["9.000", "0.0"], ["8.50", "4.0"]]),
        trade(1),
        trade(3),
        frame("aggTrade", AGGREGATE),
    ]
    path.write_text("\n".join(lines), "utf-8")
    return load([path])


def test_the_first_book_is_the_recorded_snapshot_later_ones_the_played_book(recording: Recording) -> None:
    played = 0
    memory = RecordingHistory(recording, lambda: played)
    recorded = memory.depth("BTCUSDT", 5)
    assert recorded is not None
    assert json.loads(recorded) == SNAPSHOT
    played = 1
    assert memory.depth("BTCUSDT", 5) == recorded
    played = 2
    assert json.loads(memory.depth("BTCUSDT", 5) or "") == {
        "lastUpdateId": 12, "bids": [["8.50", "4.0"], ["8.00", "2.0"]], "asks": [["10.00", "3.0"]]
    }  # fmt: skip
    assert json.loads(memory.depth("BTCUSDT", 1) or "")["bids"] == [["8.50", "4.0"]]
    assert memory.stale_depth("BTCUSDT") == recorded
    assert memory.depth("ETHUSDT", 5) is None


def test_rest_returns_the_trades_played_so_far(recording: Recording) -> None:
    played = 3
    memory = RecordingHistory(recording, lambda: played)
    assert [json.loads(text)["id"] for text in memory.fills("BTCUSDT", 1, 9) or ()] == [1]
    played = 5
    first, third = (json.loads(text) for text in memory.fills("BTCUSDT", None, 9) or ())
    assert first == {"id": 1, "price": "0.10", "qty": "3", "quoteQty": "0.30", "time": 8, "isBuyerMaker": True, "isBestMatch": True}  # fmt: skip
    assert third["id"] == 3
    assert [json.loads(text)["id"] for text in memory.fills("BTCUSDT", 2, 9) or ()] == [3]
    assert [json.loads(text)["id"] for text in memory.fills("BTCUSDT", None, 1) or ()] == [3]
    assert [json.loads(text) for text in memory.aggregates("BTCUSDT", 5, 9) or ()] == [
        {name: AGGREGATE[name] for name in "apqflTmM"}
    ]
    assert memory.fills("ETHUSDT", 1, 9) is None


def test_when_a_recording_starts_over_so_does_its_rest_history(recording: Recording) -> None:
    played = 5
    memory = RecordingHistory(recording, lambda: played)
    assert len(memory.fills("BTCUSDT", 1, 9) or ()) == 2
    played = 3
    assert len(memory.fills("BTCUSDT", 1, 9) or ()) == 1


def test_a_snapshot_belongs_to_the_symbol_of_its_address(tmp_path: Path) -> None:
    path = tmp_path / "two.jsonl"
    ether = {**SNAPSHOT, "lastUpdateId": 77}
    lines = [
        line("http", SNAPSHOT, url=f"{URL}?symbol=BTCUSDT&limit=9"),
        line("http", ether, url=f"{URL}?symbol=ETHUSDT"),
    ]
    path.write_text("\n".join([*lines, line("http", {}, url="https://x/exchangeInfo")]), "utf-8")
    assert {symbol: json.loads(body)["lastUpdateId"] for symbol, body in load([path]).books.items()} == {
        "BTCUSDT": 10,
        "ETHUSDT": 77,
    }


def rebuilt(market: Adapter, path: Path, frames: int) -> Book:
    """The book after so many frames of a recording, as the archive's readers make it."""
    lines = [json.loads(text) for text in path.read_text("utf-8").splitlines()]
    book = Book()
    received = [one["raw"].encode() for one in lines if one["dir"] == "in"][:frames]
    snapshot = next(one["raw"].encode() for one in lines if one["dir"] == "http")
    diffs = [text for text in received if b"@depth" in text[:60]]
    for row in rows_of(market, "book_delta", [snapshot, *diffs]):
        assert isinstance(row, BookRow)
        book.apply(row)
    return book


def test_the_rest_book_of_a_recording_equals_its_replayed_frames(tmp_path: Path, recorded: Lines) -> None:
    path = tmp_path / "real.jsonl"
    path.write_text("\n".join(map(json.dumps, recorded("binance_usdm/hftbacktest_btcusdt_20240718")[:4000])), "utf-8")
    recording, played, market = load([path]), 3500, adapter("binance_usdm")
    memory = RecordingHistory(recording, lambda: played)
    first, now = (memory.depth("BTCUSDT", 1000) or "" for _ in range(2))
    assert first == recording.books["BTCUSDT"]
    assert market.rest is not None
    envelope = market.rest.read_snapshot(StreamKey("binance_usdm", "BTCUSDT", "book_delta"), now.encode())
    expected = rebuilt(market, path, played)
    assert envelope.id == expected.last_id
    assert envelope.exchange_us is not None
    (row,) = rows_of(market, "book_delta", [now.encode()])
    assert isinstance(row, BookRow)
    for side, prices, sizes in (
        (expected.bids, row.bid_prices, row.bid_sizes),
        (expected.asks, row.ask_prices, row.ask_sizes),
    ):
        assert list(zip(prices, sizes, strict=True)) == side.top(1000)


def test_a_replay_answers_on_the_paths_of_all_markets(simulate: Callable[..., Running], tmp_path: Path) -> None:
    path = tmp_path / "made.jsonl"
    path.write_text("\n".join([line("http", SNAPSHOT, url=URL), trade(1), trade(2)]), "utf-8")
    simulator = simulate(replay=(path,), speed=0)
    client = simulator.connect("/public/stream?streams=btcusdt@trade")
    client.recv()
    simulator.until(lambda stats: stats["replay"]["finished"])
    for root in ("/api/v3", "/fapi/v1", "/dapi/v1"):
        assert simulator.http(f"{root}/depth?symbol=BTCUSDT&limit=1000")[1] == SNAPSHOT
    assert [one["id"] for one in simulator.http("/api/v3/historicalTrades?symbol=BTCUSDT&fromId=0")[1]] == [1, 2]
    assert simulator.http("/fapi/v1/historicalTrades?symbol=BTCUSDT&fromId=0")[0] == 404
