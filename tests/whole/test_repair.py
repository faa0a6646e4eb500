"""What did not come over the socket is fetched over REST, and what cannot be had is called so."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from tests.whole.running import ROOT, Exchange, Recorder, wait_for

TYPES = ["book_delta", "book_ticker", "trade"]
DEADLINE_SECS = 120


def rows_of_gaps(recorded: Recorder, status: str) -> int:
    """How many rows of that status the ledger has for trades, as /metrics says."""
    with urllib.request.urlopen(f"http://127.0.0.1:{recorded.port}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    found = re.findall(r"collector_gaps_total\{([^}]*)\} ([0-9.e+]+)", text)
    wanted = ['data_type="trade"', 'kind="sequence"', f'status="{status}"']
    return sum(int(float(count)) for labels, count in found if all(label in labels for label in wanted))


def wait_for_rows(recorded: Recorder, status: str, count: int) -> None:
    wait_for(lambda: recorded.alive() and rows_of_gaps(recorded, status) >= count, DEADLINE_SECS)


def drop_trades(source: Exchange, count: int) -> None:
    before = source.stats()["frames_dropped"]
    source.fault(kind="drop", next=count, stream="btcusdt@trade")
    wait_for(lambda: source.stats()["frames_dropped"] >= before + count, DEADLINE_SECS)


def newest_rows(recorded: Recorder, data_type: str) -> list[dict[str, Any]]:
    """The last word on each gap of sequence of a data type."""
    rows = [row for row in recorded.table("gap") if row["stream_type"] == data_type and row["kind"] == "sequence"]
    newest = {row["gap_id"]: row for row in sorted(rows, key=lambda row: row["detected_at"])}
    return list(newest.values())


def missed(rows: list[dict[str, Any]]) -> list[int]:
    return sorted(id_ for row in rows for id_ in range(int(row["expected_id"]), int(row["actual_id"])))


def logged_trades(source: Exchange) -> tuple[dict[int, tuple[float, float]], set[int]]:
    """Price and size of every trade the exchange made a frame of, and the ids of those it removed."""
    made: dict[int, tuple[float, float]] = {}
    removed: set[int] = set()
    for line in source.sent():
        if '"btcusdt@trade"' in line.get("raw", ""):
            data = json.loads(line["raw"])["data"]
            made[data["t"]] = float(data["p"]), float(data["q"])
            if line.get("event") == "dropped":
                removed.add(data["t"])
    return made, removed


@pytest.mark.timeout(400)
def test_trades_that_were_lost_come_back_and_every_book_can_be_rebuilt(
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

    def all_came() -> bool:
        waiting = recorded.status()["repair"]["waiting"]
        return not any(waiting.values()) and rows_of_gaps(recorded, "open") == rows_of_gaps(recorded, "repaired")

    wait_for(all_came, DEADLINE_SECS)
    assert recorded.stop() == 0
    source.stop()

    trades = recorded.table("trade", "BTCUSDT")
    ids = sorted(int(row["trade_id"]) for row in trades)
    assert ids == list(range(ids[0], ids[-1] + 1))
    made, removed = logged_trades(source)
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
    check = [sys.executable, str(ROOT / "scripts/check_books.py"), str(recorded.data_dir / "archive"), "--json"]
    checked = subprocess.run(check, capture_output=True, text=True, timeout=DEADLINE_SECS, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.timeout(400)
def test_what_the_exchange_refuses_or_never_had_is_called_unrepairable(
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
    source.fault(kind="drop", next=60, stream="btcusdt@trade")
    source.fault(kind="hole", now=True, ids=4)
    wait_for_rows(recorded, "partly_repaired", 1)
    assert recorded.stop() == 0
    source.stop()
    rows = sorted(newest_rows(recorded, "trade"), key=lambda row: int(row["expected_id"]))
    assert [(row["status"], row["repaired_by"], row["missing"]) for row in rows] == [
        ("unrepairable", None, 2), ("unrepairable", None, 5), ("partly_repaired", "rest", 4),
    ]  # fmt: skip
    assert sum(row["line"] == -1 for row in recorded.table("trade")) == 60
