"""A whole book comes with the first update that needs it, whoever is killed meanwhile, and the ledger says until when."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from collector.domain.records import BookRow
from collector.read.books.book import Book
from tests.whole.running import Exchange, Recorder, wait_for
from tests.whole.test_repair import counted

DEADLINE_SECS = 120
SEVERAL = 3
TYPES = ["book_delta", "trade"]


def begin(source: Exchange, recorder: Callable[..., Recorder], **sections: Any) -> Recorder:
    feed = {"rest_url": source.rest_url, "symbols": ["BTCUSDT"], "data_types": TYPES}
    return recorder(source.ws_url, feed=feed, **sections).start()


def rows_of_books(recorded: Recorder, status: str) -> int:
    """How many rows of that status the ledger has for books that are missing."""
    wait_for(recorded.status, DEADLINE_SECS)
    return counted(recorded, "collector_gaps_total", 'kind="book_unknown"', f'status="{status}"')


def wait_for_books(recorded: Recorder, count: int) -> None:
    """Wait until so many stretches without a book are over."""
    wait_for(lambda: recorded.alive() and rows_of_books(recorded, "unrepairable") >= count, DEADLINE_SECS)


def wait_until_asked(recorded: Recorder) -> None:
    folder = recorded.data_dir / "repair/binance"
    wait_for(lambda: recorded.alive() and [*folder.glob("book-*.request")], DEADLINE_SECS)


def cut_again(source: Exchange) -> bool:
    """Cut every connection; true once it was done. Nothing may be missing if the next one comes before the next update."""
    before = source.stats()["connections_total"]
    source.fault(kind="disconnect", now=True)
    wait_for(lambda: source.stats()["connections_total"] > before, DEADLINE_SECS)
    return True


def require_exact_rows(recorded: Recorder) -> list[dict[str, Any]]:
    """The last word on each stretch: it begins with an update, and ends when the book came that reaches it."""
    deltas = recorded.table("book_delta", "BTCUSDT")
    begun = {(str(row["first_id"]), row["received_at"]) for row in deltas if not row["is_snapshot"]}
    came = {(str(row["last_id"]), row["received_at"]) for row in deltas if row["is_snapshot"]}
    found = [row for row in recorded.table("gap", "BTCUSDT") if row["kind"] == "book_unknown"]
    rows = list({row["gap_id"]: row for row in sorted(found, key=lambda row: row["detected_at"])}.values())
    for row in rows:
        assert (row["expected_id"], row["started_at"]) in begun
        assert (row["actual_id"], row["ended_at"]) in came
        assert row["status"] == "unrepairable"
    return rows


def require_whole_book(recorded: Recorder) -> None:
    """Each update is stored once, and the newest can be applied."""
    deltas = recorded.table("book_delta", "BTCUSDT")
    updates = [row["last_id"] for row in deltas if not row["is_snapshot"]]
    assert len(updates) == len(set(updates))
    book = Book()
    for row in sorted(deltas, key=lambda row: (row["series"], row["last_id"], not row["is_snapshot"])):
        book.apply(BookRow(*(row[name] for name in BookRow._fields)))
    assert book.exists
    assert book.last_id == max(row["last_id"] for row in deltas)


@pytest.mark.timeout(400)
def test_a_book_comes_at_the_start_and_after_a_reconnect_and_is_asked_for_once(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange("--symbols", "BTCUSDT", "--rate", "200", "--seed", "5")
    recorded = begin(source, recorder, writer={"batch_interval_secs": 3})
    wait_for_books(recorded, 1)
    while rows_of_books(recorded, "unrepairable") < 3:
        cut_again(source)
        recorded.wait_for_messages(recorded.messages() + 150)
    assert recorded.stop() == 0
    source.stop()
    rows = require_exact_rows(recorded)
    require_whole_book(recorded)
    assert {row["cause"] for row in rows} <= {"restart", "disconnect", "exchange"}
    books = [row["last_id"] for row in recorded.table("book_delta", "BTCUSDT") if row["is_snapshot"]]
    connects = len(recorded.logged("connected"))
    assert len(rows) <= len(books) == len(set(books)) <= connects


@pytest.mark.timeout(400)
@pytest.mark.parametrize("role", ["ingest:binance", "repair", "writer"])
def test_a_kill_between_asking_and_the_answer_costs_no_book_and_doubles_nothing(
    role: str, exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange("--symbols", "BTCUSDT", "--rate", "200", "--seed", "7")
    source.fault(kind="http", status=503, path="depth", probability=1.0)
    recorded = begin(source, recorder)
    wait_until_asked(recorded)
    recorded.wait_for_messages(50)
    os.kill(recorded.pid_of(role), signal.SIGKILL)
    recorded.wait_for_messages(recorded.messages() + 100)
    source.heal()
    wait_for_books(recorded, 1)
    wait_for(lambda: not any(recorded.status()["repair"]["waiting"].values()), DEADLINE_SECS)
    recorded.wait_for_messages(recorded.messages() + 50)
    assert recorded.stop() == 0
    source.stop()
    assert require_exact_rows(recorded)
    require_whole_book(recorded)


@pytest.mark.timeout(400)
def test_while_rest_is_down_recording_goes_on_and_the_ledger_says_that_there_is_no_book(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange("--symbols", "BTCUSDT", "--rate", "100", "--seed", "9")
    source.fault(kind="http", status=503, path="depth", probability=1.0)
    recorded = begin(source, recorder)
    wait_for(lambda: recorded.alive() and rows_of_books(recorded, "open") == 1, DEADLINE_SECS)
    recorded.wait_for_messages(recorded.messages() + 100)
    assert rows_of_books(recorded, "unrepairable") == 0
    source.heal()
    wait_for_books(recorded, 1)
    assert recorded.stop() == 0
    source.stop()
    (row,) = require_exact_rows(recorded)
    assert row["cause"] == "restart"
    require_whole_book(recorded)


def test_where_a_subscription_brings_the_book_no_update_is_without_one(
    tmp_path: Path, exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange("--symbols", "BTCUSDT", "--rate", "100", "--seed", "11")
    feed = {"exchange": "kraken", "symbols": ["BTC/USDT"], "data_types": ["book_delta"]}
    recorded = recorder(f"{source.ws_url}/kraken", feed=feed).start()
    recorded.wait_for_messages(50)
    cut_again(source)
    recorded.wait_for_messages(recorded.messages() + 100)
    assert recorded.stop() == 0
    source.stop()
    assert "book_unknown" not in {row["kind"] for row in recorded.table("gap")}
    assert sum(row["is_snapshot"] for row in recorded.table("book_delta")) >= 2


@pytest.mark.timeout(400)
def test_no_book_waits_for_the_answer_that_brings_another(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    symbols = ["BTCUSDT", *(f"S{number}USDT" for number in range(11))]
    source = exchange("--symbols", ",".join(symbols), "--rate", "40", "--seed", "13")
    source.fault(kind="hang", secs=8, path="depth", probability=1.0)
    feed = {"rest_url": source.rest_url, "symbols": symbols, "data_types": ["book_delta"]}
    recorded = recorder(source.ws_url, feed=feed).start()
    wait_until_asked(recorded)
    repair = psutil.Process(recorded.pid_of("repair"))
    wait_for(lambda: len(repair.net_connections("tcp")) > SEVERAL, DEADLINE_SECS)
    source.heal()
    wait_for_books(recorded, len(symbols))
    assert recorded.stop() == 0
    source.stop()
    for symbol in symbols:
        assert any(row["is_snapshot"] for row in recorded.table("book_delta", symbol))
