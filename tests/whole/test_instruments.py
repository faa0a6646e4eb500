"""The list of instruments, from an exchange's REST server to rows of the archive: with real processes."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from collector.storage.instrument_files import read_instruments
from tests.json_server import JsonServer
from tests.whole.running import Recorder

LISTED = {
    "symbol": "BTCUSDT", "baseCoin": "BTC", "quoteCoin": "USDT", "status": "Trading",
    "priceFilter": {"tickSize": "0.01"}, "lotSizeFilter": {"basePrecision": "0.000001"},
}  # fmt: skip


def test_a_feed_of_instruments_alone_needs_no_connection(recorder: Callable[..., Recorder]) -> None:
    status = ["Trading"]

    def answer(target: str) -> Any:
        if "instruments-info" not in target:
            return {"retCode": 0, "result": {"timeNano": "1790000000000000000"}}
        assert dict(parse_qsl(urlsplit(target).query))["category"] == "spot"
        return {"retCode": 0, "result": {"list": [LISTED | {"status": status[0]}], "nextPageCursor": ""}}

    with JsonServer(answer) as server:
        feed = {
            "exchange": "bybit_spot", "symbols": ["BTCUSDT"], "data_types": ["instrument"], "rest_url": server.url,
        }  # fmt: skip
        recorded = recorder("ws://127.0.0.1:9", feed=[feed], ingest={"symbols_refresh_secs": 1}).start()
        recorded.wait_for_messages(1)
        (stream,) = recorded.status()["streams"]
        assert stream["data_type"] == "instrument"
        status[0] = "PreLaunch"
        recorded.wait_for_messages(2)
        assert recorded.status()["repair"]["answered"]["list"] >= 2
        assert recorded.stop() == 0
    rows = recorded.table("instrument", "BTCUSDT")
    assert [(row["status"], row["line"], row["tick_size"]) for row in rows] == [
        ("Trading", 0, 0.01), ("PreLaunch", 0, 0.01),
    ]  # fmt: skip
    assert '"baseCoin": "BTC"' in rows[0]["raw"]
    assert recorded.logged("rest_failed") == []
    found = read_instruments(recorded.data_dir, "bybit_spot")
    assert found is not None
    assert [each.symbol for each in found.instruments] == ["BTCUSDT"]
