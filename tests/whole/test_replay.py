"""Real frames through a real WebSocket into the whole recorder: what lands is what was sent, number for number."""

import gzip
import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.whole.running import PATIENT, Exchange, Recorder

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TYPES = {"depth@100ms": "book_delta", "trade": "trade", "aggTrade": "agg_trade", "bookTicker": "book_ticker"}

RECORDINGS = {
    "cryptofeed_v3_BINANCE": ("NKNUSDT", "BLZETH", "LRCBTC", "RUNEEUR"),
    "hftbacktest_btcusdt_20230405": ("BTCUSDT",),
    "hftbacktest_btcusdt_20240808": ("BTCUSDT",),
    "hftbacktest_ethusdt_20240808": ("ETHUSDT",),
}
FUTURES = {
    "binance_usdm": ("hftbacktest_btcusdt_20240718", "BTCUSDT", "/public/stream"),
    "binance_coinm": ("hftbacktest_btcusd_perp_20240808", "BTCUSD_PERP", "/stream"),
}

FRAMES_OF_FUTURES = 12_000


def lines_of(path: Path) -> bytes:
    with pa.input_stream(str(path), compression="detect") as stream:
        return bytes(stream.read())


def frames_of(path: Path) -> Iterator[dict[str, Any]]:
    """The frames of a recording, parsed with decimals kept as text; read by nothing of the recorder's."""
    for line in lines_of(path).splitlines():
        entry = json.loads(line)
        if entry["dir"] == "in":
            yield json.loads(entry["raw"])


