"""Recorded Binance frames, through the real adapter, to Parquet: every number the exchange sent is there, exactly."""

import json
import os
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from collector.domain.records import StreamKey
from collector.exchanges.adapter import Subscription
from collector.exchanges.registry import adapter
from collector.storage.segment.sealed_segment import open_sealed
from tests.storage.segment.segment_files import NOON_US, Message, make_segment
from tests.storage.staging.staged_files import stage

RECORDING = Path("../shared/data/frames/binance_spot/hftbacktest_btcusdt_20240808.jsonl.zst")
DATA_TYPES = ("book_delta", "book_ticker", "trade")
LIMIT = 20_000


@pytest.fixture(scope="module")
def frames() -> list[bytes]:
    if not RECORDING.exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"no recorded frames at {RECORDING}")
    lines = pa.input_stream(str(RECORDING), compression="zstd").read().splitlines()
    read = (json.loads(line) for line in lines[: LIMIT + 100])
    return [line["raw"].encode() for line in read if line["dir"] == "in"][:LIMIT]


def archived(base: Path, frames: list[bytes], keep_raw: str = "0") -> dict[str, list[dict[str, Any]]]:
    """The rows of each data type."""
    binance = adapter("binance")
    decode = binance.decoder(Subscription(("BTCUSDT",), DATA_TYPES))
    streams = [StreamKey("binance", "BTCUSDT", data_type) for data_type in DATA_TYPES]
    messages: list[Message] = []
    for number, frame in enumerate(frames):
        for found in decode(frame):
            assert found.id is not None
            place = streams.index(found.stream)
            messages.append((place, 0, found.id, NOON_US + number, found.exchange_us, 0, found.payload))
    path = make_segment(base, streams, messages, id_rules={"book_delta": "rising"}, keep_raw=keep_raw)
    (base / "staging").mkdir()
    with open_sealed(path) as segment:
        files = stage(segment, adapter, base / "staging", lambda: None).files
    return {file.object.data_type: pq.ParquetFile(file.path).read().to_pylist() for file in files}


def sent(frames: list[bytes]) -> dict[str, list[dict[str, Any]]]:
    """What the frames say, by data type, in the order received."""
    by_type = defaultdict(list)
    for frame in frames:
        says = json.loads(frame)
        by_type[says["stream"].partition("@")[2]].append(says["data"])
    return by_type


def as_decimals(doubles: list[float]) -> list[Decimal]:
    return [Decimal(repr(number)) for number in doubles]


def test_every_number_of_a_recording_is_in_the_archive_exactly(tmp_path: Path, frames: list[bytes]) -> None:
    rows, messages = archived(tmp_path, frames), sent(frames)
    assert set(rows) == set(DATA_TYPES), "nothing is undecoded and no gap is noted"
    for row, trade in zip(rows["trade"], messages["trade"], strict=True):
        assert row["trade_id"] == str(trade["t"])
        assert as_decimals([row["price"], row["size"]]) == [Decimal(trade["p"]), Decimal(trade["q"])]
        assert row["side"] == ("sell" if trade["m"] else "buy")
        assert round(row["exchange_at"].timestamp() * 1_000) == trade["T"]
    for row, ticker in zip(rows["book_ticker"], messages["bookTicker"], strict=True):
        numbers = [row[name] for name in ("bid_price", "bid_size", "ask_price", "ask_size")]
        assert as_decimals(numbers) == [Decimal(ticker[key]) for key in "bBaA"]
        assert (row["update_id"], row["exchange_at"]) == (ticker["u"], None)
    for row, delta in zip(rows["book_delta"], messages["depth@100ms"], strict=True):
        assert (row["first_id"], row["last_id"], row["is_snapshot"]) == (delta["U"], delta["u"], False)
        for side, levels in (("bid", delta["b"]), ("ask", delta["a"])):
            assert as_decimals(row[f"{side}_prices"]) == [Decimal(price) for price, _ in levels]
            assert as_decimals(row[f"{side}_sizes"]) == [Decimal(size) for _, size in levels]
    assert all(row["raw"] is None for found in rows.values() for row in found), "no number of it needs its text"


def test_with_raw_text_every_frame_can_be_read_back_unchanged(tmp_path: Path, frames: list[bytes]) -> None:
    rows = archived(tmp_path, frames[:2_000], keep_raw="1")
    by_receipt = sorted((row["received_at"], row["raw"]) for found in rows.values() for row in found)
    assert [raw.encode() for _, raw in by_receipt] == frames[:2_000]
