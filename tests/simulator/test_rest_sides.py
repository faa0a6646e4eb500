"""The REST sides of live markets, read by the adapters of their exchanges; listings that change; KuCoin's token."""

import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import websocket

from collector.domain.records import Envelope, StreamKey
from collector.exchanges import registry
from collector.exchanges.adapter import Subscription
from collector.exchanges.rest_adapter import Get, Hole, RestAdapter
from tests.simulator.running import Running, receive

Simulate = Callable[..., Running]

PREFIXES = {"kraken": "/kraken", "bitfinex": "/bitfinex", "binance": "", "binance_usdm": "", "binance_coinm": ""}
NAMES = {
    "kraken": ["BTC/USD", "DOGE/USDT"],
    "bitfinex": ["tBTCUSD", "tDOGE:UST"],
    "binance": ["BTCUSD", "DOGEUSDT"],
    "binance_usdm": ["BTCUSD", "DOGEUSDT"],
    "binance_coinm": ["BTCUSD_PERP"],
}
KINDS = {"binance_usdm": "perpetual", "binance_coinm": "perpetual"}


def rest_of(exchange: str) -> RestAdapter:
    rest = registry.adapter(exchange).rest
    assert rest is not None
    return rest


def ask(simulator: Running, exchange: str, get: Get) -> bytes:
    status, body, _ = simulator.http(PREFIXES[exchange] + get.target)
    assert status == 200
    return json.dumps(body).encode()


def listed(simulator: Running, exchange: str) -> dict[str, bool]:
    rest = rest_of(exchange)
    pages = [rest.read_list(get, ask(simulator, exchange, get)) for get in rest.lists()]
    found = [one for page in pages for one in page.listings]
    assert {one.kind for one in found} == {KINDS.get(exchange, "spot")}
    rows = registry.adapter(exchange).columns("instrument", [one.payload for one in found])
    assert (rows.untyped, list(rows.unread)) == ([], [])
    return {one.symbol: one.is_trading for one in found}


@pytest.fixture
def simulator(simulate: Simulate) -> Running:
    return simulate(symbols=("BTCUSD", "DOGEUSDT", "BTCUSD_PERP"))


@pytest.mark.parametrize("exchange", PREFIXES)
def test_lists_turnover_and_clock_are_what_the_adapter_reads(simulator: Running, exchange: str) -> None:
    rest = rest_of(exchange)
    assert listed(simulator, exchange) == dict.fromkeys(NAMES[exchange], True)
    simulator.until(lambda _: all(volume > 0 for volume in volumes(simulator, exchange).values()))
    assert set(volumes(simulator, exchange)) == set(NAMES[exchange])
    if clock := rest.clock():
        asked_us = time.time_ns() // 1_000
        told_us = rest.read_clock(ask(simulator, exchange, clock))
        assert asked_us - rest.clock_step_us < told_us <= time.time_ns() // 1_000


def volumes(simulator: Running, exchange: str) -> dict[str, float]:
    rest = rest_of(exchange)
    return {
        symbol: volume
        for get in rest.volumes()
        for symbol, volume in rest.read_volumes(get, ask(simulator, exchange, get)).items()
    }


def test_krakens_past_trades_come_page_by_page_without_a_hole(simulator: Running) -> None:
    rest, stream = rest_of("kraken"), StreamKey("kraken", "BTC/USD", "trade")

    def page(since: str) -> tuple[list[int], str]:
        target = f"/kraken/0/public/Trades?pair=XBTUSD&count=20&since={since}"
        answer = rest.read_page(stream, Hole(1, 10**15), "", json.dumps(simulator.http(target)[1]).encode())
        return [one.id or 0 for one in answer.messages], answer.cursor or ""

    simulator.until(lambda _: len(page("0")[0]) >= 20 and len(page(page("0")[1])[0]) >= 20)
    first, since = page("0")
    second, _ = page(since)
    assert first + second == list(range(first[0], first[0] + len(first) + len(second)))
    get = rest.page(stream, Hole(second[0], second[0], since_us=0), since)
    assert get is not None
    found = rest.read_page(stream, Hole(second[0], second[0]), since, ask(simulator, "kraken", get))
    assert found.cursor is None
    assert [one.id for one in found.messages][:20] == second[:20]


@pytest.mark.parametrize(
    ("target", "error"),
    [
        ("/0/public/Trades?pair=NONE", "EQuery:Unknown asset pair"),
        ("/0/public/Trades?pair=XBTUSD&since=x", "EGeneral:Invalid arguments"),
        ("/0/public/Nothing", "EGeneral:Unknown method"),
    ],
)
def test_kraken_refuses_with_status_200(simulator: Running, target: str, error: str) -> None:
    assert simulator.http(f"/kraken{target}")[:2] == (200, {"error": [error]})


