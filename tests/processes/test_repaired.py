"""Writer and repair together: requests, answers and the final gap rows, whichever process is killed when."""

import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from collector.config import Config, RepairConfig
from collector.domain.records import Envelope, StreamKey
from collector.domain.repair_protocol import BookRequest, RepairAnswer
from collector.domain.sequence import hole_rules
from collector.domain.sequence.hole_rules import MIN_REQUESTED_HOLES
from collector.exchanges.binance_rest import BinanceRest
from collector.processes.repair.feed_repair import FeedRepair
from collector.processes.repair.process import claim_requests
from collector.processes.repair.repair_inbox import Claimed, RepairInbox
from collector.processes.repair.repair_journal import RepairJournal
from collector.processes.repair.retry_policy import TRIES
from collector.storage.request_files import RequestFolder
from collector.storage.segment.open_segment import OpenSegment
from tests.processes.repair.repair_world import World, diff, rest_trade, trade

pytestmark = pytest.mark.usefixtures("closed_journals")

TRIED_SECS = 1_250
"""By then an answer that cannot be read was asked for as often as it is."""


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def settled(world: World) -> None:
    """Ask, answer, and read the answer."""
    world.write()
    world.repair()
    world.write()


def rest_lines(stored: list[tuple[int, int]]) -> list[int]:
    return [id_ for id_, line in stored if line == -1]


def test_missing_trades_come_back_once_and_their_gap_is_repaired_by_rest(world: World) -> None:
    world.exchange.trades["BTCUSDT"] = set(range(1, 20))
    world.receive(trade(1), trade(2), trade(6), trade(7), trade(9))
    settled(world)
    assert sorted(world.stored()) == [(1, 0), (2, 0), (3, -1), (4, -1), (5, -1), (6, 0), (7, 0), (8, -1), (9, 0)]
    assert world.ledger() == [
        ("3", 3, "open", None), ("8", 1, "open", None), ("3", 0, "repaired", "rest"), ("8", 0, "repaired", "rest"),
    ]  # fmt: skip
    gap_ids = [row[0] for row in world.query("SELECT gap_id FROM gaps ORDER BY row")]
    assert gap_ids[:2] == gap_ids[2:]
    times = [row[0] for row in world.query("SELECT detected_at FROM gaps ORDER BY row")]
    assert max(times[:2]) < min(times[2:])
    assert world.waiting() == []


def test_trades_over_rest_keep_the_exchanges_text_and_time(world: World) -> None:
    world.exchange.trades["BTCUSDT"] = {1, 2, 3}
    world.receive(trade(1), trade(3))
    settled(world)
    ((payload, exchange_us),) = world.query("SELECT payload, exchange_us FROM messages WHERE line = -1")
    assert payload.startswith(b'{"id":2,"price":"1.5"')
    assert exchange_us == 1_700_000_000_002_000


def test_partly_available_trades_repair_their_gap_in_part(world: World) -> None:
    world.exchange.trades["BTCUSDT"] = {1, 4, 5, 9}
    world.receive(trade(1), trade(5), trade(9))
    settled(world)
    assert rest_lines(world.stored()) == [4]
    assert world.ledger()[2:] == [("2", 2, "partly_repaired", "rest"), ("6", 3, "unrepairable", None)]


def test_a_trade_that_comes_late_after_all_is_stored_and_repairs_its_gap(world: World) -> None:
    world.exchange.trades["BTCUSDT"] = {1, 4}
    world.receive(trade(1), trade(4))
    settled(world)
    world.receive(trade(2), trade(3))
    world.write()
    assert [status for _, _, status, _ in world.ledger()] == ["open", "unrepairable", "repaired"]
    assert sorted(world.stored()) == [(1, 0), (2, 0), (3, 0), (4, 0)]


