"""Missing trades of exchanges whose pages go down by id or up by time, asked for over real HTTP."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from collector.exchanges.rest_market import RestMarket
from collector.feed.rest import RestClient
from collector.processes.context import SystemClock
from collector.processes.repair.pages import EMPTY_TRIES
from tests.json_server import JsonServer
from tests.processes.repair.repair_world import World
from tests.processes.repair.toy_market import ByTime, Downward, time_ms, toy_market, trade

pytestmark = pytest.mark.usefixtures("closed_journals")

PAGE = 10


class Exchange:
    """Has trades 1 to `newest`; answers what `script` holds first, then pages."""

    def __init__(self, newest: int) -> None:
        self.newest = newest
        self.script: list[Any] = []
        self.asked: list[dict[str, str]] = []

    def answer(self, target: str) -> Any:
        url = urlsplit(target)
        query = dict(parse_qsl(url.query))
        self.asked.append(query)
        if self.script:
            return self.script.pop(0)
        return self._down(int(query["after"])) if "after" in query else self._up(int(query["since"]))

    def _down(self, after: int) -> Any:
        ids = range(min(self.newest, after - 1), max(0, after - 1 - PAGE), -1)
        return [of_rest(id_) for id_ in ids]

    def _up(self, since_ns: int) -> Any:
        ids = [id_ for id_ in range(1, self.newest + 1) if time_ms(id_) * 1_000_000 > since_ns][:PAGE]
        last = time_ms(ids[-1]) * 1_000_000 if ids else since_ns
        return {"error": [], "result": {"trades": [of_rest(id_) for id_ in ids], "last": str(last)}}


def of_rest(id_: int) -> dict[str, Any]:
    return {"i": id_, "p": "1.5", "T": time_ms(id_)}


@pytest.fixture
def undo() -> Iterator[ExitStack]:
    with ExitStack() as undo:
        yield undo


@pytest.fixture
def exchange() -> Exchange:
    return Exchange(200)


Begin = Callable[[RestMarket], World]


@pytest.fixture
def begin(tmp_path: Path, undo: ExitStack, exchange: Exchange) -> Begin:
    """A recorder of that exchange, whose clock shows the time of trade 40."""

    def begun(rest: RestMarket) -> World:
        server = undo.enter_context(JsonServer(exchange.answer))
        client = RestClient(server.url, SystemClock())
        return World(
            tmp_path, symbols=("BTC-USD",), data_types=("trade",), exchange=toy_market(rest), client=client
        )  # fmt: skip

    return begun


def with_a_hole(world: World, first: int, last: int) -> World:
    """The trades from `first` to `last` were not received."""
    world.receive(trade(first - 1), trade(last + 1))
    world.write()
    return world


def settled(world: World) -> None:
    world.repair(for_secs=300)
    world.write()


def assert_filled(world: World, first: int, last: int) -> None:
    assert sorted(world.stored()) == [
        (first - 1, 0), *((id_, -1) for id_ in range(first, last + 1)), (last + 1, 0),
    ]  # fmt: skip
    assert world.ledger()[-1][1:] == (0, "repaired", "rest")
    assert world.waiting() == []


KINDS = pytest.mark.parametrize("rest", [Downward(), ByTime()], ids=["downward", "by time"])


@KINDS
def test_only_messages_of_the_hole_are_stored_each_once(begin: Begin, exchange: Exchange, rest: RestMarket) -> None:
    world = with_a_hole(begin(rest), 41, 75)
    settled(world)
    assert_filled(world, 41, 75)
    assert len(exchange.asked) >= 4


def test_pages_go_down_from_the_end_of_the_hole_to_its_beginning(begin: Begin, exchange: Exchange) -> None:
    settled(with_a_hole(begin(Downward()), 41, 75))
    assert [query["after"] for query in exchange.asked] == ["76", "66", "56", "46"]


def test_pages_by_time_begin_before_the_hole_and_end_behind_it(begin: Begin, exchange: Exchange) -> None:
    settled(with_a_hole(begin(ByTime()), 41, 75))
    since = [int(query["since"]) // 1_000_000 for query in exchange.asked]
    assert since[0] < time_ms(41)
    assert since == sorted(since)
    assert time_ms(65) <= since[-1] < time_ms(75)


@KINDS
@pytest.mark.parametrize("pages", [1, 2, 3])
def test_a_restart_amid_the_pages_starts_over_and_doubles_nothing(
    begin: Begin, exchange: Exchange, rest: RestMarket, pages: int
) -> None:
    world = with_a_hole(begin(rest), 41, 75)
    killed = world.new_repair()
    for _ in range(pages):
        killed.step()
    assert len(exchange.asked) == pages
    world.write()
    settled(world)
    assert exchange.asked[pages] == exchange.asked[0]
    assert_filled(world, 41, 75)


@KINDS
def test_a_writer_that_stores_between_the_pages_doubles_nothing(begin: Begin, rest: RestMarket) -> None:
    world = with_a_hole(begin(rest), 41, 75)
    repair = world.new_repair()
    while world.waiting():
        world.sleep(max(0.01, repair.step()))
        world.write()
    assert_filled(world, 41, 75)


@pytest.mark.parametrize(
    ("rest", "empty"),
    [(Downward(), []), (ByTime(), {"result": {"trades": [], "last": "1"}})],
    ids=["downward", "by time"],
)
def test_a_page_that_is_empty_for_now_is_asked_for_again(
    begin: Begin, exchange: Exchange, rest: RestMarket, empty: Any
) -> None:
    world = with_a_hole(begin(rest), 41, 45)
    exchange.script = [empty, empty]
    settled(world)
    assert_filled(world, 41, 45)
    assert exchange.asked[0] == exchange.asked[1] == exchange.asked[2]


class Endless(Downward):
    """Its pages always have a next one."""

    def __init__(self) -> None:
        self.pages = 0

    def read_page(self, *args: Any) -> Any:
        self.pages += 1
        return super().read_page(*args)._replace(cursor=str(1_000 + self.pages))


def test_cursors_without_end_end_the_hole_once_the_ids_repeat(begin: Begin, exchange: Exchange) -> None:
    exchange.newest = 70
    world = with_a_hole(begin(Endless()), 41, 75)
    settled(world)
    assert len(exchange.asked) == 2 + EMPTY_TRIES
    assert [id_ for id_, line in world.stored() if line == -1] == [70, 69, 68, 67, 66]
    assert world.ledger()[-1][1:] == (30, "partly_repaired", "rest")
    assert world.waiting() == []


@pytest.mark.parametrize(("said", "reason"), [("busy", "server"), ("too many", "rate_limited")])
def test_a_passing_error_with_status_200_is_tried_again(
    begin: Begin, exchange: Exchange, said: str, reason: str
) -> None:
    world = with_a_hole(begin(ByTime()), 41, 45)
    exchange.script = [{"error": [said]}, {"error": [said]}]
    repair = world.repair(for_secs=600)
    world.write()
    assert repair.numbers.failures == [("trades", reason, 2)]
    assert_filled(world, 41, 45)


def test_a_limit_told_with_status_200_pauses_all_requests_even_after_a_restart(
    begin: Begin, exchange: Exchange
) -> None:
    world = with_a_hole(begin(ByTime()), 41, 45)
    exchange.script = [{"error": ["too many"]}]
    world.repair()
    world.repair(world.new_repair(), for_secs=100)
    assert len(exchange.asked) == 1
    assert world.events.count("rest_banned") == 1
    settled(world)
    assert_filled(world, 41, 45)


def test_a_final_error_with_status_200_ends_the_request_with_its_text(begin: Begin, exchange: Exchange) -> None:
    world = with_a_hole(begin(ByTime()), 41, 45)
    exchange.script = [{"error": ["unknown pair"]}]
    repair = world.repair()
    world.write()
    assert repair.numbers.failures == [("trades", "refused", 1)]
    assert len(exchange.asked) == 1
    assert world.events.count("rest_refused") == 1
    assert world.ledger()[-1][1:] == (5, "unrepairable", None)
    assert world.waiting() == []
