"""What did not come over the socket is fetched over REST, and what cannot be had is called so."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from collector.domain.records import StreamKey
from collector.domain.repair_protocol import TradesRequest
from collector.storage.request_files import RequestFolder
from tests.whole.running import ROOT, Exchange, Recorder, wait_for

TYPES = ["book_delta", "book_ticker", "trade"]
DEADLINE_SECS = 120


def counted(recorded: Recorder, metric: str, *wanted: str) -> int:
    """The sum of a metric over all that has these labels, as /metrics says."""
    with urllib.request.urlopen(f"http://127.0.0.1:{recorded.port}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    found = re.findall(rf"{metric}\{{([^}}]*)\}} ([0-9.e+]+)", text)
    return sum(int(float(count)) for labels, count in found if all(label in labels for label in wanted))


def rows_of_gaps(recorded: Recorder, status: str, data_type: str = "trade") -> int:
    """How many rows of that status the ledger has for lost ids of a data type."""
    wanted = [f'data_type="{data_type}"', 'kind="sequence"', f'status="{status}"']
    return counted(recorded, "collector_gaps_total", *wanted)


def wait_for_rows(recorded: Recorder, status: str, count: int) -> None:
    wait_for(lambda: recorded.alive() and rows_of_gaps(recorded, status) >= count, DEADLINE_SECS)


def wait_until_all_came(recorded: Recorder, data_type: str = "trade") -> None:
    """Wait until nothing is asked for, and every gap of the data type is repaired."""

    def all_came() -> bool:
        opened, repaired = (rows_of_gaps(recorded, status, data_type) for status in ("open", "repaired"))
        return not any(recorded.status()["repair"]["waiting"].values()) and 0 < opened == repaired

    wait_for(all_came, DEADLINE_SECS)


def wait_until_removed_came(recorded: Recorder, source: Exchange, count: int) -> None:
    """Wait until the archive's ledger has the `count` trades the exchange removed, and calls every gap repaired."""

    def all_came() -> bool:
        removed = removed_trades(source)
        found = missed(newest_rows(recorded, "trade", "BTCUSDT"))
        statuses = {row["status"] for row in newest_rows(recorded, "trade")}
        return len(removed) == count and removed <= set(found) and statuses == {"repaired"}

    wait_for(lambda: recorded.alive() and all_came(), DEADLINE_SECS)


def removed_trades(source: Exchange) -> set[int]:
    """The ids of the trades it has removed on request so far, without those a closed connection left unsent."""
    whole = source.sent_log.read_bytes().rpartition(b"\n")[0]  # the last line may still be on its way
    lines = [json.loads(line) for line in whole.splitlines() if b'"why":"fault"' in line]
    return {json.loads(line["raw"])["data"]["t"] for line in lines if '"btcusdt@trade"' in line["raw"]}


def drop_trades(source: Exchange, count: int) -> None:
    before = source.stats()["frames_dropped"]
    source.fault(kind="drop", next=count, stream="btcusdt@trade")
    wait_for(lambda: source.stats()["frames_dropped"] >= before + count, DEADLINE_SECS)


def newest_rows(recorded: Recorder, data_type: str, symbol: str | None = None) -> list[dict[str, Any]]:
    """The last word on each gap of sequence of a data type."""
    rows = [
        row for row in recorded.table("gap", symbol) if row["stream_type"] == data_type and row["kind"] == "sequence"
    ]
    newest = {row["gap_id"]: row for row in sorted(rows, key=lambda row: row["detected_at"])}
    return list(newest.values())


def missed(rows: list[dict[str, Any]]) -> list[int]:
    return sorted(id_ for row in rows for id_ in range(int(row["expected_id"]), int(row["actual_id"])))


def logged_trades(source: Exchange) -> dict[int, tuple[float, float]]:
    """Price and size of every trade the exchange made a frame of."""
    made: dict[int, tuple[float, float]] = {}
    for line in source.sent():
        if '"btcusdt@trade"' in line.get("raw", ""):
            data = json.loads(line["raw"])["data"]
            made[data["t"]] = float(data["p"]), float(data["q"])
    return made


