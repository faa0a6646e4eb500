"""What the benchmark sends: real messages, none a copy of another, in whole frames."""

import json
from collections import Counter, defaultdict
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pytest

from collector.exchanges.adapter import Subscription
from collector.exchanges.registry import adapter
from tests.bench.recorded import SYMBOLS, TYPES, Frame, frames_of, many_symbols, real_frames, write_wire
from tests.bench.wire import frame_bounds, framed


@pytest.fixture(scope="module")
def recorded_frames(data: Path) -> list[str]:
    return real_frames()


@pytest.fixture(scope="module")
def more_than_a_round(recorded_frames: list[str]) -> list[Frame]:
    return list(islice(frames_of(SYMBOLS), len(recorded_frames) + 10_000))


def messages_of(frames: list[Frame], data_type: str, symbol: str) -> list[dict[str, Any]]:
    return [json.loads(frame.text)["data"] for frame in frames if frame[:2] == (symbol, data_type)]


def test_no_message_is_a_copy_of_another(more_than_a_round: list[Frame], recorded_frames: list[str]) -> None:
    assert len({frame.text for frame in more_than_a_round}) == len(recorded_frames) + 10_000


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_ids_go_on_without_a_hole_over_the_rounds(more_than_a_round: list[Frame], symbol: str) -> None:
    trades = [message["t"] for message in messages_of(more_than_a_round, "trade", symbol)]
    assert trades == list(range(1, len(trades) + 1))
    updates = messages_of(more_than_a_round, "book_delta", symbol)
    assert all(after["U"] == before["u"] + 1 for before, after in pairwise(updates))
    tickers = [message["u"] for message in messages_of(more_than_a_round, "book_ticker", symbol)]
    assert tickers == sorted(set(tickers))


def test_prices_and_sizes_stay_as_recorded(more_than_a_round: list[Frame], recorded_frames: list[str]) -> None:
    numbers = ("p", "q", "b", "a", "B", "A")
    told = [{name: json.loads(text)["data"].get(name) for name in numbers} for text in recorded_frames[:5_000]]
    assert [
        {name: json.loads(frame.text)["data"].get(name) for name in numbers} for frame in more_than_a_round[:5_000]
    ] == told


def test_the_recorder_reads_every_message_as_the_stream_it_was_made_for(data: Path) -> None:
    symbols = many_symbols(7)
    decode = adapter("binance").decoder(Subscription(symbols, TYPES))
    for frame in islice(frames_of(symbols), 3_000):
        (envelope,) = decode(frame.text.encode())
        assert (envelope.stream.symbol, envelope.stream.data_type) == (frame.symbol, frame.data_type)


def test_messages_are_spread_evenly_over_many_symbols(data: Path) -> None:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for frame in islice(frames_of(many_symbols(50)), 10_000):
        counts[frame.data_type][frame.symbol] += 1
    for of_symbols in counts.values():
        assert len(of_symbols) == 50
        assert max(of_symbols.values()) - min(of_symbols.values()) <= 1


def test_each_connection_gets_the_messages_of_its_streams(data: Path, tmp_path: Path) -> None:
    symbols = many_symbols(500)
    wire = write_wire(tmp_path / "wire", symbols, 2_000)
    plans = adapter("binance").plan(Subscription(symbols, TYPES), "")
    assert wire.connections == len(plans) > 1
    found = 0
    for plan in plans:
        decode = adapter("binance").decoder(Subscription(symbols, TYPES))
        (path,) = [path for path in wire.folder.iterdir() if f"streams={path.name}/" in plan.url]
        content = path.read_bytes()
        for start, end in frame_bounds(content):
            header = 2 if content[start + 1] < 126 else 4
            assert decode(content[start + header : end])[0].stream in plan.keys
            found += 1
    assert found == wire.messages


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65_535, 65_536, 100_000])
def test_a_frame_of_any_length_ends_where_the_next_begins(length: int) -> None:
    frame = framed(bytes(length))
    assert list(frame_bounds(frame + framed(b"next"))) == [(0, len(frame)), (len(frame), len(frame) + 6)]
