"""A configuration for several exchanges, rehearsed without any of them: one simulator plays them all, faults and a listing included."""

import json
import urllib.request
from collections import Counter
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote, unquote

import pyarrow.parquet as pq
import pytest

from collector.storage.archive.object_check import differences
from collector.storage.archive.verify import Verification
from collector.storage.store.directory import DirectoryStore
from tests.whole.running import ANSWER_SECS, PATIENT, Exchange, Recorder, wait_for
from tests.whole.test_repair import counted

DEADLINE_SECS: Final = 120.0
FUTURES_TYPES: Final = ["agg_trade", "book_delta", "mark_price", "funding_rate", "open_interest", "liquidation"]


def feeds(market: Exchange) -> list[dict[str, Any]]:
    """As a user would write them, with the simulator's addresses."""

    def feed(exchange: str, symbols: list[str], data_types: list[str], prefix: str = "") -> dict[str, Any]:
        addresses = {"ws_url": market.ws_url + prefix, "rest_url": market.rest_url + prefix}
        return {"exchange": exchange, "symbols": symbols, "data_types": data_types, **addresses}

    return [
        feed("binance", ["*USDT"], ["trade", "book_delta"]),
        feed("binance_usdm", ["BTCUSDT"], FUTURES_TYPES),
        feed("kraken", ["BTC/USDT"], ["trade", "book_delta", "book_ticker"], "/kraken"),
        feed("bitfinex", ["tBTCUST"], ["trade", "book_delta"], "/bitfinex"),
    ]


def stored(recorded: Recorder) -> dict[tuple[str, str, str], int]:
    """Messages by exchange, symbol and data type."""
    streams = (recorded.status() or {"streams": []})["streams"]
    return {(each["exchange"], each["symbol"], each["data_type"]): each["messages"] for each in streams}


def change_markets(market: Exchange, **change: str) -> None:
    request = urllib.request.Request(f"{market.rest_url}/simulator/markets", json.dumps(change).encode())
    urllib.request.urlopen(request, timeout=ANSWER_SECS).close()


def lose(market: Exchange, stream: str, path: str) -> None:
    """Lose one frame that a connection to this path would have got."""
    before = market.stats()["frames_dropped"]
    market.fault(kind="drop", next=1, stream=stream, path=path)
    wait_for(lambda: market.stats()["frames_dropped"] > before, DEADLINE_SECS)


def requests(market: Exchange, *words: str) -> int:
    """How many messages of clients had all of these words, as its log says so far."""
    whole = market.sent_log.read_bytes().rpartition(b"\n")[0]
    lines = [json.loads(line) for line in whole.splitlines() if b'"event": "request"' in line]
    return sum(all(word in line["raw"] for word in words) for line in lines)


@pytest.mark.timeout(600)
def test_a_configuration_for_several_exchanges_is_rehearsed_offline(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    market = exchange("--symbols", "BTCUSDT,ETHUSDT", "--rate", "30")
    ingest = {**PATIENT["ingest"], "symbols_refresh_secs": 2}
    recorded = recorder("", feed=feeds(market), ingest=ingest, silence=PATIENT["silence"]).start()
    usual = [(one["exchange"], kind) for one in feeds(market) for kind in one["data_types"] if kind != "liquidation"]
    wait_for(
        lambda: (
            recorded.alive()
            and set(usual) <= {(name, kind) for (name, _, kind), count in stored(recorded).items() if count}
        ),
        DEADLINE_SECS,
    )

    change_markets(market, list="NEWUSDT")
    wait_for(lambda: stored(recorded).get(("binance", "NEWUSDT", "trade"), 0) > 20, DEADLINE_SECS)

    subscribed = requests(market, '"book"', '"subscribe"', "BTC/USDT")
    while not rows(recorded, "kraken", 'kind="checksum"'):  # a change below the ten best levels shows in no checksum
        lose(market, "btcusdt@depth@100ms", "/kraken/v2")
        wait_for_updates(recorded, "kraken")
    wait_for(lambda: requests(market, '"book"', '"subscribe"', "BTC/USDT") > subscribed, DEADLINE_SECS)
    lose(market, "btcusdt@depth@100ms", "/bitfinex/ws/2")
    lose(market, "ethusdt@trade", "/stream")
    wait_for(
        lambda: (
            rows(recorded, "binance", 'status="repaired"')
            and rows(recorded, "bitfinex", 'kind="sequence"')
            and rows(recorded, "kraken", 'kind="checksum"')
        ),
        DEADLINE_SECS,
    )
    change_markets(market, delist="NEWUSDT")
    wait_for(lambda: any(line["left"] == ["NEWUSDT"] for line in recorded.logged("symbols_changed")), DEADLINE_SECS)
    assert recorded.stop() == 0

    assert list(Verification(DirectoryStore(recorded.data_dir / "archive"), differences).findings()) == []
    assert ledger(recorded) == {
        ("binance", "ETHUSDT", "trade", "sequence", "repaired"): 1,
        ("bitfinex", "tBTCUST", "trade", "sequence", "unrepairable"): 1,
        ("bitfinex", "tBTCUST", "book_delta", "sequence", "unrepairable"): 1,
        ("kraken", "BTC/USDT", "book_delta", "checksum", "unrepairable"): 1,
    }
    assert recorded.table("undecoded") == []
    assert ids_without_holes(recorded, "binance", "ETHUSDT")
    assert ids_without_holes(recorded, "kraken", "BTC/USDT")
    books = [row["is_snapshot"] for row in recorded.table("book_delta", "BTC%2FUSDT")]
    assert sum(map(bool, books)) == 2, "the first book, and the fresh one"


def wait_for_updates(recorded: Recorder, exchange: str) -> None:
    """Wait until twenty more updates of its books are stored."""

    def updates() -> int:
        return sum(
            count for (name, _, kind), count in stored(recorded).items() if (name, kind) == (exchange, "book_delta")
        )

    before = wait_for(updates)
    wait_for(lambda: updates() > before + 20, DEADLINE_SECS)


def rows(recorded: Recorder, exchange: str, label: str) -> int:
    """Gaps of an exchange that have this label, as /metrics says."""
    return counted(recorded, "collector_gaps_total", f'exchange="{exchange}"', label)


def ledger(recorded: Recorder) -> dict[tuple[str, ...], int]:
    """How many gaps there are, by exchange, symbol, data type, kind and last status.

    Which updates came before their book depends on how busy the machine is.
    """
    newest: dict[str, tuple[Any, tuple[str, ...]]] = {}
    for path in (recorded.data_dir / "archive").glob("exchange=*/data_type=gap/symbol=*/**/*.parquet"):
        exchange, symbol = (unquote(part.partition("=")[2]) for part in (path.parts[-5], path.parts[-3]))
        for row in pq.ParquetFile(path).read().to_pylist():
            told = (exchange, symbol, row["stream_type"], row["kind"], row["status"])
            newest[row["gap_id"]] = max(
                newest.get(row["gap_id"], (row["detected_at"], told)), (row["detected_at"], told)
            )
    return dict(Counter(told for _, told in newest.values() if "book_unknown" not in told))


def ids_without_holes(recorded: Recorder, exchange: str, symbol: str) -> bool:
    folder = (
        recorded.data_dir / "archive" / f"exchange={exchange}" / "data_type=trade" / f"symbol={quote(symbol, safe='')}"
    )
    found = [row for path in folder.glob("**/*.parquet") for row in pq.ParquetFile(path).read(["trade_id"]).to_pylist()]
    ids = sorted(int(row["trade_id"]) for row in found)
    return len(ids) > 1 and ids == list(range(ids[0], ids[0] + len(ids)))