def when(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else EPOCH + timedelta(milliseconds=milliseconds)


def book(levels: Iterable[list[str]]) -> tuple[list[Decimal], list[Decimal]]:
    pairs = [(Decimal(price), Decimal(size)) for price, size in levels]
    return [price for price, _ in pairs], [size for _, size in pairs]


def expected_row(channel: str, data: dict[str, Any]) -> dict[str, Any]:
    """The columns a frame shall become, by the exchange's documentation."""
    if channel == "depth@100ms":
        (bids, bid_sizes), (asks, ask_sizes) = book(data["b"]), book(data["a"])
        return {
            "exchange_at": when(data.get("T", data["E"])), "first_id": data["U"], "last_id": data["u"],
            "previous_id": data.get("pu"), "is_snapshot": False,
            "bid_prices": bids, "bid_sizes": bid_sizes, "ask_prices": asks, "ask_sizes": ask_sizes,
        }  # fmt: skip
    if channel == "depth20@100ms":
        (bids, bid_sizes), (asks, ask_sizes) = book(data["bids"]), book(data["asks"])
        return {
            "exchange_at": None, "first_id": None, "last_id": data["lastUpdateId"], "previous_id": None,
            "is_snapshot": True, "bid_prices": bids, "bid_sizes": bid_sizes, "ask_prices": asks, "ask_sizes": ask_sizes,
        }  # fmt: skip
    if channel == "bookTicker":
        names = {"bid_price": "b", "bid_size": "B", "ask_price": "a", "ask_size": "A"}
        numbers = {column: Decimal(data[key]) for column, key in names.items()}
        return {"exchange_at": when(data.get("T")), "update_id": data["u"], **numbers}
    trade = {
        "exchange_at": when(data["T"]), "price": Decimal(data["p"]), "size": Decimal(data["q"]),
        "side": "sell" if data["m"] else "buy",
    }  # fmt: skip
    if channel == "trade":
        return {**trade, "trade_id": str(data["t"]), "sequence": None, "kind": data.get("X", "MARKET").lower()}
    return {
        **trade, "trade_id": str(data["a"]), "first_trade_id": str(data["f"]), "last_trade_id": str(data["l"]),
    }  # fmt: skip


def exactly(value: Any) -> Any:
    """A double as the decimal it stands for."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, list):
        return [exactly(part) for part in value]
    return value


def assert_same(rows: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    assert len(rows) == len(expected)
    for row, wanted in zip(rows, expected, strict=True):
        assert row["raw"] is None
        assert {name: exactly(row[name]) for name in wanted} == wanted


def sent_in(path: Path) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """The messages of a recording that are recorded from it, by symbol and channel."""
    sent: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for frame in frames_of(path):
        symbol, _, channel = frame["stream"].partition("@")
        if channel in TYPES:
            sent.setdefault((symbol.upper(), channel), []).append(frame["data"])
    return sent


def beginning(path: Path) -> bytes:
    """Some minutes of a recording, its diffs under the name of the stream asked for: the captures hold a faster one."""
    lines = lines_of(path).splitlines(keepends=True)[:FRAMES_OF_FUTURES]
    return b"".join(lines).replace(b"@depth@0ms", b"@depth@100ms")


def assert_lands(sent: dict[tuple[str, str], list[dict[str, Any]]], source: Exchange, recorded: Recorder) -> None:
    """Record it all: every message is in the archive, exact, and nothing else is."""
    record_all(recorded, source, sum(map(len, sent.values())))
    for (symbol, channel), messages in sent.items():
        expected = [expected_row(channel, data) for data in messages]
        assert_same(recorded.table(TYPES[channel], symbol), expected)
    assert recorded.dataset_rows() == sum(map(len, sent.values()))
    assert recorded.losses() == []
    assert recorded.table("undecoded") == []


def record_all(recorder: Recorder, exchange: Exchange, count: int) -> None:
    recorder.start()
    recorder.wait_for_messages(count)
    assert recorder.stop() == 0
    assert exchange.stats()["replay"]["finished"]


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_real_recording_is_archived_whole_and_exact(
    name: str, shared_data: Path, exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    path = shared_data / "frames/binance_spot" / f"{name}.jsonl.zst"
    feed = {"symbols": list(RECORDINGS[name]), "data_types": sorted(TYPES.values())}
    source = exchange("--replay", str(path), "--speed", "0")
    assert_lands(sent_in(path), source, recorder(source.ws_url, feed=feed, **PATIENT))


@pytest.mark.parametrize("market", FUTURES)
def test_a_real_recording_of_futures_is_archived_whole_and_exact(
    market: str,
    tmp_path: Path,
    shared_data: Path,
    exchange: Callable[..., Exchange],
    recorder: Callable[..., Recorder],
) -> None:
    name, symbol, connected_to = FUTURES[market]
    recording = tmp_path / "recording.jsonl"
    recording.write_bytes(beginning(shared_data / "frames" / market / f"{name}.jsonl.zst"))
    feed = {"exchange": market, "symbols": [symbol], "data_types": ["book_delta", "book_ticker", "trade"]}
    source = exchange("--replay", str(recording), "--speed", "0", "--all-streams")
    assert_lands(sent_in(recording), source, recorder(source.ws_url, feed=feed, **PATIENT))
    source.stop()
    connects = [line["path"].partition("?")[0] for line in source.sent() if line.get("event") == "connect"]
    assert connects == [connected_to]


def test_partial_depth_is_archived_whole_and_exact(
    tmp_path: Path, shared_data: Path, exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    derived = shared_data / "expected/derived/binance_spot_btcusdt_20240808_top20_after_each_diff.jsonl.gz"
    books = [json.loads(line) for line in gzip.decompress(derived.read_bytes()).splitlines()]
    messages = [{"lastUpdateId": book["u"], "bids": book["bids"], "asks": book["asks"]} for book in books]
    recording = tmp_path / "depth20.jsonl"
    with recording.open("w", encoding="utf-8") as file:
        for message, made in zip(messages, books, strict=True):
            raw = json.dumps({"stream": "btcusdt@depth20@100ms", "data": message}, separators=(",", ":"))
            file.write(json.dumps({"recv_ts_us": made["recv_ts_ns"] // 1_000, "dir": "in", "raw": raw}) + "\n")
    source = exchange("--replay", str(recording), "--speed", "0")
    feed = {"symbols": ["BTCUSDT"], "data_types": ["book_snapshot"]}
    recorded = recorder(source.ws_url, feed=feed, **PATIENT)
    record_all(recorded, source, len(messages))
    assert_same(recorded.table("book_snapshot"), [expected_row("depth20@100ms", message) for message in messages])
