"""Each fault over a real socket: what the client gets, and what the log says about it."""

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import websocket

from collector.simulator.fault import FORMS, parse
from collector.simulator.fault_effects import LARGE_BYTES
from tests.simulator.running import DEADLINE_SECS, Running, abandon, events, receive, receive_all, sent, trade

Play = Callable[..., Running]
TRADES = "/stream?streams=btcusdt@trade"
ETHER = "ethusdt@trade"


@pytest.fixture
def play(simulate: Callable[..., Running], recording: Callable[..., Path]) -> Play:
    """Serve 20 trades as fast as they are taken, with faults."""

    def start(*faults: str, count: int = 20, **options: Any) -> Running:
        texts = [trade(number) for number in range(count)]
        return simulate(**{"replay": (recording(*texts),), "speed": 0, "faults": tuple(map(parse, faults)), **options})

    return start


def numbers(texts: list[Any]) -> list[int]:
    return [json.loads(text)["data"]["t"] for text in texts]


def dropped(log: list[dict[str, Any]], why: str) -> list[int]:
    return numbers([line["raw"] for line in events(log, "dropped") if line["why"] == why])


def test_dropped_frames_are_missing_and_logged(play: Play) -> None:
    simulator = play("drop,after=5,next=3")
    client = simulator.connect(TRADES)
    assert numbers(receive(client, 17)) == [*range(5), *range(8, 20)]
    assert simulator.stats()["frames_dropped"] == 3
    log = simulator.log()
    assert dropped(log, "fault") == [5, 6, 7]
    assert numbers(sent(log)) == [*range(5), *range(8, 20)]


def test_dropped_and_sent_frames_together_are_all_frames(play: Play) -> None:
    simulator = play("drop=0.3", count=500)
    client = simulator.connect(TRADES)
    stats = simulator.until(lambda stats: stats["replay"]["finished"])
    got = receive(client, stats["frames_sent"])
    log = simulator.log()
    lost = dropped(log, "fault")
    assert 80 < len(lost) < 220
    assert sorted(lost + numbers(sent(log))) == list(range(500))
    assert got == sent(log)


def test_the_same_seed_drops_the_same_frames(play: Play) -> None:
    lost = []
    for seed in (1, 1, 2):
        simulator = play("drop=0.3", count=200, seed=seed)
        simulator.connect(TRADES)
        simulator.until(lambda stats: stats["replay"]["finished"])
        lost.append(dropped(simulator.log(), "fault"))
    assert lost[0] == lost[1] != lost[2]


def test_a_fault_is_drawn_for_each_connection(play: Play) -> None:
    for text, same in (("drop=0.5", False), ("drop=0.5,everywhere=true", True)):
        simulator = play(text, clients=2, count=100)
        for _ in range(2):
            simulator.connect(TRADES)
        simulator.until(lambda stats: stats["replay"]["finished"])
        log = simulator.log()
        assert (sent(log, 1) == sent(log, 2)) == same
        assert 20 < len(sent(log, 1)) < 80


def test_a_duplicate_follows_its_frame(play: Play) -> None:
    simulator = play("duplicate,after=2")
    assert numbers(receive(simulator.connect(TRADES), 21)) == [0, 1, 2, 2, *range(3, 20)]
    assert [line["raw"] for line in simulator.log() if line.get("fault") == "duplicate"] == [trade(2)]


def test_a_reordered_frame_comes_after_the_next_of_its_stream(
    simulate: Callable[..., Running], recording: Callable[..., Path]
) -> None:
    texts = [trade(0), trade(1), trade(2, ETHER), trade(3), trade(4)]
    simulator = simulate(replay=(recording(*texts),), speed=0, faults=(parse("reorder,after=1,stream=btcusdt@trade"),))
    client = simulator.connect(f"{TRADES}/{ETHER}")
    assert numbers(receive(client, 5)) == [0, 2, 3, 1, 4]
    assert [line["raw"] for line in simulator.log() if line.get("fault") == "reorder"] == [trade(1)]


def test_a_frame_held_back_at_the_end_is_still_sent(play: Play) -> None:
    simulator = play("reorder,after=19")
    assert numbers(receive(simulator.connect(TRADES), 20)) == list(range(20))


