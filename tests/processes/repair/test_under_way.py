"""Several requests are under way at once: a slow one holds up no other, and what one meets concerns the next, not the others."""

import errno
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from collector.feed.rest import RestClient
from collector.processes.context import SystemClock
from collector.processes.repair.feed_repair import FeedRepair
from collector.processes.repair.lanes import Lanes
from collector.processes.repair.throttled_client import RETRY_BASE_SECS
from collector.processes.repair.under_way import PATIENT_SHARE
from collector.processes.worker_threads import WorkerThreads
from collector.storage.journal.writer import JournalWriter
from tests.json_server import JsonServer
from tests.processes.ingest.ingest_harness import wait_for
from tests.processes.repair.repair_world import World
from tests.processes.repair.test_feed_repair import answers, book, parts, trades, without_clock

AT_ONCE = 4
SYMBOLS = tuple(f"S{number}" for number in range(8))
DEADLINE_SECS = 60


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path, symbols=SYMBOLS, at_once=AT_ONCE)
    world.exchange.last_update_ids = dict.fromkeys(SYMBOLS, 9)
    world.exchange.trades = {symbol: set(range(1, 5_000)) for symbol in SYMBOLS}
    return world


@pytest.fixture
def feed_repair(world: World) -> FeedRepair:
    """It has read the exchange's clock."""
    return world.repair()


def ask_for_all(world: World) -> None:
    world.requests.put([book(5, symbol=symbol) for symbol in SYMBOLS])


def asked(world: World) -> list[str]:
    return without_clock(world.exchange.kinds())


def hold(world: World) -> list[Callable[[], None]]:
    """From here on no request is sent before it is called."""
    held: list[Callable[[], None]] = []
    world.run = held.append
    return held


def test_no_request_waits_for_the_answer_of_another(tmp_path: Path) -> None:
    meeting = threading.Barrier(AT_ONCE)

    def answer(target: str) -> Any:
        if "depth" not in target:
            return {"serverTime": 1}
        meeting.wait(DEADLINE_SECS)
        return {"lastUpdateId": 9, "bids": [["1", "2"]], "asks": []}

    with JsonServer(answer) as server:
        client = RestClient(server.url, SystemClock(), AT_ONCE)
        world = World(tmp_path, symbols=SYMBOLS, client=client, at_once=AT_ONCE)
        workers = WorkerThreads()
        world.run = Lanes(workers.start, "rest").run
        ask_for_all(world)
        feed_repair = world.new_repair()
        while world.waiting():
            if feed_repair.step() > 0:
                assert feed_repair.wake.wait(DEADLINE_SECS)
                feed_repair.wake.clear()
        workers.raise_failure()
    assert {about.symbol for about, _ in answers(world)} == set(SYMBOLS)


def test_a_ban_stops_what_is_not_sent_and_the_answers_of_the_others_count(
    world: World, feed_repair: FeedRepair
) -> None:
    ask_for_all(world)
    world.exchange.answer(429, b"", **{"Retry-After": "17"})
    feed_repair.step()
    assert len(asked(world)) == AT_ONCE
    assert parts(world) == ["snapshot"] * (AT_ONCE - 1)
    assert len(world.waiting()) == len(SYMBOLS) - (AT_ONCE - 1)
    world.repair(feed_repair, for_secs=16)
    assert len(asked(world)) == AT_ONCE
    world.sleep(1.1)
    feed_repair.step()
    assert len(asked(world)) == AT_ONCE + 1
    world.repair(feed_repair)
    assert world.waiting() == []
    assert len(asked(world)) == len(SYMBOLS) + 1


def test_bans_of_requests_that_were_under_way_together_are_one(world: World, feed_repair: FeedRepair) -> None:
    ask_for_all(world)
    for _ in range(AT_ONCE):
        world.exchange.answer(418)
    feed_repair.step()
    banned_secs = feed_repair.step()
    assert 0 < banned_secs <= 120
    assert ("book", "rate_limited", AT_ONCE) in feed_repair.numbers.failures
    world.repair(feed_repair, for_secs=banned_secs + 1)
    assert world.waiting() == []


def test_the_longest_of_several_bans_counts(world: World, feed_repair: FeedRepair) -> None:
    ask_for_all(world)
    for secs in ("5", "30", "9"):
        world.exchange.answer(429, b"", **{"Retry-After": secs})
    feed_repair.step()
    assert feed_repair.step() == pytest.approx(30, abs=1)


def test_failures_of_requests_that_were_under_way_together_are_one_pause(world: World, feed_repair: FeedRepair) -> None:
    ask_for_all(world)
    for _ in range(AT_ONCE):
        world.exchange.fail()
    feed_repair.step()
    assert feed_repair.step() <= RETRY_BASE_SECS
    assert ("book", "unreachable", AT_ONCE) in feed_repair.numbers.failures
    assert world.events.count("rest_failed") == 1


