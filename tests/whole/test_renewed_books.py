"""Books of a live Kraken go on being verified from writer to writer, in reloads and handovers; after a kill fresh ones come."""

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from tests.whole.accounts import gaps_of
from tests.whole.handing import Handed, handed
from tests.whole.running import PATIENT, Exchange, wait_for
from tests.whole.test_reload import reload

__all__ = ["handed"]

BOOKS = ["trade", "book_delta"]
LIVE = ("--rate", "40", "--symbols", "BTCUSDT,ETHUSDT")
WRITER = {"batch_interval_secs": 1}

Start = Callable[..., Handed]


@pytest.fixture
def source(exchange: Callable[..., Exchange]) -> Exchange:
    return exchange(*LIVE)


def settings(source: Exchange, data_types: list[str]) -> dict[str, Any]:
    addresses = {"ws_url": f"{source.ws_url}/kraken", "rest_url": f"{source.rest_url}/kraken"}
    feed = {"exchange": "kraken", "symbols": ["BTC/USDT", "ETH/USDT"], "data_types": data_types, **addresses}
    return {**PATIENT, "feed": [feed], "writer": WRITER, "supervisor": {"handover_min_secs": 2}}


@pytest.fixture
def recorded(source: Exchange, handed: Start) -> Handed:
    return handed(source, **settings(source, BOOKS))


def checks(recorded: Handed) -> dict[str, int]:
    """Book messages so far, by what their checksum said."""
    status = wait_for(recorded.recorded.status)
    counts: dict[str, int] = status["writer"]["book_checks"]
    return counts


def is_verified_on(recorded: Handed) -> None:
    """Wait until more books are verified than now."""
    before = wait_for(lambda: checks(recorded).get("matched", 0))
    wait_for(lambda: checks(recorded)["matched"] > before + 20)


def change(recorded: Handed, source: Exchange, data_types: list[str]) -> None:
    """Reload with these data types, which renews the writer, and wait until books are verified by the next one."""
    before = recorded.pids()["writer"]
    recorded.recorded.configure(**settings(source, data_types))
    code, lines = reload(recorded.recorded)
    assert code == 0, lines
    assert recorded.pids()["writer"] != before
    is_verified_on(recorded)


def lose_an_update(source: Exchange) -> None:
    before = source.stats()["frames_dropped"]
    source.fault(kind="drop", next=1, stream="btcusdt@depth@100ms")
    wait_for(lambda: source.stats()["frames_dropped"] > before)


def kill_writer(recorded: Handed) -> None:
    """Kill it, and wait until the next one has met updates that it has no book for."""
    killed, unverified = recorded.pids()["writer"], checks(recorded).get("unverified", 0)
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: recorded.pids()["writer"] not in {0, None, killed})
    wait_for(lambda: checks(recorded).get("unverified", 0) > unverified)


def checksum_gaps(recorded: Handed) -> list[tuple[str, str]]:
    """Stop it; the gaps of books, by cause and symbol."""
    assert recorded.stop() == 0
    gaps = gaps_of(recorded.recorded.data_dir / "archive")
    assert {gap["kind"] for gap in gaps} <= {"checksum"}
    return sorted((gap["cause"], gap["symbol"]) for gap in gaps)


@pytest.mark.timeout(300)
def test_books_are_verified_without_a_break_over_reloads_and_handovers(source: Exchange, recorded: Handed) -> None:
    is_verified_on(recorded)
    change(recorded, source, [*BOOKS, "book_ticker"])
    change(recorded, source, BOOKS)
    for _ in range(2):
        code, lines = recorded.hand_over()
        assert code == 0, lines
        is_verified_on(recorded)
    assert checks(recorded).keys() == {"matched"}, "every update was held against its checksum"
    assert checksum_gaps(recorded) == []


@pytest.mark.timeout(300)
def test_a_book_that_is_wrong_while_the_writer_is_renewed_has_the_row_of_its_loss_alone(
    source: Exchange, recorded: Handed
) -> None:
    is_verified_on(recorded)
    while "different" not in checks(recorded):  # a change below the ten best levels shows in no checksum
        lose_an_update(source)
        is_verified_on(recorded)
    change(recorded, source, [*BOOKS, "book_ticker"])
    change(recorded, source, BOOKS)
    causes = checksum_gaps(recorded)
    assert causes
    assert set(causes) == {("exchange", "BTC/USDT")}


@pytest.mark.timeout(300)
def test_after_a_writer_killed_behind_a_renewal_books_are_verified_again_by_fresh_ones(
    source: Exchange, recorded: Handed
) -> None:
    is_verified_on(recorded)
    change(recorded, source, [*BOOKS, "book_ticker"])
    for _ in range(2):  # the second one within the stretch that the first one begins
        kill_writer(recorded)
        is_verified_on(recorded)
    causes = set(checksum_gaps(recorded))
    assert causes
    assert causes <= {("restart", "BTC/USDT"), ("restart", "ETH/USDT")}
