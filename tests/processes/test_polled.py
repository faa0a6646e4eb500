"""What no stream has: polled data types and lists of instruments, asked for over real HTTP, and their rows."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

import pytest

from collector.config.model import NatsConfig
from collector.dial import Address
from collector.domain.records import StreamKey
from collector.domain.repair_protocol import TradesRequest
from collector.domain.symbol_choice import Choice
from collector.exchanges.rest_adapter import Get, Poll
from collector.feed.rest import RestClient, RestResponse
from collector.processes.context import SystemClock
from collector.processes.repair import process
from collector.processes.repair.feed_repair import FeedRepair
from collector.processes.repair.throttled_client import RETRY_MAX_SECS
from collector.storage.chosen_files import write_choice
from collector.storage.instrument_files import ListedInstrument, instruments_file, read_instruments
from collector.storage.journal.writer import JournalWriter
from tests.json_server import JsonServer
from tests.processes.repair.repair_world import START_NS, World
from tests.processes.repair.toy_market import Downward, Listed, toy_market, trade

pytestmark = pytest.mark.usefixtures("closed_journals")

NATS = NatsConfig(urls=("nats://127.0.0.1:4222",))
SYMBOLS = ("BTC-USD", "ETH-USD")
REFRESH_SECS = 300.0


class ListedDownward(Listed, Downward):
    """Has trades as well."""


class Exchange:
    """Lists four instruments on two pages; `wrong` is what to answer to a path instead."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.wrong: dict[str, Any] = {}
        self.statuses = dict.fromkeys(("BTC-USD", "ETH-USD", "OLD-USD", "XRP-USD"), "Trading") | {"OLD-USD": "Closed"}
        self.interest: int | None = 7

    def answer(self, target: str) -> Any:
        self.asked.append(target)
        if target in self.wrong:
            return self.wrong[target]
        listed = [{"symbol": symbol, "status": status} for symbol, status in self.statuses.items()]
        match target.partition("?")[0]:
            case "/list":
                return {"list": listed[2:]} if target.endswith("=2") else {"list": listed[:2], "next": "2"}
            case "/volumes":
                return [{"symbol": "BTC-USD", "value": "1.5"}, {"symbol": "ETH-USD", "value": "0.5"}]
        return {"interest": self.interest, "T": 1_700_000_000_000}

    def times(self, path: str) -> int:
        return sum(target.startswith(path) for target in self.asked)


@pytest.fixture
def exchange() -> Exchange:
    return Exchange()


@pytest.fixture
def undo() -> Iterator[ExitStack]:
    with ExitStack() as undo:
        yield undo


Begin = Callable[..., World]


@pytest.fixture
def begin(tmp_path: Path, undo: ExitStack, exchange: Exchange) -> Begin:
    """A recorder of that exchange."""

    def begun(*data_types: str, symbols: tuple[str, ...] = SYMBOLS, **settings: Any) -> World:
        server = undo.enter_context(JsonServer(exchange.answer))
        client = RestClient(server.url, SystemClock())
        return World(
            tmp_path, symbols=symbols, data_types=("trade", *data_types), exchange=toy_market(ListedDownward()),
            client=client, refresh_secs=REFRESH_SECS, settings=settings,
        )  # fmt: skip

    return begun


def stored(world: World, data_type: str) -> list[tuple[Any, ...]]:
    return world.query(
        "SELECT symbol, payload, line, exchange_us, received_us FROM messages JOIN streams USING (stream_id)"
        f" WHERE data_type = '{data_type}' ORDER BY row"
    )


def failures(repair: FeedRepair) -> set[tuple[str, str, int]]:
    return set(repair.numbers.failures)


def test_a_polled_message_is_a_row_of_line_0_dated_by_its_receipt(begin: Begin) -> None:
    world = begin("open_interest")
    world.repair()
    world.write()
    ((symbol, payload, line, exchange_us, received_us),) = stored(world, "open_interest")
    assert (symbol, line, exchange_us) == ("BTC-USD", 0, 1_700_000_000_000_000)
    assert payload == b'{"interest": 7, "T": 1700000000000}'
    assert received_us > exchange_us


def test_each_symbol_is_polled_once_an_interval_at_its_own_time(begin: Begin, exchange: Exchange) -> None:
    world = begin("open_interest")
    world.repair(for_secs=29)
    assert exchange.asked == ["/interest?symbol=BTC-USD"]
    world.repair(world.new_repair(), for_secs=299)
    assert Counter(exchange.asked[1:]) == {"/interest?symbol=BTC-USD": 5, "/interest?symbol=ETH-USD": 5}