def test_a_reset_comes_after_everything_logged_as_sent_has_arrived(play: Play) -> None:
    simulator = play("disconnect,after=1500", count=2_000)
    client = simulator.connect(TRADES)
    got = receive(client, 1500)
    with pytest.raises(ConnectionResetError):
        client.recv_data()
    simulator.until(lambda stats: not stats["connections"])
    log = simulator.log()
    assert numbers(got) == numbers(sent(log)) == list(range(1500))
    lost = dropped(log, "closed")
    assert lost == list(range(1500, 1500 + len(lost)))
    assert [(line["why"], line["code"]) for line in events(log, "close")] == [("fault", None)]


def test_a_disconnect_with_a_code_is_a_closing_handshake(play: Play) -> None:
    simulator = play("disconnect,after=10,code=1012")
    client = simulator.connect(TRADES)
    assert numbers(receive(client, 10)) == list(range(10))
    opcode, data = client.recv_data()
    assert (opcode, data[:2]) == (websocket.ABNF.OPCODE_CLOSE, (1012).to_bytes(2, "big"))
    simulator.until(lambda stats: not stats["connections"])
    assert [line["code"] for line in events(simulator.log(), "close")] == [1012]


def test_the_connection_after_a_disconnect_continues_the_recording(play: Play) -> None:
    simulator = play("disconnect,after=10,code=1001", speed=10, count=60)
    first = simulator.connect(TRADES)
    receive_all(first)
    second = simulator.connect(TRADES)
    stats = simulator.until(lambda stats: stats["replay"]["finished"])
    got = receive(second, stats["frames_sent"] - 10)
    log = simulator.log()
    assert numbers(sent(log, 1)) + dropped(log, "closed") + numbers(sent(log, 2)) == list(range(60))
    assert got == sent(log, 2)


def test_a_stalled_connection_is_silent_and_then_continues(play: Play) -> None:
    simulator = play("stall,after=5,secs=0.5")
    client = simulator.connect(TRADES)
    receive(client, 5)
    started = time.monotonic()
    client.ping(b"there?")
    client.settimeout(0.1)
    with pytest.raises(websocket.WebSocketTimeoutException):
        client.recv_data(control_frame=True)
    client.settimeout(DEADLINE_SECS)
    assert numbers(receive(client, 15)) == list(range(5, 20))
    assert time.monotonic() - started > 0.4
    assert client.recv_data(control_frame=True) == (websocket.ABNF.OPCODE_PONG, b"there?")
    assert [line["secs"] for line in events(simulator.log(), "stall")] == [0.5]


def test_a_stalled_connection_does_not_delay_the_other(play: Play) -> None:
    simulator = play("stall,connection=1", clients=2, count=5_000)
    stalled, other = simulator.connect(TRADES), simulator.connect(TRADES)
    assert len(receive(other, 5_000)) == 5_000
    stalled.settimeout(0.1)
    with pytest.raises(websocket.WebSocketTimeoutException):
        stalled.recv_data()
    assert simulator.stats()["send_stalls"]["count"] == 0


def test_a_stalled_connection_is_given_up_when_its_client_leaves(play: Play) -> None:
    simulator = play("stall,after=5")
    client = simulator.connect(TRADES)
    receive(client, 5)
    abandon(client)
    simulator.until(lambda stats: not stats["connections"])
    assert dropped(simulator.log(), "closed") == list(range(5, 20))


def test_half_a_frame_is_sent_and_nothing_after_it(play: Play) -> None:
    simulator = play("half,after=3")
    client = simulator.connect(TRADES)
    receive(client, 3)
    client.settimeout(0.2)
    with pytest.raises(websocket.WebSocketTimeoutException):
        client.recv_data()
    abandon(client)
    simulator.until(lambda stats: not stats["connections"])
    log = simulator.log()
    assert dropped(log, "half") == [3]
    assert dropped(log, "closed") == list(range(4, 20))


@pytest.mark.parametrize("form", FORMS)
def test_a_malformed_frame_is_sent_besides_the_good_ones(play: Play, form: str) -> None:
    simulator = play(f"malformed,after=3,form={form}")
    client = simulator.connect(TRADES)
    got = [client.recv_data() for _ in range(21)]
    opcode, bad = got.pop(4)
    assert numbers([data.decode() for _, data in got]) == list(range(20))
    assert opcode == (websocket.ABNF.OPCODE_BINARY if form == "binary" else websocket.ABNF.OPCODE_TEXT)
    assert (len(bad) > LARGE_BYTES) == (form == "large")
    (line,) = [line for line in simulator.log() if line.get("fault") == "malformed"]
    assert bad == (line["raw"].encode() if "raw" in line else base64.b64decode(line["b64"]))
    assert ("b64" in line) == (form in ("binary", "utf8"))