def test_futures_tell_times_in_books_and_open_interest(simulator: Running) -> None:
    rest = rest_of("binance_usdm")
    get = rest.snapshot("DOGEUSDT")
    assert get is not None
    book = rest.read_snapshot(StreamKey("binance_usdm", "DOGEUSDT", "book_delta"), ask(simulator, "binance_usdm", get))
    assert book.exchange_us is not None
    stream = StreamKey("binance_usdm", "DOGEUSDT", "open_interest")
    poll = rest.polls["open_interest"].get("DOGEUSDT")
    found = rest.read_poll(stream, ask(simulator, "binance_usdm", poll))
    assert found is not None
    assert found.exchange_us is not None


def test_futures_stream_mark_prices_each_second_and_some_liquidations(
    simulate: Simulate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.simulator.contract.LIQUIDATIONS_PER_MINUTE", 60.0)
    simulator = simulate(symbols=("BTCUSDT",))
    adapter = registry.adapter("binance_usdm")
    types = ("mark_price", "funding_rate", "liquidation")
    decode = adapter.decoder(Subscription(("BTCUSDT",), types))
    client = simulator.connect("/market/stream?streams=btcusdt@markPrice@1s/btcusdt@forceOrder")
    found: list[Envelope] = [one for text in receive(client, 4) for one in decode(text.encode())]
    assert [one.stream.data_type for one in found] == ["mark_price", "funding_rate", "liquidation"] * 2
    for data_type in types:
        payloads = [one.payload for one in found if one.stream.data_type == data_type]
        rows = adapter.columns(data_type, payloads)
        assert (rows.untyped, list(rows.unread)) == ([], [])
    sent_us = [one.exchange_us or 0 for one in found if one.stream.data_type == "mark_price"]
    assert all(500_000 < after - before < 5_000_000 for before, after in itertools.pairwise(sent_us))


def test_a_symbol_is_listed_and_delisted_while_it_runs(simulator: Running) -> None:
    client = simulator.connect("/stream?streams=newusdt@bookTicker")
    assert simulator.http("/simulator/markets", {"list": "NEWUSDT"})[1]["trading"][-1] == "NEWUSDT"
    assert '"stream":"newusdt@bookTicker"' in receive(client, 1)[0]
    assert listed(simulator, "binance")["NEWUSDT"]
    assert listed(simulator, "kraken")["NEW/USDT"]
    assert listed(simulator, "bitfinex")["tNEWUST"]
    simulator.http("/simulator/markets", {"delist": "NEWUSDT"})
    assert not listed(simulator, "binance")["NEWUSDT"]
    assert not listed(simulator, "kraken")["NEW/USDT"]
    assert "tNEWUST" not in listed(simulator, "bitfinex")
    before = simulator.stats()["frames_by_stream"]
    other = simulator.connect("/stream?streams=dogeusdt@bookTicker")
    receive(other, 5)
    assert simulator.stats()["frames_by_stream"]["newusdt@bookTicker"] == before["newusdt@bookTicker"]
    kraken = simulator.connect("/kraken/v2")
    kraken.send('{"method":"subscribe","params":{"channel":"trade","symbol":["NEW/USDT"]}}')
    assert "Currency pair not supported" in receive(kraken, 2)[1]


@pytest.mark.parametrize(
    "wanted", [{"list": 1}, {"list": "newusdt"}, {"delist": "NEWUSDT"}, {"list": "A", "delist": "B"}, {}, "NEWUSDT"]
)
def test_a_change_of_markets_that_cannot_be_done_is_refused(simulator: Running, wanted: Any) -> None:
    status, body, _ = simulator.http("/simulator/markets", wanted)
    assert (status, len(body["problems"])) == (400, 1)
    assert simulator.http("/simulator/markets")[1] == {"trading": ["BTCUSD", "DOGEUSDT", "BTCUSD_PERP"]}


def test_a_recording_has_no_markets_to_list(simulate: Simulate, recording: Callable[..., Path]) -> None:
    simulator = simulate(replay=(recording('{"stream":"btcusdt@trade","data":{}}'),))
    assert simulator.http("/simulator/markets", {"list": "NEWUSDT"})[0] == 400


def test_kucoins_token_leads_to_the_simulator_while_its_recording_is_played(simulate: Simulate, data: Path) -> None:
    simulator = simulate(replay=(data / "frames/kucoin/cryptofeed_v3_KUCOIN.prefix.jsonl.zst",), speed=0)
    adapter = registry.adapter("kucoin")
    (plan,) = adapter.plan(Subscription(("ANKR-BTC",), ("book_delta",)), "")
    assert plan.question is not None
    status, body, _ = simulator.http(plan.question.target, method=plan.question.method)
    assert status == 200
    dialled = adapter.dial(plan, json.dumps(body).encode())
    client = websocket.create_connection(dialled.url, timeout=60)
    client.send(dialled.requests[0].text)
    assert json.loads(client.recv())
    client.close()
    assert dialled.keepalive is not None
    assert dialled.keepalive.every_secs == 18
