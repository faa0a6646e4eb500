import itertools
import json
import socket
import time
from collections.abc import Callable

import pytest
import websocket
from websockets.sync.client import connect

from collector.simulator.fault import Fault
from tests.simulator.running import DEADLINE_SECS, Running, events, receive, receive_all, sent

Simulate = Callable[..., Running]
ALL = "btcusdt@trade/btcusdt@aggTrade/btcusdt@bookTicker/btcusdt@depth@100ms/btcusdt@depth20@100ms"


def streams(texts: list[str]) -> set[str]:
    return {json.loads(text)["stream"] for text in texts}


def read_until(client: websocket.WebSocket, wanted: str) -> list[str]:
    texts: list[str] = []
    while not texts or texts[-1] != wanted:
        texts += receive(client, 1)
    return texts


def test_a_combined_connection_gets_the_streams_of_its_url_wrapped(simulate: Simulate) -> None:
    client = simulate().connect(f"/stream?streams={ALL}")
    assert streams(receive(client, 300)) == set(ALL.split("/"))


def test_a_percent_encoded_url_is_understood(simulate: Simulate) -> None:
    client = simulate().connect("/stream?streams=btcusdt%40bookTicker%2Fbtcusdt%40depth%40100ms")
    assert streams(receive(client, 50)) == {"btcusdt@bookTicker", "btcusdt@depth@100ms"}


def test_a_raw_connection_gets_bare_payloads(simulate: Simulate) -> None:
    client = simulate().connect("/ws/btcusdt@bookTicker")
    assert {tuple(json.loads(text)) for text in receive(client, 20)} == {("u", "s", "b", "B", "a", "A")}


def test_a_second_client_library_reads_the_same_frames(simulate: Simulate) -> None:
    simulator = simulate()
    with connect(f"ws://127.0.0.1:{simulator.port}/stream?streams=btcusdt@depth20@100ms") as client:
        texts = [client.recv() for _ in range(3)]
    assert sent(simulator.log())[:3] == texts


def test_subscriptions_change_after_the_acknowledgement(simulate: Simulate) -> None:
    client = simulate().connect("/stream")
    client.send('{"method":"SUBSCRIBE","params":["btcusdt@bookTicker"],"id":1}')
    assert receive(client, 1) == ['{"result":null,"id":1}']
    assert streams(receive(client, 10)) == {"btcusdt@bookTicker"}
    client.send('{"method":"UNSUBSCRIBE","params":["btcusdt@bookTicker"],"id":2}')
    read_until(client, '{"result":null,"id":2}')
    client.send('{"method":"LIST_SUBSCRIPTIONS","id":3}')
    assert receive(client, 1) == ['{"result":[],"id":3}']


def test_a_bad_request_gets_an_error_and_keeps_the_connection(simulate: Simulate) -> None:
    client = simulate().connect("/stream")
    client.send("nonsense")
    assert json.loads(receive(client, 1)[0])["error"]["code"] == 3
    client.send('{"method":"LIST_SUBSCRIPTIONS","id":3}')
    assert receive(client, 1) == ['{"result":[],"id":3}']


def test_an_unknown_stream_is_acknowledged_and_silent(simulate: Simulate) -> None:
    simulator = simulate()
    client = simulator.connect("/stream?streams=btcusdt@tradee/nosuch@trade")
    client.send('{"method":"SUBSCRIBE","params":["BTCUSDT@trade"],"id":1}')
    assert receive(client, 1) == ['{"result":null,"id":1}']
    other = simulator.connect("/stream?streams=btcusdt@bookTicker")
    receive(other, 20)
    assert sent(simulator.log(), connection=1) == []


def test_other_paths_are_refused(simulate: Simulate) -> None:
    simulator = simulate()
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        simulator.connect("/elsewhere")
    assert caught.value.status_code == 404
    assert events(simulator.log(), "handshake_refused")[0]["path"] == "/elsewhere"


def test_a_client_that_answers_pings_stays_connected(simulate: Simulate) -> None:
    simulator = simulate(ping_interval_secs=0.22, pong_timeout_secs=0.3)
    client = simulator.connect("/stream")
    pings = []
    for _ in range(4):
        opcode, data = client.recv_data(control_frame=True)
        assert opcode == websocket.ABNF.OPCODE_PING
        pings.append(data)
    assert len(simulator.stats()["connections"]) == 1
    assert all(len(ping) == 13 and abs(int(ping) - time.time() * 1000) < 60_000 for ping in pings)