def test_a_shutdown_is_announced_and_data_flows_until_the_close(play: Play) -> None:
    simulator = play("shutdown,after=5,secs=0.2", speed=1, count=100)
    client = simulator.connect(TRADES)
    texts = [text.decode() for text in receive_all(client)]
    assert texts[5].startswith('{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":')
    assert numbers(texts[:5] + texts[6:]) == list(range(len(texts) - 1))
    assert 10 < len(texts) < 60
    simulator.until(lambda stats: not stats["connections"])
    assert [(line["why"], line["code"]) for line in events(simulator.log(), "close")] == [("shutdown", 1001)]


def test_rest_requests_can_be_refused(play: Play) -> None:
    simulator = play("http,status=503,next=2,retry_after_secs=7")
    for _ in range(2):
        status, _, headers = simulator.http("/api/v3/ping")
        assert (status, headers["retry-after"]) == (503, "7")
    assert simulator.http("/api/v3/ping")[0] == 200


def test_handshakes_can_be_refused(play: Play) -> None:
    simulator = play("handshake,next=1")
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        simulator.connect(TRADES)
    assert caught.value.status_code == 429
    assert caught.value.resp_headers is not None
    assert caught.value.resp_headers["retry-after"] == "1"
    assert len(receive(simulator.connect(TRADES), 20)) == 20
    assert [line["status"] for line in events(simulator.log(), "handshake_refused")] == [429]


def test_faults_are_added_listed_and_removed_at_run_time(play: Play) -> None:
    simulator = play(speed=1, count=300)
    client = simulator.connect(TRADES)
    receive(client, 2)
    simulator.fault(kind="drop", probability=1)
    assert [fault["kind"] for fault in simulator.http("/simulator/faults")[1]["faults"]] == ["drop"]
    simulator.until(lambda stats: stats["frames_dropped"] >= 3)
    assert simulator.http("/simulator/faults", method="DELETE")[1] == {"faults": []}
    assert max(numbers(receive(client, 5))) > 6
    lost = dropped(simulator.log(), "fault")
    assert lost == list(range(lost[0], lost[0] + len(lost)))


def test_an_invalid_fault_is_answered_with_its_problems(play: Play) -> None:
    simulator = play()
    status, body, _ = simulator.http("/simulator/faults", {"kind": "drop", "often": 3})
    assert status == 400
    assert "often" in body["problems"][0]
    assert simulator.http("/simulator/faults", "drop")[0] == 400


def test_a_disconnect_now_does_not_wait_for_a_frame(play: Play) -> None:
    simulator = play(clients=2)
    first, second = simulator.connect(TRADES), simulator.connect(TRADES)
    simulator.until(lambda stats: stats["replay"]["finished"])
    simulator.fault(kind="disconnect", now=True, connection=1, code=1001)
    assert len(receive_all(first)) == 20
    assert [
        connection["number"] for connection in simulator.until(lambda s: len(s["connections"]) == 1)["connections"]
    ] == [2]
    simulator.fault(kind="shutdown", now=True)
    assert len(receive_all(second)) == 21


def test_a_raw_connection_gets_faults_in_its_own_form(play: Play) -> None:
    simulator = play("duplicate,after=1", "shutdown,after=2")
    texts = [text.decode() for text in receive_all(simulator.connect("/ws/btcusdt@trade"))]
    assert texts[:3] == ['{"e":"trade","t":0}', '{"e":"trade","t":1}', '{"e":"trade","t":1}']
    assert any(text.startswith('{"e":"serverShutdown"') for text in texts)


def test_a_stream_can_be_silent_on_one_path_only(play: Play) -> None:
    simulator = play("drop=1,path=/market/stream", clients=2)
    silent, other = (simulator.connect(f"/{path}{TRADES}") for path in ("market", "public"))
    assert numbers(receive(other, 20)) == [*range(20)]
    silent.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
    assert "btcusdt@trade" in str(receive(silent, 1))