def test_a_trade_fetched_over_rest_is_not_stored_again_when_late(world: World) -> None:
    world.exchange.trades["BTCUSDT"] = {1, 2, 3}
    world.receive(trade(1), trade(3))
    settled(world)
    world.receive(trade(2), trade(4))
    world.write()
    assert sorted(world.stored()) == [(1, 0), (2, -1), (3, 0), (4, 0)]
    assert [status for _, _, status, _ in world.ledger()] == ["open", "repaired"]


def test_only_requested_ids_of_a_page_are_stored(world: World) -> None:
    world.exchange.trades["BTCUSDT"] = set(range(1, 900))
    world.receive(trade(1), trade(3))
    settled(world)
    assert rest_lines(world.stored()) == [2]


def test_more_holes_than_are_kept_unrequested_are_all_repaired(world: World) -> None:
    world.exchange.trades["BTCUSDT"] = set(range(1, 6_002))
    for first in range(1, 6_001, 600):
        world.receive(*map(trade, range(first, first + 600, 2)))
        world.sleep(20)
        world.write()
    world.receive(trade(6_001))
    world.write(stop_after_secs=200)
    world.repair(for_secs=200)
    world.write(stop_after_secs=100)
    assert sorted(id_ for id_, _ in world.stored()) == list(range(1, 6_002))
    latest = dict(world.query("SELECT gap_id, status FROM gaps ORDER BY row"))
    assert set(latest.values()) == {"repaired"}