class ByPost(Listed):
    """One address for all requests, as Hyperliquid's."""

    polls: ClassVar = {"open_interest": Poll(60.0, lambda symbol: Get("/info", 1, "POST", f'{{"coin":"{symbol}"}}'))}


class Server:
    """Answers everything; notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []

    def get(self, target: str, method: str, body: str) -> RestResponse:
        self.asked.append((target, method, body))
        return RestResponse(200, {}, b'{"interest":7,"T":1700000000000}', START_NS, START_NS)

    def renew(self, address: Address | None) -> None:
        raise AssertionError("it never fails")


def test_a_poll_may_be_a_post(tmp_path: Path) -> None:
    server = Server()
    world = World(
        tmp_path, symbols=SYMBOLS, data_types=("open_interest",), exchange=toy_market(ByPost()), client=server
    )  # fmt: skip
    world.repair(for_secs=40)
    world.write()
    assert server.asked == [("/info", "POST", '{"coin":"BTC-USD"}'), ("/info", "POST", '{"coin":"ETH-USD"}')]
    assert [row[0] for row in stored(world, "open_interest")] == list(SYMBOLS)


def test_polled_messages_are_always_stored_though_they_repeat(begin: Begin) -> None:
    world = begin("open_interest")
    world.repair(for_secs=299)
    world.write()
    assert Counter(row[0] for row in stored(world, "open_interest")) == {"BTC-USD": 5, "ETH-USD": 5}
    assert world.ledger("open_interest") == []


def test_a_poll_without_a_message_is_no_row(begin: Begin, exchange: Exchange) -> None:
    exchange.interest = None
    world = begin("open_interest")
    world.repair(for_secs=100)
    world.write()
    assert stored(world, "open_interest") == []
    assert exchange.times("/interest") == 4


@pytest.mark.parametrize(("wrong", "reason"), [(None, "server"), ({"code": 5}, "refused"), ([], "unreadable")])
def test_a_failed_poll_is_counted_and_tried_again_at_its_next_time(
    begin: Begin, exchange: Exchange, wrong: Any, reason: str
) -> None:
    world = begin("open_interest")
    exchange.wrong["/interest?symbol=BTC-USD"] = wrong
    repair = world.repair(for_secs=119)
    assert failures(repair) == {("poll", reason, 2)}
    exchange.wrong.clear()
    world.repair(repair, for_secs=60)
    world.write()
    assert Counter(row[0] for row in stored(world, "open_interest")) == {"ETH-USD": 3, "BTC-USD": 1}


def test_a_poll_that_cannot_be_read_is_kept_undecoded_once(begin: Begin, exchange: Exchange) -> None:
    world = begin("open_interest")
    exchange.wrong["/interest?symbol=BTC-USD"] = []
    world.repair(for_secs=299)
    world.write()
    assert len(stored(world, "undecoded")) == 1


def test_missing_trades_come_before_polls(begin: Begin, exchange: Exchange) -> None:
    world = begin("open_interest")
    world.receive(trade(1), trade(3))
    world.write()
    exchange.wrong["/products/BTC-USD/trades?limit=10&after=3"] = []
    repair = world.repair()
    assert [target.partition("?")[0] for target in exchange.asked] == ["/products/BTC-USD/trades", "/interest"]
    assert repair.numbers.waiting == {"book": 0, "trades": 1, "checkpoint": 0, "poll": 0}


def test_the_list_is_fetched_page_by_page_into_its_file(begin: Begin, exchange: Exchange, tmp_path: Path) -> None:
    begin("instrument").repair()
    assert exchange.asked == ["/list?cursor=", "/list?cursor=2"]
    found = read_instruments(tmp_path, "toy")
    assert found is not None
    assert found.instruments == [
        ListedInstrument("BTC-USD", "spot", True),
        ListedInstrument("ETH-USD", "spot", True),
        ListedInstrument("OLD-USD", "spot", False),
        ListedInstrument("XRP-USD", "spot", True),
    ]


@pytest.mark.parametrize(("entry", "volumes"), [("*-USD", [None] * 4), ("top:1", [1.5, 0.5, None, None])])
def test_a_feed_that_chooses_symbols_needs_the_list_and_top_needs_volumes(
    begin: Begin, exchange: Exchange, tmp_path: Path, entry: str, volumes: list[float | None]
) -> None:
    world = begin(symbols=(entry,))
    repair = world.repair()
    found = read_instruments(tmp_path, "toy")
    assert found is not None
    assert [each.volume for each in found.instruments] == volumes
    assert exchange.times("/volumes") == (entry == "top:1")
    assert repair.numbers.answers == {"list": 1}
    world.write()
    assert stored(world, "instrument") == []


def test_an_edge_fetches_the_list_and_nothing_else(begin: Begin, exchange: Exchange, tmp_path: Path) -> None:
    world = begin("open_interest", "instrument", symbols=("*-USD",), role="edge", nats=NATS)
    write_choice(tmp_path, "f", Choice(("XRP-USD",)))
    world.requests.put([TradesRequest(StreamKey("toy", "XRP-USD", "trade"), 0, "gap", 2, 2, START_NS // 1_000)])
    repair = world.repair(for_secs=REFRESH_SECS + 1)
    assert exchange.asked == ["/list?cursor=", "/list?cursor=2"] * 2
    assert repair.numbers.answers == {"list": 2}
    assert world.rest_files() == []
    assert len(world.waiting()) == 1, "requests of a time when this host stored rows are left alone"


def test_instruments_that_were_chosen_have_rows(begin: Begin, tmp_path: Path) -> None:
    world = begin("instrument", symbols=("*-USD",))
    write_choice(tmp_path, "f", Choice(("XRP-USD",)))
    world.repair()
    world.write()
    assert [row[0] for row in stored(world, "instrument")] == ["XRP-USD"]


def test_the_list_is_fetched_again_after_the_configured_time(begin: Begin, exchange: Exchange, tmp_path: Path) -> None:
    world = begin("instrument")
    repair = world.repair(for_secs=REFRESH_SECS - 2)
    assert exchange.times("/list") == 2
    del exchange.statuses["XRP-USD"]
    world.repair(repair, for_secs=4)
    assert exchange.times("/list") == 4
    found = read_instruments(tmp_path, "toy")
    assert found is not None
    assert [each.symbol for each in found.instruments] == ["BTC-USD", "ETH-USD", "OLD-USD"]
    assert repair.numbers.listed_us == found.asked_us


WRONG = {
    "refused": {"code": 5},
    "unreadable": {"list": 5},
    "an end that does not come": {"list": [{"symbol": "BTC-USD", "status": "x"}], "next": "2"},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_failed_refresh_keeps_the_last_list(begin: Begin, exchange: Exchange, tmp_path: Path, wrong: Any) -> None:
    world = begin("instrument")
    repair = world.repair()
    before = read_instruments(tmp_path, "toy")
    exchange.wrong["/list?cursor=2"] = wrong
    world.repair(repair, for_secs=REFRESH_SECS + 100)
    assert exchange.times("/list") == 4
    assert before is not None
    assert read_instruments(tmp_path, "toy") == before
    assert repair.numbers.listed_us == before.asked_us
    assert {(kind, count) for kind, _, count in failures(repair)} == {("list", 1)}
    exchange.wrong.clear()
    world.repair(repair, for_secs=REFRESH_SECS)
    after = read_instruments(tmp_path, "toy")
    assert after is not None
    assert after.asked_us > before.asked_us


def test_an_entry_that_cannot_be_read_is_left_out_of_the_list_and_logged(
    begin: Begin, exchange: Exchange, tmp_path: Path
) -> None:
    sound = {"symbol": "NEW-USD", "status": "Trading"}
    exchange.wrong["/list?cursor=2"] = {"list": [{"symbol": None, "status": "Trading"}, sound, 7]}
    world = begin("instrument")
    repair = world.repair()
    found = read_instruments(tmp_path, "toy")
    assert found is not None
    assert [each.symbol for each in found.instruments] == ["BTC-USD", "ETH-USD", "NEW-USD"]
    assert repair.numbers.answers == {"list": 1}
    assert not failures(repair)
    assert world.events.count("list_entries_unread") == 1


def test_a_server_that_fails_is_asked_again_for_the_same_page(begin: Begin, exchange: Exchange, tmp_path: Path) -> None:
    world = begin("instrument")
    exchange.wrong["/list?cursor=2"] = None
    repair = world.repair(for_secs=20)
    assert read_instruments(tmp_path, "toy") is None
    exchange.wrong.clear()
    world.repair(repair, for_secs=100)
    assert exchange.asked.count("/list?cursor=") == 1
    assert read_instruments(tmp_path, "toy") is not None


def test_a_list_that_always_fails_holds_up_no_trades(begin: Begin, exchange: Exchange) -> None:
    world = begin("instrument")
    world.receive(trade(1), trade(3))
    world.write()
    exchange.wrong["/list?cursor="] = None
    exchange.wrong["/products/BTC-USD/trades?limit=10&after=3"] = [{"i": 2, "p": "1", "T": 1_700_000_002_000}]
    repair = world.repair(for_secs=20)
    assert repair.numbers.answers == {"trades": 1}
    assert exchange.times("/list") == 1


def test_a_disk_that_takes_no_list_keeps_the_last_one(begin: Begin, tmp_path: Path) -> None:
    world = begin("instrument")
    world.repair()
    before = read_instruments(tmp_path, "toy")
    instruments_file(tmp_path, "toy").with_name("toy.json.f.new").mkdir()
    repair = world.repair(world.new_repair(), for_secs=5)
    assert ("list", "disk", 1) in failures(repair)
    assert read_instruments(tmp_path, "toy") == before


def test_a_list_that_the_disk_did_not_take_is_asked_for_again_soon(
    begin: Begin, exchange: Exchange, tmp_path: Path
) -> None:
    obstacle = instruments_file(tmp_path, "toy").with_name("toy.json.f.new")
    obstacle.mkdir(parents=True)
    world = begin("instrument")
    repair = world.repair(for_secs=5)
    assert exchange.asked == ["/list?cursor=", "/list?cursor=2"]
    obstacle.rmdir()
    world.repair(repair, for_secs=40)
    assert exchange.asked == ["/list?cursor=", "/list?cursor=2"] * 2
    assert read_instruments(tmp_path, "toy") is not None


def test_an_instrument_has_a_row_when_first_seen_and_at_each_change(begin: Begin, exchange: Exchange) -> None:
    world = begin("instrument")
    repair = world.new_repair()
    for status in ("Trading", "Trading", "Halted", "Trading", "Trading"):
        exchange.statuses["ETH-USD"] = status
        world.repair(repair, for_secs=REFRESH_SECS)
        world.write()
    assert [row[:3] for row in stored(world, "instrument")] == [
        ("BTC-USD", b'{"symbol": "BTC-USD", "status": "Trading"}', 0),
        ("ETH-USD", b'{"symbol": "ETH-USD", "status": "Trading"}', 0),
        ("ETH-USD", b'{"symbol": "ETH-USD", "status": "Halted"}', 0),
        ("ETH-USD", b'{"symbol": "ETH-USD", "status": "Trading"}', 0),
    ]


def test_restarts_and_seals_repeat_no_instrument(begin: Begin, exchange: Exchange) -> None:
    world = begin("instrument")
    for _ in range(3):
        world.repair()
        world.sleep(3_700)
        world.write()
    assert len(world.query("SELECT DISTINCT 1 FROM messages")) >= 1
    assert Counter(row[0] for row in stored(world, "instrument")) == {"BTC-USD": 1, "ETH-USD": 1}


def test_an_instrument_that_is_listed_no_more_has_no_row_and_no_gap(begin: Begin, exchange: Exchange) -> None:
    world = begin("instrument")
    repair = world.repair()
    del exchange.statuses["ETH-USD"]
    world.repair(repair, for_secs=3 * REFRESH_SECS)
    world.write(stop_after_secs=3_600)
    assert Counter(row[0] for row in stored(world, "instrument")) == {"BTC-USD": 1, "ETH-USD": 1}
    assert world.ledger("instrument") == []


def test_a_repair_process_killed_at_any_step_doubles_no_instrument(begin: Begin) -> None:
    world = begin("instrument", "open_interest")
    for steps in range(1, 6):
        killed = world.new_repair()
        for _ in range(steps):
            killed.step()
        world.write()
    assert Counter(row[0] for row in stored(world, "instrument")) == {"BTC-USD": 1, "ETH-USD": 1}


def test_a_killed_writer_stores_each_poll_once(begin: Begin) -> None:
    world = begin("instrument", "open_interest")
    world.receive(trade(1), trade(2))
    world.write_until_killed(world.new_repair())
    world.write()
    assert Counter(row[0] for row in stored(world, "instrument")) == {"BTC-USD": 1, "ETH-USD": 1}
    assert Counter(row[0] for row in stored(world, "open_interest")) == {"BTC-USD": 1}


def test_a_power_cut_costs_at_most_the_polls_of_the_last_second(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    world = begin("open_interest")
    synced: list[float] = []
    real = JournalWriter.sync

    def sync(journal: JournalWriter) -> None:
        synced.append(world.secs)
        real(journal)

    monkeypatch.setattr(JournalWriter, "sync", sync)
    world.repair(for_secs=59)
    # The new file, and a second after each poll.
    assert [round(secs) for secs in synced] == [0, 1, 31]


def test_nothing_is_polled_while_the_disk_is_short(
    begin: Begin, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = begin("open_interest")
    monkeypatch.setattr(process, "shortage", lambda *_args, **_kwargs: "min_free_bytes")
    repair = world.repair(for_secs=30)
    assert exchange.asked == []
    assert {kind for kind, reason, _ in failures(repair) if reason == "disk"} == {"poll"}
    monkeypatch.undo()
    world.repair(repair, for_secs=RETRY_MAX_SECS + 300)
    world.write()
    assert Counter(row[0] for row in stored(world, "open_interest"))["BTC-USD"] >= 2
