"""All exchanges at once, each from its recording over a real WebSocket: what was sent is in the archive, whole."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from pyarrow import parquet as pq

from collector.domain.errors import UndecodableError
from collector.exchanges.adapter import Subscription
from collector.simulator.server import Options
from tests.conftest import Lines
from tests.exchanges.recorded_markets import MARKETS, Received, RecordedMarket, recording
from tests.simulator.running import Running
from tests.whole.running import PATIENT, Recorder, wait_for

TYPES: Final = ("book_delta", "book_snapshot", "trade", "book_ticker")
MOST: Final = 3_000
"""So many frames of each are played."""

EVERY: Final = {market.exchange: market for market in reversed(MARKETS)}
"""The first recording of each exchange."""


class Played:
    """One exchange, playing its recording as the adapter's subscription would bring it."""

    def __init__(self, market: RecordedMarket, recorded: Lines, folder: Path) -> None:
        whole = recording(market._replace(most=MOST), recorded)
        wanted = tuple(one for one in whole.subscription.data_types if one in TYPES)
        self.subscription = whole.subscription._replace(data_types=wanted)
        self.expected = Counter(_stored(market, self.subscription, whole.frames))
        plans = market.adapter.plan(self.subscription, "")
        path = folder / f"{market.exchange}.jsonl"
        with path.open("w", encoding="utf-8") as file:
            for at_us, frame in whole.frames:
                line = {"recv_ts_us": at_us, "conn": "c", "url": plans[0].url, "dir": "in", "raw": frame.decode()}
                file.write(json.dumps(line) + "\n")
        log = folder / f"{market.exchange}-sent.jsonl"
        self.simulator = Running(Options(replay=(path,), speed=0, clients=len(plans), sent_log=log))
        self.feed: dict[str, Any] = {
            "exchange": market.exchange,
            "ws_url": f"ws://127.0.0.1:{self.simulator.port}",
            "symbols": list(self.subscription.symbols),
            "data_types": list(wanted),
        }


def _stored(market: RecordedMarket, subscription: Subscription, frames: list[Received]) -> Iterator[str]:
    """The data type of each message that is to be stored."""
    decode = market.adapter.decoder(subscription)
    for received in frames:
        try:
            yield from (one.stream.data_type for one in decode(received.frame) if one.payload)
        except UndecodableError:
            assert market.undecoded, "a frame of a stream that nobody subscribed is not played"


@pytest.fixture
def played(recorded: Lines, tmp_path: Path) -> Iterator[dict[str, Played]]:
    found = {exchange: Played(market, recorded, tmp_path) for exchange, market in EVERY.items()}
    yield found
    for one in found.values():
        one.simulator.stop()


@pytest.mark.timeout(600)
def test_every_exchange_is_recorded_whole_and_at_once(tmp_path: Path, played: dict[str, Played]) -> None:
    feeds = [one.feed for one in played.values()]
    recorder = Recorder(tmp_path, "", feed=feeds, **PATIENT).start()
    try:
        for exchange, one in played.items():
            one.simulator.until(lambda stats: stats["replay"]["finished"])
            total = sum(one.expected.values())
            wait_for(lambda exchange=exchange, total=total: reached(recorder, exchange, total))  # type: ignore[misc]
        assert recorder.stop() == 0
    finally:
        recorder.end()
    assert recorder.logged("subscription_refused") == []
    found = {exchange: rows_of(recorder.data_dir / "archive", exchange) for exchange in played}
    assert found == {exchange: dict(one.expected) for exchange, one in played.items()}


def reached(recorder: Recorder, exchange: str, total: int) -> bool:
    """Whether so many messages of an exchange are stored, copies included."""
    streams = (recorder.status() or {"streams": []})["streams"]
    stored = sum(one["stored"] + one["duplicates"] for one in streams if one["exchange"] == exchange)
    assert stored <= total, f"{exchange}: {stored} of {total}"
    return bool(stored == total)


def rows_of(archive: Path, exchange: str) -> dict[str, int]:
    """The rows of each data type but gaps."""
    rows: Counter[str] = Counter()
    for path in archive.glob(f"exchange={exchange}/data_type=*/**/*.parquet"):
        data_type = next(part for part in path.parts if part.startswith("data_type=")).partition("=")[2]
        rows[data_type] += pq.ParquetFile(path).metadata.num_rows
    return {data_type: count for data_type, count in rows.items() if data_type != "gap"}