def test_a_client_that_leaves_pings_unanswered_is_closed(simulate: Simulate) -> None:
    simulator = simulate(ping_interval_secs=0.05, pong_timeout_secs=0.2)
    with raw_upgrade(simulator, "/stream") as client:
        data = b""
        while part := client.recv(4096):
            data += part
    assert data.endswith(b"\x03\xf0Pong timeout")
    assert events(simulator.log(), "close")[0]["why"] == "pong timeout"


def raw_upgrade(simulator: Running, path: str) -> socket.socket:
    """A WebSocket nobody speaks for: nothing answers its pings."""
    client = socket.create_connection(("127.0.0.1", simulator.port), timeout=DEADLINE_SECS)
    headers = "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13"
    client.sendall(f"GET {path} HTTP/1.1\r\n{headers}\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode())
    return client


def test_a_sixth_message_within_a_second_ends_the_connection(simulate: Simulate) -> None:
    client = simulate().connect("/stream")
    for number in range(6):
        client.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": number}))
    replies = []
    opcode, data = client.recv_data()
    while opcode == websocket.ABNF.OPCODE_TEXT:
        replies.append(data)
        opcode, data = client.recv_data()
    assert data[:2] == (1008).to_bytes(2, "big")
    assert len(replies) <= 6


def test_1024_streams_fit_on_a_connection_and_one_more_ends_it(simulate: Simulate) -> None:
    simulator = simulate()
    names = [f"coin{number}usdt@depth@100ms" for number in range(1024)]
    client = simulator.connect(f"/stream?streams={'/'.join(names)}")
    client.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
    assert json.loads(receive(client, 1)[0])["result"] == names
    client.send('{"method":"SUBSCRIBE","params":["more@trade"],"id":2}')
    assert receive_all(client) in ([], [b'{"result":null,"id":2}'])
    simulator.until(lambda stats: not stats["connections"])
    assert events(simulator.log(), "close")[0]["code"] == 1008


def test_connection_attempts_can_be_limited(simulate: Simulate) -> None:
    simulator = simulate(max_attempts=2)
    clients = [simulator.connect("/stream") for _ in range(2)]
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        simulator.connect("/stream")
    assert caught.value.status_code == 429
    assert caught.value.resp_headers is not None
    assert 0 < int(caught.value.resp_headers["retry-after"]) <= 300
    assert len(clients) == 2


def test_a_close_by_the_client_is_answered_and_logged(simulate: Simulate) -> None:
    simulator = simulate()
    client = simulator.connect("/stream?streams=btcusdt@bookTicker")
    receive(client, 5)
    client.send_close(4001, b"bye")
    while (reply := client.recv_data())[0] != websocket.ABNF.OPCODE_CLOSE:
        pass
    assert reply[1] == (4001).to_bytes(2, "big") + b"bye"
    simulator.until(lambda stats: not stats["connections"])
    assert [(line["why"], line["code"]) for line in events(simulator.log(), "close")] == [
        ("closed by the client", 4001)
    ]


def test_stopping_closes_every_connection_with_1001(simulate: Simulate) -> None:
    simulator = simulate()
    clients = [simulator.connect(f"/stream?streams={ALL}") for _ in range(3)]
    for client in clients:
        receive(client, 5)
    simulator.stop()
    for client in clients:
        while (reply := client.recv_data())[0] == websocket.ABNF.OPCODE_TEXT:
            pass
        assert reply[1][:2] == (1001).to_bytes(2, "big")


def test_the_log_has_every_frame_byte_for_byte(simulate: Simulate) -> None:
    simulator = simulate(rate=2000.0)
    clients = [simulator.connect(f"/stream?streams={ALL}") for _ in range(2)]
    got = [receive(client, 2000) for client in clients]
    log = simulator.log()
    for number, texts in enumerate(got, start=1):
        assert sent(log, connection=number)[: len(texts)] == texts
    assert [line["path"] for line in events(log, "connect")] == [f"/stream?streams={ALL}"] * 2
    assert all(before["at_ns"] <= after["at_ns"] for before, after in itertools.pairwise(log))


def test_the_log_says_what_a_client_asked_for(simulate: Simulate) -> None:
    simulator = simulate()
    client = simulator.connect("/stream")
    client.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
    receive(client, 1)
    assert [line["raw"] for line in events(simulator.log(), "request")] == ['{"method":"LIST_SUBSCRIPTIONS","id":1}']


def test_rest_and_websocket_show_one_market(simulate: Simulate) -> None:
    simulator = simulate()
    client = simulator.connect("/stream?streams=btcusdt@depth@100ms")
    before = json.loads(receive(client, 1)[0])["data"]
    status, book, headers = simulator.http("/api/v3/depth?symbol=BTCUSDT&limit=100")
    assert (status, headers["x-mbx-used-weight-1m"]) == (200, "5")
    diffs = [before]
    while diffs[-1]["u"] < book["lastUpdateId"] + 1:
        diffs.append(json.loads(receive(client, 1)[0])["data"])
    assert any(diff["U"] <= book["lastUpdateId"] + 1 <= diff["u"] for diff in diffs)


def test_rest_answers_several_requests_on_one_connection(simulate: Simulate) -> None:
    simulator = simulate()
    with socket.create_connection(("127.0.0.1", simulator.port), timeout=DEADLINE_SECS) as client:
        for _ in range(2):
            client.sendall(b"GET /api/v3/ping HTTP/1.1\r\nHost: x\r\n\r\n")
            reply = b""
            while not reply.endswith(b"{}"):
                reply += client.recv(4096)
            assert reply.startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_request_that_is_not_http_is_refused(simulate: Simulate) -> None:
    with socket.create_connection(("127.0.0.1", simulate().port), timeout=DEADLINE_SECS) as client:
        client.sendall(b"hello\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 400 ")


def test_an_upgrade_without_a_key_is_refused(simulate: Simulate) -> None:
    with socket.create_connection(("127.0.0.1", simulate().port), timeout=DEADLINE_SECS) as client:
        client.sendall(b"GET /stream HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 400 ")


def test_statistics_count_frames_by_stream(simulate: Simulate) -> None:
    simulator = simulate()
    client = simulator.connect("/stream?streams=btcusdt@bookTicker/btcusdt@depth@100ms")
    receive(client, 50)
    stats = simulator.until(lambda stats: stats["frames_sent"] >= 50)
    assert set(stats["frames_by_stream"]) == {"btcusdt@bookTicker", "btcusdt@depth@100ms"}
    assert stats["frames_sent"] == sum(stats["frames_by_stream"].values())
    assert stats["connections"][0]["streams"] == ["btcusdt@bookTicker", "btcusdt@depth@100ms"]
    assert stats["send_stalls"] == {"count": 0, "secs": 0}


def test_a_client_that_stops_reading_counts_as_a_send_stall(
    simulate: Simulate, recording: Callable[..., object]
) -> None:
    simulator = simulate(replay=(recording(*("x" * 100_000 for _ in range(300))),), speed=0, all_streams=True)
    client = simulator.connect("/stream")
    waiting = simulator.until(lambda stats: stats["send_stalls"]["secs"] > 0.2)
    assert waiting["send_stalls"]["count"] == 1
    receive(client, 300)
    after = simulator.until(lambda stats: stats["replay"]["finished"])
    assert after["send_stalls"]["secs"] > 0.2


@pytest.mark.parametrize("faults", [(), (Fault("stall", next=1),)])
def test_a_client_that_lags_too_far_is_disconnected(
    simulate: Simulate,
    recording: Callable[..., object],
    monkeypatch: pytest.MonkeyPatch,
    faults: tuple[Fault, ...],
) -> None:
    monkeypatch.setattr("collector.simulator.connection.MAX_BACKLOG", 50)
    monkeypatch.setattr("collector.simulator.connection.CLOSE_TIMEOUT_SECS", 0.2)
    texts = [f"{number:<200000}" for number in range(200)]
    simulator = simulate(replay=(recording(*texts),), speed=100, all_streams=True, faults=faults)
    client = simulator.connect("/stream")
    simulator.until(lambda stats: stats["connections_total"] == 1 and not stats["connections"])
    assert len(receive_all(client)) < 150
    log = simulator.log()
    assert [line["why"] for line in events(log, "close")] == ["too slow"]
    assert (
        sent(log) + [line["raw"] for line in events(log, "dropped")]
        == texts[: len(sent(log)) + len(events(log, "dropped"))]
    )


def test_an_internal_error_ends_the_simulator(simulate: Simulate, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr("collector.simulator.market.Market.happen", fail)
    simulator = simulate()
    simulator.ended()
    with pytest.raises(RuntimeError, match="broken"):
        simulator.stop()
