"""Markets in the shapes of other exchanges, read by those exchanges' adapters; and what clients may say."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import websocket

from collector.domain.records import Envelope
from collector.exchanges import registry
from collector.exchanges.adapter import ControlKind, Subscription
from collector.processes.writer.book_checks import BookChecks, Checked
from collector.simulator.dialects import DIALECTS, dialect_of
from tests.conftest import Lines
from tests.simulator.running import DEADLINE_SECS, Running, receive, receive_all

Simulate = Callable[..., Running]


def subscribed(simulator: Running, exchange: str, prefix: str, symbols: tuple[str, ...]) -> websocket.WebSocket:
    """A client that says what the recorder would."""
    adapter = registry.adapter(exchange)
    polled = adapter.rest.polls if adapter.rest else {}
    types = tuple(
        one for one in ("book_delta", "trade", "book_ticker") if one in adapter.id_rules and one not in polled
    )
    (plan,) = adapter.plan(Subscription(symbols, types), f"ws://127.0.0.1:{simulator.port}{prefix}")
    client = simulator.connect(plan.url.partition(str(simulator.port))[2])
    for request in plan.requests:
        client.send(request.text)
    return client


def read_until(client: websocket.WebSocket, read: Callable[[bytes], None], reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECS
    while not reached():
        assert time.monotonic() < deadline
        read(client.recv_data()[1])


def test_krakens_books_carry_checksums_that_its_adapter_verifies(simulate: Simulate) -> None:
    simulator = simulate(symbols=("BTCUSD", "ETHUSD"))
    adapter = registry.adapter("kraken")
    decode = adapter.decoder(Subscription(("BTC/USD", "ETH/USD"), ("book_delta", "trade", "book_ticker")))
    checks, found = BookChecks(enabled=True), list[Envelope]()

    def read(frame: bytes) -> None:
        for one in decode(frame):
            found.append(one)
            if one.stream.data_type == "book_delta":
                assert checks.checked(adapter.checks["book_delta"], 1, one) is Checked.SOUND

    client = subscribed(simulator, "kraken", "/kraken", ("BTC/USD", "ETH/USD"))
    kinds = {"book_delta", "trade", "book_ticker"}
    read_until(client, read, lambda: checks.counts["matched"] > 40 and {one.stream.data_type for one in found} == kinds)
    assert checks.counts["different"] == 0
    trades = [one.id or 0 for one in found if one.stream.data_type == "trade" and one.stream.symbol == "BTC/USD"]
    assert trades == list(range(trades[0], trades[0] + len(trades)))


def test_a_lost_frame_shows_in_krakens_checksums(simulate: Simulate) -> None:
    simulator = simulate(symbols=("BTCUSD",))
    adapter, checks = registry.adapter("kraken"), BookChecks(enabled=True)
    decode = adapter.decoder(Subscription(("BTC/USD",), ("book_delta",)))

    def read(frame: bytes) -> None:
        for one in decode(frame):
            checks.checked(adapter.checks["book_delta"], 1, one)

    client = subscribed(simulator, "kraken", "/kraken", ("BTC/USD",))
    read_until(client, read, lambda: checks.counts["matched"] > 3)
    simulator.fault(kind="drop", next=1, stream="btcusd@depth@100ms")
    read_until(client, read, lambda: checks.counts["different"] > 0)


def test_a_fault_is_spent_only_on_a_frame_that_a_client_gets(simulate: Simulate) -> None:
    simulator = simulate(symbols=("BTCUSD",), rate=20.0)
    client = simulator.connect("/kraken/v2")
    client.send('{"method":"subscribe","params":{"channel":"book","symbol":["BTC/USD"],"depth":10}}')
    simulator.until(lambda stats: stats["frames_sent"] > 0)
    simulator.fault(kind="drop", next=20, stream="btcusd@depth@100ms")
    simulator.until(lambda stats: stats["frames_dropped"] == 20)


def test_bitfinex_numbers_channels_anew_on_each_connection_and_counts_its_frames(simulate: Simulate) -> None:
    simulator = simulate(symbols=("BTCUSD",))
    adapter = registry.adapter("bitfinex")
    channels = set()
    for _ in range(2):
        decode = adapter.decoder(Subscription(("tBTCUSD",), ("book_delta", "trade", "book_ticker")))
        client = subscribed(simulator, "bitfinex", "/bitfinex", ("tBTCUSD",))
        tickets, found = list[int](), list[Envelope]()

        def read(frame: bytes, decode: Any = decode, tickets: Any = tickets, found: Any = found) -> None:
            ticket = adapter.ticket(frame)
            tickets += [] if ticket is None else [ticket]
            found += decode(frame)

        read_until(client, read, lambda found=found: len(found) > 60)  # type: ignore[misc]  # bound in the loop
        assert tickets == list(range(tickets[0], tickets[0] + len(tickets)))
        assert {one.stream.data_type for one in found} >= {"book_delta", "trade"}
        channels.add(int(found[0].payload[1 : found[0].payload.index(b",")]))
    assert len(channels) == 2


def test_the_futures_markets_chain_their_diffs(simulate: Simulate) -> None:
    simulator = simulate(symbols=("BTCUSDT",))
    adapter = registry.adapter("binance_usdm")
    types = ("book_delta", "book_snapshot", "trade", "agg_trade", "book_ticker")
    decode, found = adapter.decoder(Subscription(("BTCUSDT",), types)), list[Envelope]()
    for path in ("/public", "/market"):
        names = "btcusdt@depth@100ms/btcusdt@depth20@100ms/btcusdt@trade/btcusdt@aggTrade/btcusdt@bookTicker"
        client = simulator.connect(f"{path}/stream?streams={names}")
        seen = set[str]()

        def read(frame: bytes, seen: set[str] = seen) -> None:
            messages = decode(frame)
            found.extend(messages)
            seen.update(one.stream.data_type for one in messages)

        read_until(client, read, lambda seen=seen: seen == set(types))  # type: ignore[misc]  # bound in the loop
    diffs = [one for one in found if one.stream.data_type == "book_delta"]
    assert diffs
    assert all(one.first_id is not None and one.exchange_us is not None for one in diffs)


def test_a_path_that_is_not_played_is_refused_by_name(simulate: Simulate) -> None:
    simulator = simulate()
    for path, said in (("/okx/ws/v5/public", "okx is not played live"), ("/nowhere", "nothing is known of /nowhere")):
        with pytest.raises(websocket.WebSocketBadStatusException) as caught:
            simulator.connect(path)
        assert said in str(caught.value)


def test_another_exchanges_path_below_ws_is_not_answered_in_binances_words(simulate: Simulate) -> None:
    simulator = simulate()
    for path in ("/ws/2", "/ws/v4", "/ws/v5/public"):
        with pytest.raises(websocket.WebSocketBadStatusException) as caught:
            simulator.connect(path)
        assert f"nothing is known of {path}: only binance, " in str(caught.value)


def test_a_path_that_was_not_recorded_is_refused_with_those_that_were(simulate: Simulate, data: Path) -> None:
    simulator = simulate(replay=(data / "frames/bybit/cryptofeed_v3_BYBIT.jsonl.zst",), speed=0)
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        subscribed(simulator, "bitfinex", "", ("tBTCUSD",))
    assert "nothing was recorded at /ws/2, but at /v5/public/" in str(caught.value)


def test_a_recording_is_played_to_the_path_of_its_connection_with_its_acknowledgements(
    simulate: Simulate, data: Path, recorded: Lines
) -> None:
    simulator = simulate(replay=(data / "frames/bybit/cryptofeed_v3_BYBIT.jsonl.zst",), speed=0)
    client = subscribed(simulator, "bybit_spot", "", ("BTCUSDT", "ETHUSDT"))
    frames = [
        line["raw"]
        for line in recorded("bybit/cryptofeed_v3_BYBIT")
        if line["dir"] == "in" and line["conn"] == "BYBIT.ws.3"
    ]
    assert receive(client, len(frames)) == frames
    control = registry.adapter("bybit_spot").control(frames[0].encode())
    assert control is not None
    assert control.kind is ControlKind.ACK


def test_an_exchange_that_counts_no_messages_takes_a_subscription_for_each_stream_at_once(
    simulate: Simulate, data: Path, recorded: Lines
) -> None:
    simulator = simulate(replay=(data / "frames/bitstamp/cryptofeed_v3_BITSTAMP.jsonl.zst",), speed=0)
    client = subscribed(simulator, "bitstamp", "", ("sgbeur", "ethusd", "xrpeur", "bateur", "usdteur"))
    frames = [line["raw"] for line in recorded("bitstamp/cryptofeed_v3_BITSTAMP") if line["dir"] == "in"]
    assert receive(client, len(frames)) == frames


def test_a_client_that_says_more_than_the_exchange_allows_is_dropped(simulate: Simulate, data: Path) -> None:
    simulator = simulate(replay=(data / "frames/kucoin/cryptofeed_v3_KUCOIN.prefix.jsonl.zst",), speed=0)
    client = simulator.connect("/endpoint")
    for _ in range(11):
        client.send('{"id":"1","type":"ping"}')
    receive_all(client)
    assert [line["why"] for line in simulator.log() if line.get("event") == "close"] == ["too many messages"]


def test_a_recorded_rest_response_is_served(simulate: Simulate, data: Path) -> None:
    simulator = simulate(replay=(data / "frames/bybit/cryptofeed_v3_BYBIT.jsonl.zst",), speed=0)
    status, body, _ = simulator.http("/v5/market/instruments-info?&category=spot&status=Trading&limit=1000")
    assert (status, body["retCode"]) == (200, 0)
    rest = registry.adapter("bybit_spot").rest
    assert rest is not None
    (get,) = rest.lists()
    assert simulator.http(get.target)[0] == 200, "asked with another query, it is the same list"


def test_a_client_that_does_not_ping_is_dropped_as_the_exchange_would(
    simulate: Simulate, recording: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    okx = next(one for one in DIALECTS if one.exchange == "okx")
    monkeypatch.setattr("collector.simulator.sessions.dialect_of", lambda _: okx._replace(idle_secs=0.3))
    path = recording()
    path.write_text(
        '{"recv_ts_us":1,"conn":"c","url":"wss://ws.okx.com/ws/v5/public","dir":"in","raw":"{}"}\n', "utf-8"
    )
    simulator = simulate(replay=(path,), speed=0, ping_interval_secs=0.5)
    client = simulator.connect("/ws/v5/public")
    client.send("ping")
    assert receive(client, 1) == ["pong"]
    assert receive_all(client) == []
    assert [line["why"] for line in simulator.log() if line.get("event") == "close"] == ["idle"]


@pytest.mark.parametrize(
    "said",
    ['{"op":"subscribe"}', '{"op":"subscribe","args":["a"],"further":1}', "[]", "{", '{"op":"subscribe","args":[]}'],
)
def test_a_client_that_says_what_the_exchange_does_not_know_is_dropped(
    simulate: Simulate, data: Path, said: str
) -> None:
    simulator = simulate(replay=(data / "frames/bybit/cryptofeed_v3_BYBIT.jsonl.zst",), speed=0)
    client = simulator.connect("/v5/public/spot")
    client.send(said)
    assert receive_all(client) == []
    (closed,) = [line["why"] for line in simulator.log() if line.get("event") == "close"]
    assert closed.startswith("bybit does not understand")


@pytest.mark.parametrize("exchange", registry.data_types())
def test_what_every_adapter_says_is_understood(exchange: str) -> None:
    adapter = registry.adapter(exchange)
    (plan, *_) = adapter.plan(Subscription((example(exchange),), tuple(adapter.id_rules)), "")
    dialect = dialect_of(plan.url.split("/")[2].partition(":")[0])
    assert dialect is not None
    said = [*plan.requests, *adapter.again(plan.keys), *adapter.apart(plan.keys)]
    for request in said:
        assert dialect.understands(request.text.encode()), request.text
    if plan.keepalive is not None:
        text = plan.keepalive.text.encode()
        assert dialect.pong(text) is not None or dialect.understands(text)
        assert dialect.idle_secs is None or plan.keepalive.every_secs < dialect.idle_secs
    assert dialect.messages_per_sec is None or adapter.limits.messages_per_sec < dialect.messages_per_sec


def example(exchange: str) -> str:
    """A symbol of the exchange's."""
    found: Any = registry.adapter(exchange)
    return re.split(", | or ", found.symbol_example)[0]


def test_what_is_said_in_the_recordings_is_understood(recorded: Lines, data: Path) -> None:
    understood = 0
    for path in sorted((data / "frames").glob("*/cryptofeed_v3_*.jsonl.zst")):
        lines = recorded(f"{path.parent.name}/{path.name.removesuffix('.jsonl.zst')}")
        urls = {line["conn"]: line["url"] for line in lines if line["dir"] == "connect"}
        for line in lines:
            host = urls.get(line["conn"], "").split("/")[2:3]
            dialect = dialect_of(host[0]) if line["dir"] == "out" and host else None
            if dialect is None or dialect.exchange == "kraken":  # recorded in version 1
                continue
            text = line["raw"].encode()
            known = dialect.pong(text) is not None or dialect.understands(text)
            assert known, f"{dialect.exchange}: {line['raw']}"
            understood += 1
    assert understood > 100