def test_a_request_is_withdrawn_once_its_gap_is_final(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Because all of it came late, or because too many are waited for."""
    monkeypatch.setattr(hole_rules, "MAX_REQUESTED_HOLES_IN_ALL", 1)
    world.receive(*map(trade, range(1, 5 * MIN_REQUESTED_HOLES, 2)))
    world.write(stop_after_secs=200)
    world.exchange.trades["BTCUSDT"] = set()
    for _ in range(3):
        world.exchange.fail()
    feed_repair = world.repair()
    world.receive(trade(2), trade(5 * MIN_REQUESTED_HOLES))
    world.write(stop_after_secs=200)
    statuses = dict(world.query("SELECT gap_id, status FROM gaps ORDER BY row"))
    still = {f"trades-{gap_id}.request" for gap_id, status in statuses.items() if status == "open"}
    assert set(world.waiting()) == still
    assert "repaired" in statuses.values()
    feed_repair.step()
    assert feed_repair._numbers().waiting["trades"] == len(still)


def test_a_request_refused_for_good_leaves_its_gap_unrepairable(world: World) -> None:
    world.receive(trade(1), trade(3))
    world.write()
    feed_repair = world.new_repair()
    feed_repair.step()  # the time
    world.exchange.answer(451)
    world.repair(feed_repair)
    world.write()
    assert world.ledger() == [("2", 1, "open", None), ("2", 1, "unrepairable", None)]


def test_an_unreadable_answer_is_kept_undecoded(world: World) -> None:
    world.receive(trade(1), trade(3))
    world.write()
    feed_repair = world.new_repair()
    feed_repair.step()  # the time
    for _ in range(2 * TRIES):
        world.exchange.answer(200, b"<html>")
    world.repair(feed_repair, for_secs=TRIED_SECS)
    world.write()
    assert world.ledger()[-1] == ("2", 1, "unrepairable", None)
    ((payload,),) = world.query("SELECT payload FROM messages WHERE line = -1")
    assert payload.endswith(b"\n<html>")
    assert world.query("SELECT reason FROM reasons") == [("malformed JSON",)]


def test_a_bug_in_an_adapter_costs_one_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_given: object) -> list[Envelope]:
        raise ZeroDivisionError

    monkeypatch.setattr(BinanceRest, "read_page", fail)
    world.exchange.trades["BTCUSDT"] = {1, 2, 3}
    world.receive(trade(1), trade(3))
    world.write()
    world.repair(for_secs=TRIED_SECS)
    world.write()
    assert world.ledger()[-1] == ("2", 1, "unrepairable", None)
    assert world.query("SELECT reason FROM reasons") == [("ZeroDivisionError in the adapter",)]


def test_a_gap_waits_while_the_exchange_does_not_answer(world: World) -> None:
    world.exchange.trades["BTCUSDT"] = {1, 2, 3}
    world.receive(trade(1), trade(3))
    world.write()
    for _ in range(5):
        world.exchange.fail()
    feed_repair = world.repair()
    world.write()
    assert world.ledger() == [("2", 1, "open", None)]
    world.repair(feed_repair, for_secs=60)
    world.write()
    assert [status for _, _, status, _ in world.ledger()] == ["open", "repaired"]


def test_a_book_is_stored_at_the_start_and_after_each_break(world: World) -> None:
    world.exchange.last_update_ids["BTCUSDT"] = 105
    world.receive(diff(101, 103), diff(104, 108))
    settled(world)
    world.exchange.last_update_ids["BTCUSDT"] = 125
    world.receive(diff(120, 124), diff(125, 130))
    settled(world)
    assert world.stored("book_delta") == [(103, 0), (108, 0), (105, -1), (124, 0), (130, 0), (125, -1)]
    assert world.ledger("book_delta") == [("109", 11, "unrepairable", None)]


def test_an_unbroken_chain_requests_no_second_book(world: World) -> None:
    world.exchange.last_update_ids["BTCUSDT"] = 105
    world.receive(diff(101, 103))
    settled(world)
    world.receive(diff(104, 108))
    world.write()
    assert world.waiting() == []


def test_a_chain_whose_hole_fills_in_time_requests_no_book(world: World) -> None:
    world.exchange.last_update_ids["BTCUSDT"] = 105
    world.receive(diff(101, 103))
    settled(world)
    world.receive(diff(106, 108), diff(104, 105))
    world.write()
    assert world.waiting() == []
    assert world.ledger("book_delta") == []


def test_an_update_with_the_id_of_a_stored_book_is_stored(world: World) -> None:
    world.exchange.last_update_ids["BTCUSDT"] = 108
    world.receive(diff(101, 103))
    settled(world)
    world.receive(diff(104, 108))
    world.write()
    assert world.stored("book_delta") == [(103, 0), (108, -1), (108, 0)]
    assert world.ledger("book_delta") == []


def test_a_restarted_series_requests_a_book_of_its_own(world: World) -> None:
    world.exchange.last_update_ids["BTCUSDT"] = 5_000
    world.receive(*(diff(first, first) for first in range(5_000, 5_600)))
    settled(world)
    restarted = diff(3, 4).replace(b'"E":1700000000004', b'"E":1700000030000')
    world.receive(diff(5_001, 5_001).replace(b'"E":1700000005001', b'"E":1700000030000'), restarted)
    world.write()
    (request,) = [name for name in world.waiting() if name.startswith("book")]
    assert request.endswith("-1-5001.request")


def test_a_series_restarting_below_its_first_id_requests_a_book(world: World) -> None:
    world.exchange.last_update_ids = {"BTCUSDT": 5}
    world.receive(diff(5_000, 5_010), diff(1, 3).replace(b'"E":1700000000003', b'"E":1700000030000'))
    world.write()
    assert any(name.endswith("-1-1.request") for name in world.waiting())


def test_frames_refused_for_lack_of_disk_request_only_a_book(world: World) -> None:
    world.exchange.last_update_ids["BTCUSDT"] = 101
    world.receive(trade(1), diff(101, 101))
    settled(world)
    journal = world.journal()
    info = {"frames": 3, "bytes": 30, "started_ns": world.now_ns}
    journal.append_resumed(world.now_ns, info, world.now_ns, 0, [trade(9), diff(150, 151)])
    journal.close()
    world.write()
    (request,) = world.waiting()
    assert request.endswith("-0-150.request")


def test_book_checkpoints_are_rows_and_change_nothing_else(tmp_path: Path) -> None:
    world = World(tmp_path, checkpoint_secs=60)
    world.exchange.last_update_ids["BTCUSDT"] = 105
    world.receive(diff(101, 110))
    settled(world)
    world.repair(for_secs=119)
    world.receive(diff(111, 112))
    world.write()
    assert world.stored("book_delta") == [(110, 0), (105, -1), (112, 0), (105, -1)] or world.stored("book_delta") == [
        (110, 0), (105, -1), (105, -1), (112, 0),
    ]  # fmt: skip
    assert world.ledger("book_delta") == []


def test_a_book_of_a_stream_without_messages_is_not_stored(world: World) -> None:
    log = world.new_repair()._journal
    log.append(
        world.now_ns, RepairAnswer("BTCUSDT", "book_delta", "snapshot"), b'{"lastUpdateId":5,"bids":[],"asks":[]}'
    )
    log.close()
    world.write()
    assert world.query("SELECT count(*) FROM messages") == [(0,)]


def test_fetched_trades_of_another_series_are_not_stored(world: World) -> None:
    world.receive(trade(1), trade(3))
    world.write()
    log = world.new_repair()._journal
    body = json.dumps([rest_trade(2)]).encode()
    log.append(world.now_ns, RepairAnswer("BTCUSDT", "trade", "page", 7, 2, 2), body)
    log.append(world.now_ns, RepairAnswer("BTCUSDT", "trade", "end", 7, 2, 2))
    log.close()
    world.write()
    assert world.ledger() == [("2", 1, "open", None)]


def test_no_requests_are_made_while_repair_is_off(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.config = replace(world.config, repair=RepairConfig(enabled=False))
    world.receive(trade(1), trade(3), diff(1, 2), diff(5, 6))
    world.write()
    assert world.waiting() == []
    assert world.ledger() == [("2", 1, "open", None)]
    assert world.ledger("book_delta") == [("3", 2, "open", None)]


def test_messages_from_repair_do_not_count_as_a_sign_of_life(world: World) -> None:
    world.exchange.trades["BTCUSDT"] = {1, 2, 3}
    world.receive(trade(1), trade(3))
    settled(world)
    numbers: list[Any] = []
    world.write(report=numbers.append)
    assert [feed for feed, _, _ in numbers[-1].to_receive] == []


class KilledError(BaseException):
    """The process is gone."""


STEPS: list[tuple[type, str]] = [
    (RequestFolder, "put"), (OpenSegment, "store"), (RepairJournal, "append"), (RepairJournal, "sync"), (RepairInbox, "remove"),
]  # fmt: skip


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS, ids=lambda step: f"{step[0].__name__}.{step[1]}")
def test_a_kill_at_any_step_changes_nothing_in_the_end(
    world: World, monkeypatch: pytest.MonkeyPatch, step: tuple[type, str], when: str
) -> None:
    """Killed before or after each step's first, second and fourth time, a next incarnation goes on."""
    owner, name = step
    real: Callable[..., Any] = getattr(owner, name)
    kills = 0
    calls = 0

    def killed(*given: Any) -> Any:
        nonlocal calls, kills
        calls += 1
        due = calls in {1, 2, 4}
        kills += due
        if due and when == "before":
            raise KilledError
        result = real(*given)
        if due:
            raise KilledError
        return result

    monkeypatch.setattr(owner, name, killed)
    world.exchange.trades["BTCUSDT"] = set(range(1, 2_000))
    world.exchange.last_update_ids["BTCUSDT"] = 110
    world.receive(trade(1), trade(1_500), trade(1_501), trade(1_504), diff(101, 105), diff(106, 112))

    def until_it_lives(run: Callable[[], object]) -> None:
        while True:
            try:
                run()
            except KilledError:
                world.sleep(1)
            else:
                return

    for _ in range(2):
        until_it_lives(world.write)
        until_it_lives(world.repair)
    until_it_lives(world.write)
    assert kills >= 2
    assert sorted(id_ for id_, _ in world.stored()) == list(range(1, 1_505))
    assert rest_lines(world.stored()) == [*range(2, 1_500), 1_502, 1_503]
    newest = {row[0]: row for row in world.ledger()}
    assert newest == {"2": ("2", 0, "repaired", "rest"), "1502": ("1502", 0, "repaired", "rest")}
    books = world.stored("book_delta")
    assert books[:2] == [(105, 0), (112, 0)]
    assert set(books[2:]) == {(110, -1)}
    assert world.waiting() == []


def killed_between_asking_and_committing(world: World) -> None:
    """A writer that keeps what it asks of repair, and is killed before the commit that tells of it."""
    process = multiprocessing.get_context("spawn").Process(target=_ask_and_die, args=(world.config, world.now_ns))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL


def _ask_and_die(config: Config, now_ns: int) -> None:
    def die(*_given: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    world = World(config.data_dir)
    world.now_ns = now_ns
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OpenSegment, "store", die)
        world.write()


def asked_in_an_older_file(world: World) -> FeedRepair:
    """A repair process whose journal was begun before anything of what is missing was received."""
    world.exchange.trades["BTCUSDT"] = set(range(1, 10_000))
    world.receive(trade(1), trade(3))
    world.write()
    feed_repair = world.repair()
    world.write()
    world.sleep(10)
    return feed_repair


def missing_4000(world: World) -> list[int]:
    world.receive(trade(4), trade(4_005))
    return list(range(5, 4_005))


def test_an_answer_is_judged_after_its_feeds_earlier_records(world: World) -> None:
    feed_repair = asked_in_an_older_file(world)
    missing = missing_4000(world)
    killed_between_asking_and_committing(world)
    world.repair(feed_repair)
    world.exchange.trades.clear()  # nobody gives them a second time
    world.write()
    assert rest_lines(world.stored()) == [2, *missing]
    assert len(world.stored()) == 4_005
    assert world.ledger()[-1] == ("5", 0, "repaired", "rest")


def test_a_writer_killed_amid_a_repair_answer_loses_none_of_it(world: World) -> None:
    feed_repair = asked_in_an_older_file(world)
    missing = missing_4000(world)
    killed_between_asking_and_committing(world)
    for _ in range(2):
        feed_repair.step()
    world.write()
    world.repair(feed_repair)
    world.write()
    assert sorted(rest_lines(world.stored())) == [2, *missing]
    assert world.ledger()[-1] == ("5", 0, "repaired", "rest")


def test_a_rebuilt_segment_has_every_answer_of_the_one_before(world: World) -> None:
    feed_repair = asked_in_an_older_file(world)
    missing = missing_4000(world)
    world.write_until_killed(feed_repair)
    (opened,) = (world.config.data_dir / "segments").glob("*.open.db")
    before = world.stored()
    assert rest_lines(before) == [2, *missing]
    opened.with_name(f"{opened.name}-wal").unlink(missing_ok=True)
    opened.write_bytes(b"rotten")
    world.exchange.trades.clear()
    world.write()
    assert "segment_rebuilt" in world.events
    assert world.stored() == before
    assert world.ledger()[-1] == ("5", 0, "repaired", "rest")


def configured(world: World, **changes: Any) -> None:
    """From now on the feed is another."""
    (feed,) = world.config.feed
    world.config = replace(world.config, feed=(replace(feed, **changes),))


def begin_repair(world: World) -> Claimed:
    return claim_requests(world.context("repair"), [feed.name for feed in world.config.feed])


def with_a_gap(world: World) -> None:
    world.exchange.trades["BTCUSDT"] = {1, 2, 3}
    world.receive(trade(1), trade(3))
    world.write()


@pytest.mark.parametrize("repair_first", [True, False])
def test_requests_move_with_the_stream_to_its_new_feed(world: World, repair_first: bool) -> None:
    with_a_gap(world)
    configured(world, name="g")
    if repair_first:
        assert begin_repair(world) == Claimed({}, [])
    world.write()
    assert begin_repair(world) == Claimed({}, [])
    world.repair()
    world.write()
    assert world.stored() == [(1, 0), (3, 0), (2, -1)]
    assert world.ledger() == [("2", 1, "open", None), ("2", 0, "repaired", "rest")]
    assert list(world.config.data_dir.glob("repair/*/*.request")) == []


def test_a_gap_found_after_a_kill_is_requested_by_the_renamed_feed(world: World) -> None:
    """The journal that tells of it was not read when the feed was renamed."""
    world.exchange.trades["BTCUSDT"] = {1, 2, 3}
    world.receive(trade(1), trade(3))
    configured(world, name="g")
    world.write()
    world.repair()
    world.write()
    assert world.ledger() == [("2", 1, "open", None), ("2", 0, "repaired", "rest")]


def test_a_lost_request_is_made_again_at_the_next_start(world: World) -> None:
    with_a_gap(world)
    (path,) = world.config.data_dir.glob("repair/f/*.request")
    path.write_bytes(b"")
    world.repair()
    assert world.events.count("request_unreadable") == 1
    world.write()
    world.repair()
    world.write()
    assert world.ledger()[-1] == ("2", 0, "repaired", "rest")


def test_a_gap_found_while_repair_was_off_is_requested_once_it_is_on(world: World) -> None:
    on = world.config
    world.config = replace(on, repair=RepairConfig(enabled=False))
    with_a_gap(world)
    world.receive(diff(1, 2), diff(5, 6))
    world.write()
    world.config = on
    world.exchange.last_update_ids["BTCUSDT"] = 6
    settled(world)
    assert world.ledger() == [("2", 1, "open", None), ("2", 0, "repaired", "rest")]
    assert [status for _, _, status, _ in world.ledger("book_delta")] == ["open", "unrepairable"]


def test_a_gap_with_a_waiting_request_is_not_requested_again(world: World) -> None:
    with_a_gap(world)
    (path,) = world.config.data_dir.glob("repair/f/*.request")
    before = path.stat().st_ino
    world.write()
    assert path.stat().st_ino == before


@pytest.mark.parametrize("changes", [{"symbols": ("ETHUSDT",)}, {"exchange": "binance_usdm"}])
def test_a_gap_of_a_stream_without_a_feed_is_unrepairable(world: World, changes: dict[str, Any]) -> None:
    with_a_gap(world)
    configured(world, **changes)
    world.write()
    assert world.ledger() == [("2", 1, "open", None), ("2", 1, "unrepairable", None)]
    assert [name for name, _ in begin_repair(world).misfits] == [
        f"trades-{world.query('SELECT gap_id FROM gaps')[0][0]}.request"
    ]
    assert world.events.count("request_set_aside") == 1


def test_answers_for_a_stream_removed_since_are_stored(world: World) -> None:
    with_a_gap(world)
    world.repair().close()
    configured(world, symbols=("ETHUSDT",))
    world.write()
    assert world.stored() == [(1, 0), (3, 0), (2, -1)]
    assert world.ledger() == [("2", 1, "open", None), ("2", 0, "repaired", "rest")]


def test_a_gap_found_in_a_dropped_stream_is_unrepairable(world: World) -> None:
    world.receive(trade(1), trade(3))
    configured(world, symbols=("ETHUSDT",))
    world.write()
    assert world.ledger() == [("2", 1, "unrepairable", None)]
    assert world.waiting() == []


def at_once(from_id: int, asked_us: int) -> BookRequest:
    """As ingest asks, which does not know the series."""
    return BookRequest(StreamKey("binance", "BTCUSDT", "book_delta"), None, from_id, asked_us)


def test_a_book_asked_for_at_once_also_serves_the_break_that_is_proven_later(world: World) -> None:
    """At the start and after a reconnect; the writer and repair may see the break before or after the answer."""
    world.exchange.last_update_ids["BTCUSDT"] = 105
    world.receive(diff(101, 103), diff(104, 108))
    world.requests.put([at_once(101, world.now_ns // 1_000)])
    feed_repair = world.repair()
    world.write()
    assert world.stored("book_delta") == [(103, 0), (108, 0), (105, -1)]
    assert world.waiting() == []

    world.exchange.last_update_ids["BTCUSDT"] = 125
    world.receive(diff(120, 124))
    world.requests.put([at_once(120, world.now_ns // 1_000)])
    world.write()
    assert len(world.waiting()) == 2
    world.repair(feed_repair)
    world.write()
    assert world.waiting() == []
    assert world.stored("book_delta")[3:] == [(124, 0), (125, -1)]
    assert world.exchange.kinds().count("depth BTCUSDT") == 2


def test_the_writer_asks_no_second_time_after_a_kill(world: World) -> None:
    """The book that came is part of the stream's committed state."""
    world.exchange.last_update_ids["BTCUSDT"] = 125
    world.receive(diff(101, 103))
    settled(world)
    world.exchange.last_update_ids["BTCUSDT"] = 205
    world.receive(diff(201, 203), diff(204, 208))
    world.requests.put([at_once(201, world.now_ns // 1_000)])
    world.repair()
    world.write_until_killed(world.new_repair())
    world.write()
    assert world.waiting() == []
    assert [line for _, line in world.stored("book_delta")].count(-1) == 2


def test_a_request_that_is_put_while_its_answer_is_on_its_way_is_not_asked_again(world: World) -> None:
    stream, received_us = StreamKey("binance", "BTCUSDT", "book_delta"), world.now_ns // 1_000
    world.receive(diff(101, 103))
    world.exchange.last_update_ids["BTCUSDT"] = 105
    world.requests.put([at_once(101, received_us)])
    feed_repair = world.repair()
    world.requests.put([BookRequest(stream, 0, 101, received_us)])
    world.repair(feed_repair)
    assert world.waiting() == []
    assert world.exchange.kinds().count("depth BTCUSDT") == 1
    world.sleep(1)
    world.requests.put([BookRequest(stream, 0, 104, world.now_ns // 1_000)])
    world.repair(feed_repair)
    assert world.exchange.kinds().count("depth BTCUSDT") == 2


def test_a_request_from_before_a_restarted_series_gives_way_to_that_of_the_new_one(world: World) -> None:
    world.exchange.last_update_ids["BTCUSDT"] = 5
    stream = StreamKey("binance", "BTCUSDT", "book_delta")
    world.requests.put([at_once(5_000, world.now_ns // 1_000), BookRequest(stream, 1, 3, world.now_ns // 1_000 + 1)])
    world.repair()
    assert world.waiting() == []
    assert world.exchange.kinds().count("depth BTCUSDT") == 1


def test_a_book_of_few_levels_takes_no_better_ones_place(world: World) -> None:
    """After a reconnect in which nothing was missed; where something was, it is stored."""
    log = world.new_repair()._journal

    def brief(last_id: int) -> None:
        body = b'{"lastUpdateId":%d,"bids":[],"asks":[]}' % last_id
        log.append(world.now_ns, RepairAnswer("BTCUSDT", "book_delta", "snapshot", is_brief=True), body)
        log.sync()

    world.receive(diff(101, 103))
    brief(105)
    world.write()
    assert rest_lines(world.stored("book_delta")) == [105]
    world.receive(diff(104, 108))
    brief(110)
    world.write()
    assert rest_lines(world.stored("book_delta")) == [105]
    world.receive(diff(109, 111), diff(120, 124))
    brief(130)
    world.write()
    assert rest_lines(world.stored("book_delta")) == [105, 130]