def test_answers_that_the_disk_refuses_together_are_one_pause_and_asked_again(
    world: World, feed_repair: FeedRepair, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask_for_all(world)
    with monkeypatch.context() as patch:
        patch.setattr(JournalWriter, "append_frames", refuse)
        feed_repair.step()
    assert feed_repair.step() <= RETRY_BASE_SECS
    assert ("book", "disk", AT_ONCE) in feed_repair.numbers.failures
    assert len(world.waiting()) == len(SYMBOLS)
    world.repair(feed_repair, for_secs=RETRY_BASE_SECS)
    assert world.waiting() == []
    assert parts(world) == ["snapshot"] * len(SYMBOLS)


def refuse(*_args: object) -> None:
    raise OSError(errno.ENOSPC, "full")


def test_while_the_exchange_fails_one_request_at_a_time_tries_it(world: World, feed_repair: FeedRepair) -> None:
    ask_for_all(world)
    for _ in range(AT_ONCE + 1):
        world.exchange.fail()
    feed_repair.step()
    world.sleep(4 * RETRY_BASE_SECS)
    feed_repair.step()
    assert len(asked(world)) == AT_ONCE + 1
    world.sleep(4 * RETRY_BASE_SECS)
    feed_repair.step()
    assert len(asked(world)) == AT_ONCE + 2
    feed_repair.step()
    assert len(asked(world)) == 2 * AT_ONCE + 2
    world.repair(feed_repair)
    assert world.waiting() == []


def test_requests_that_no_update_waits_for_leave_room_for_a_book(world: World, feed_repair: FeedRepair) -> None:
    world.requests.put([trades(101, 150, symbol=symbol) for symbol in SYMBOLS])
    held = hold(world)
    feed_repair.step()
    assert len(held) == AT_ONCE * PATIENT_SHARE
    ask_for_all(world)
    feed_repair.step()
    assert len(held) == AT_ONCE
    while held:
        held.pop(0)()
        world.repair(feed_repair)
    assert world.waiting() == []
    kinds = [kind.split()[0] for kind in asked(world)]
    assert kinds == ["historicalTrades"] + ["depth"] * len(SYMBOLS) + ["historicalTrades"] * (len(SYMBOLS) - 1)


def test_answers_that_come_together_are_made_durable_together(
    world: World, feed_repair: FeedRepair, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting: list[int] = []
    real = JournalWriter.sync

    def sync(journal: JournalWriter) -> None:
        waiting.append(len(world.waiting()))
        real(journal)

    monkeypatch.setattr(JournalWriter, "sync", sync)
    world.requests.put([book(5, symbol=symbol) for symbol in SYMBOLS[:AT_ONCE]])
    feed_repair.step()
    assert world.waiting() == []
    assert waiting[-1] == AT_ONCE
    assert len(waiting) <= 2  # a new journal is made durable, too


def test_a_request_put_again_while_it_is_under_way_begins_anew(world: World, feed_repair: FeedRepair) -> None:
    world.requests.put([trades(101, 2_600, symbol="S0")])
    held = hold(world)
    feed_repair.step()
    world.requests.put([trades(101, 2_600, symbol="S0")])
    feed_repair.step()
    while held:
        held.pop(0)()
        world.repair(feed_repair)
    assert parts(world) == ["page"] * 3 + ["end"]
    assert asked(world) == ["historicalTrades S0"] * 4
    assert world.waiting() == []


def test_a_request_withdrawn_while_it_is_under_way_brings_nothing(world: World, feed_repair: FeedRepair) -> None:
    request = trades(101, 150, symbol="S0")
    world.requests.put([request])
    held = hold(world)
    feed_repair.step()
    world.requests.withdraw([request.name])
    feed_repair.step()
    for get in held:
        get()
    world.repair(feed_repair)
    assert parts(world) == []
    assert asked(world) == ["historicalTrades S0"]


def now_us(world: World) -> int:
    return world.now_ns // 1_000


@pytest.mark.parametrize(("later_secs", "expected"), [(0.0, 1), (1.0, 2)], ids=["the same break", "a later break"])
def test_a_book_under_way_serves_what_broke_before_it_was_asked_for(
    world: World, feed_repair: FeedRepair, later_secs: float, expected: int
) -> None:
    begun_us = now_us(world)
    world.requests.put([book(5, at=begun_us, symbol="S0")])
    held = hold(world)
    feed_repair.step()
    world.sleep(0.5)
    world.requests.put([book(6, at=begun_us + round(later_secs * 1e6), symbol="S0")])
    feed_repair.step()
    assert len(held) == expected
    while held:
        held.pop(0)()
        world.repair(feed_repair)
    assert world.waiting() == []
    assert asked(world) == ["depth S0"] * expected


def test_what_is_sent_at_once_waits_for_no_thread_and_an_idle_one_is_used_again() -> None:
    names: list[str] = []
    workers = WorkerThreads()

    def start(work: Callable[[], None], name: str) -> threading.Thread:
        names.append(name)
        return workers.start(work, name)

    lanes = Lanes(start, "rest")
    meeting = threading.Barrier(AT_ONCE + 1)
    for _ in range(AT_ONCE):
        lanes.run(partial(meet, meeting))
    meeting.wait(DEADLINE_SECS)
    assert names == ["rest"] * AT_ONCE

    def uses_an_idle_thread() -> bool:
        before = len(names)
        done = threading.Event()
        lanes.run(done.set)
        return done.wait(DEADLINE_SECS) and len(names) == before

    wait_for(uses_an_idle_thread)
    workers.raise_failure()


def meet(meeting: threading.Barrier) -> None:
    meeting.wait(DEADLINE_SECS)