def checked_books(recorded: Recorder) -> list[dict[str, Any]]:
    """What the tool says of each book, all of which agree with the exchange's best prices."""
    check = [sys.executable, str(ROOT / "scripts/check_books.py"), str(recorded.data_dir / "archive"), "--json"]
    checked = subprocess.run(
        check, capture_output=True, text=True, timeout=DEADLINE_SECS, check=False, encoding="utf-8"
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    books: list[dict[str, Any]] = json.loads(checked.stdout)["books"]
    return books


@pytest.mark.timeout(400)
def test_lost_trades_are_repaired_and_every_book_can_be_rebuilt(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange("--symbols", "BTCUSDT,ETHUSDT", "--rate", "200", "--seed", "5")
    feed = {"rest_url": source.rest_url, "symbols": ["BTCUSDT", "ETHUSDT"], "data_types": TYPES}
    recorded = recorder(source.ws_url, feed=feed, segment={"interval_secs": 2}).start()
    recorded.wait_for_messages(300)
    for number, count in enumerate((1, 20), start=1):
        drop_trades(source, count)
        wait_for_rows(recorded, "open", number)
    os.kill(recorded.pid_of("repair"), signal.SIGKILL)
    drop_trades(source, 3)
    source.fault(kind="disconnect", now=True)
    wait_for(lambda: source.stats()["connections_total"] >= 2, DEADLINE_SECS)
    drop_trades(source, 1)
    wait_for_rows(recorded, "open", 3)
    recorded.wait_for_messages(recorded.messages() + 300)

    wait_until_removed_came(recorded, source, 25)
    assert recorded.stop() == 0
    source.stop()

    trades = recorded.table("trade", "BTCUSDT")
    ids = sorted(int(row["trade_id"]) for row in trades)
    assert ids == list(range(ids[0], ids[-1] + 1))
    made, removed = logged_trades(source), removed_trades(source)
    assert len(removed) == 25
    assert {int(row["trade_id"]): (row["price"], row["size"]) for row in trades}.items() >= {
        id_: made[id_] for id_ in removed
    }.items()
    rows = newest_rows(recorded, "trade")
    assert {(row["status"], row["repaired_by"], row["missing"]) for row in rows} == {("repaired", "rest", 0)}
    fetched = [
        int(row["trade_id"])
        for symbol in feed["symbols"]
        for row in recorded.table("trade", symbol)
        if row["line"] == -1
    ]
    assert sorted(fetched) == missed(rows)
    assert set(fetched) >= removed

    assert {row["status"] for row in newest_rows(recorded, "book_delta")} <= {"unrepairable"}
    for symbol in feed["symbols"]:
        deltas = recorded.table("book_delta", symbol)
        books = [row["last_id"] for row in deltas if row["is_snapshot"]]
        assert len(books) == len(set(books)) >= 1
        assert min(books) + 1 >= min(row["first_id"] for row in deltas if not row["is_snapshot"])
    checked_books(recorded)


@pytest.mark.timeout(400)
def test_trades_the_exchange_refuses_or_lacks_are_unrepairable(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange("--symbols", "BTCUSDT", "--rate", "100", "--seed", "6")
    feed = {"rest_url": source.rest_url, "symbols": ["BTCUSDT"], "data_types": ["book_snapshot", "trade"]}
    recorded = recorder(source.ws_url, feed=feed).start()
    recorded.wait_for_messages(100)
    source.fault(kind="http", status=451, path="historicalTrades", next=1)
    drop_trades(source, 2)
    wait_for_rows(recorded, "unrepairable", 1)
    source.fault(kind="hole", now=True, ids=5)
    wait_for_rows(recorded, "unrepairable", 2)
    before = source.stats()["frames_dropped"]
    source.fault(kind="drop", probability=1.0, stream="btcusdt@trade")
    wait_for(lambda: source.stats()["frames_dropped"] > before, DEADLINE_SECS)
    source.fault(kind="hole", now=True, ids=4)
    after = source.stats()["frames_dropped"]
    wait_for(lambda: source.stats()["frames_dropped"] > after, DEADLINE_SECS)
    source.heal()
    wait_for_rows(recorded, "partly_repaired", 1)
    assert recorded.stop() == 0
    source.stop()
    rows = sorted(newest_rows(recorded, "trade"), key=lambda row: int(row["expected_id"]))
    assert [(row["status"], row["repaired_by"], row["missing"]) for row in rows] == [
        ("unrepairable", None, 2), ("unrepairable", None, 5), ("partly_repaired", "rest", 4),
    ]  # fmt: skip
    refused = 2
    assert sum(row["line"] == -1 for row in recorded.table("trade")) == len(removed_trades(source)) - refused


@pytest.mark.timeout(400)
def test_requests_follow_their_stream_to_a_renamed_feed_after_a_kill(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange("--symbols", "BTCUSDT", "--rate", "100", "--seed", "8")
    feed = {"rest_url": source.rest_url, "symbols": ["BTCUSDT"], "data_types": ["trade"]}
    before = recorder(source.ws_url, feed={**feed, "name": "before"}, segment={"interval_secs": 2}).start()
    before.wait_for_messages(100)
    source.fault(kind="http", status=503, path="historicalTrades", probability=1.0)
    drop_trades(source, 5)
    wait_for(lambda: before.alive() and [*before.data_dir.glob("repair/before/trades-*.request")], DEADLINE_SECS)
    before.end()
    source.heal()
    misfit = TradesRequest(StreamKey("binance_usdm", "BTCUSDT", "trade"), 0, "00ff", 1, 2, 1)
    RequestFolder(before.data_dir / "repair/now").put([misfit])

    recorded = recorder(source.ws_url, feed={**feed, "name": "now"}, segment={"interval_secs": 2}).start()
    wait_until_removed_came(recorded, source, 5)
    wait_for_rows(recorded, "repaired", 2)  # what was not recorded between the two is another gap
    # One may be asked for again where its answer came while the writer began: that brings only copies.
    wait_for(lambda: not any(recorded.status()["repair"]["waiting"].values()), DEADLINE_SECS)
    assert recorded.stop() == 0
    assert [line["name"] for line in recorded.logged("request_set_aside")] == [f"{misfit.name}.request"]
    assert [path.name for path in recorded.data_dir.glob("repair/*/*.request")] == [f"{misfit.name}.request"]
    ids = sorted(int(row["trade_id"]) for row in recorded.table("trade"))
    assert ids == list(range(ids[0], ids[-1] + 1))
    assert {row["status"] for row in newest_rows(recorded, "trade")} == {"repaired"}


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FUTURES_WEIGHTS = {"time": 1, "depth": 20, "aggTrades": 20}


def lines_of(path: Path) -> Iterator[dict[str, Any]]:
    """Half a minute of a recording, timed from its first line."""
    with pa.input_stream(str(path), compression="zstd") as stream:
        lines = [json.loads(line) for line in stream.read().splitlines()]
    timed = [line for line in lines if line["recv_ts_us"] is not None and line["dir"] in {"in", "http"}]
    begun_us = timed[0]["recv_ts_us"]
    for line in timed:
        if line["recv_ts_us"] - begun_us < 30_000_000:
            yield {**line, "recv_ts_us": line["recv_ts_us"] - begun_us}


def aggregates_in(lines: list[dict[str, Any]], symbol: str) -> dict[int, dict[str, Any]]:
    """What the recorded aggregate trades of a symbol say, by id."""
    frames = [json.loads(line["raw"]) for line in lines if f'"{symbol.lower()}@aggTrade"' in line["raw"][:40]]
    said = [{name: frame["data"][name] for name in "apqflTm"} for frame in frames]
    return {data["a"]: {**data, "p": float(data["p"]), "q": float(data["q"])} for data in said}


def as_sent(row: dict[str, Any]) -> dict[str, Any]:
    """A row of an aggregate trade in the exchange's words."""
    ids = {
        name: int(row[column]) for name, column in (("a", "trade_id"), ("f", "first_trade_id"), ("l", "last_trade_id"))
    }
    traded_ms = (row["exchange_at"] - EPOCH) // timedelta(milliseconds=1)
    return {**ids, "p": row["price"], "q": row["size"], "T": traded_ms, "m": row["side"] == "sell"}


@pytest.mark.timeout(400)
def test_futures_aggregates_and_books_are_repaired_without_a_key(
    tmp_path: Path, shared_data: Path, exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    folder = shared_data / "frames/binance_usdm"
    lines = [*lines_of(folder / "cryptofeed_v3_BINANCE_FUTURES.jsonl.zst")]
    singles = [line for line in lines_of(folder / "hftbacktest_btcusdt_20240718.jsonl.zst") if "@trade" in line["raw"]]
    lines = sorted([*lines, *singles], key=lambda line: line["recv_ts_us"])
    (recording := tmp_path / "recording.jsonl").write_text("\n".join(map(json.dumps, lines)), "utf-8")
    faults = [
        "drop,after=3,next=2,stream=ctkusdt@aggTrade", "disconnect,after=8,stream=ctkusdt@aggTrade",
        "drop,after=12,next=3,stream=sushiusdt@aggTrade", "drop,after=120,next=4,stream=sushiusdt@depth@100ms",
        "drop,after=20,next=2,stream=btcusdt@trade",
    ]  # fmt: skip
    arguments = [text for fault in faults for text in ("--fault", fault)]
    source = exchange("--replay", str(recording), "--speed", "3", "--clients", "3", *arguments)
    market = {"exchange": "binance_usdm", "rest_url": source.rest_url}
    types = ["agg_trade", "book_delta", "book_ticker"]
    feeds = [
        {**market, "name": "aggregates", "symbols": ["SUSHIUSDT", "CTKUSDT"], "data_types": types},
        {**market, "name": "singles", "symbols": ["BTCUSDT"], "data_types": ["trade"]},
    ]
    recorded = recorder(source.ws_url, feed=feeds).start()
    sent = {symbol: aggregates_in(lines, symbol) for symbol in feeds[0]["symbols"]}
    stored = partial(counted, recorded, "collector_messages_stored_total", 'data_type="agg_trade"')
    wait_for(recorded.status, DEADLINE_SECS)
    wait_for(lambda: recorded.alive() and stored() == sum(map(len, sent.values())), DEADLINE_SECS)
    wait_until_all_came(recorded, "agg_trade")
    assert recorded.stop() == 0
    source.stop()

    fetched = []
    for symbol, messages in sent.items():
        rows = recorded.table("agg_trade", symbol)
        assert sorted(map(as_sent, rows), key=itemgetter("a")) == list(messages.values())
        fetched += [int(row["trade_id"]) for row in rows if row["line"] == -1]
    gaps = newest_rows(recorded, "agg_trade")
    assert {(row["status"], row["repaired_by"], row["missing"]) for row in gaps} == {("repaired", "rest", 0)}
    assert sorted(fetched) == missed(gaps)
    assert len(fetched) >= 5

    (hole,) = newest_rows(recorded, "trade")
    assert (hole["status"], hole["repaired_by"], hole["missing"]) == ("unrepairable", None, 2)
    (hole,) = newest_rows(recorded, "book_delta")
    assert (hole["status"], hole["missing"]) == ("unrepairable", None)
    deltas = recorded.table("book_delta", "SUSHIUSDT")
    assert hole["expected_id"] in {str(row["last_id"]) for row in deltas}
    assert hole["actual_id"] in {str(row["previous_id"]) for row in deltas}
    books = [row for row in deltas if row["is_snapshot"]]
    assert {(row["line"], row["previous_id"], row["exchange_at"] is None) for row in books} == {(-1, None, False)}
    assert len(books) >= 2
    assert max(row["last_id"] for row in books) >= int(hole["actual_id"])
    assert all(book["equal"] > 0 for book in checked_books(recorded))

    targets = [line["path"] for line in source.sent() if line.get("event") == "rest"]
    asked = [re.fullmatch(r"/fapi/v1/(\w+)(?:\?symbol=(?:SUSHI|CTK)USDT.*&limit=1000)?", target) for target in targets]
    weights = Counter(FUTURES_WEIGHTS[match[1]] if match else None for match in asked)
    budget = json.loads((recorded.data_dir / "run/weight-binance_usdm.json").read_bytes())
    assert Counter(cost for _, cost in budget["spent"]) <= weights
    assert weights.keys() == {1, 20}
