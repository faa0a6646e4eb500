import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import websocket

from collector.simulator.frames import is_text, payload
from collector.simulator.replay import load
from tests.simulator.running import Running, receive, receive_all, sent, trade

Simulate = Callable[..., Running]
Recorder = Callable[..., Path]
TRADES = "/stream?streams=btcusdt@trade"
REAL = "hftbacktest_btcusdt_20240808.jsonl.zst"
REAL_STREAMS = "/stream?streams=btcusdt@trade/btcusdt@depth@100ms/btcusdt@bookTicker"


def real_lines(path: Path) -> list[dict[str, Any]]:
    with pa.input_stream(str(path), compression="zstd") as stream:
        return [json.loads(line) for line in stream.read().splitlines()]


def test_a_recording_is_replayed_byte_for_byte_and_in_order(
    simulate: Simulate, real_file: Callable[[str], Path]
) -> None:
    path = real_file(REAL)
    expected = [line["raw"] for line in real_lines(path) if line["dir"] == "in"]
    simulator = simulate(replay=(path,), speed=0)
    assert receive(simulator.connect(REAL_STREAMS), len(expected)) == expected
    simulator.until(lambda stats: stats["replay"]["finished"])
    assert sent(simulator.log()) == expected


def test_text_binary_and_base64_frames_are_read_unchanged(tmp_path: Path) -> None:
    lines = [
        {"recv_ts_us": 5, "dir": "connect", "raw": ""},
        {"recv_ts_us": 5, "dir": "in", "raw": trade(1)},
        {"recv_ts_us": None, "dir": "in", "raw": '{"ch":"x"}', "wire": "binary"},
        {"recv_ts_us": 9, "dir": "in", "raw": base64.b64encode(b"\x1f\x8b").decode(), "enc": "b64"},
        {"recv_ts_us": 7, "dir": "http", "raw": "{}"},
    ]
    path = tmp_path / "mixed.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)), "utf-8")
    frames = load([path]).frames
    assert [(frame.stream, is_text(frame.wire), payload(frame.wire)) for frame in frames] == [
        ("btcusdt@trade", True, trade(1).encode()),
        ("", False, b'{"ch":"x"}'),
        ("", False, b"\x1f\x8b"),
    ]


def test_due_times_rise_across_files(tmp_path: Path) -> None:
    path = tmp_path / "stepping.jsonl"
    times = [None, 100, 300, 200, None, 400]
    path.write_text("".join(json.dumps({"recv_ts_us": at, "dir": "in", "raw": "x"}) + "\n" for at in times), "utf-8")
    assert load([path, path]).due_us == [0, 0, 200, 200, 200, 300, 300, 300, 500, 500, 500, 600]


def test_frames_of_streams_nobody_asked_for_are_skipped(simulate: Simulate, recording: Recorder) -> None:
    path = recording(trade(1), trade(2, "ethusdt@trade"), trade(3))
    simulator = simulate(replay=(path,), speed=0)
    assert receive(simulator.connect(TRADES), 2) == [trade(1), trade(3)]
    assert simulator.until(lambda stats: stats["replay"]["finished"])["frames_sent"] == 2


def test_several_files_are_played_one_after_another(simulate: Simulate, recording: Recorder) -> None:
    paths = (recording(trade(1), trade(2), name="one.jsonl"), recording(trade(3), name="two.jsonl"))
    client = simulate(replay=paths, speed=0).connect(TRADES)
    assert receive(client, 3) == [trade(1), trade(2), trade(3)]


def test_the_replay_waits_for_all_its_clients(simulate: Simulate, recording: Recorder) -> None:
    simulator = simulate(replay=(recording(*map(trade, range(100))),), speed=0, clients=2)
    first = simulator.connect(TRADES)
    idle = simulator.connect("/stream")
    assert simulator.stats()["replay"]["position"] == 0
    idle.send('{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":1}')
    assert receive(idle, 1) == ['{"result":null,"id":1}']
    expected = [trade(number) for number in range(100)]
    assert receive(first, 100) == expected
    assert receive(idle, 100) == expected


def test_the_replay_pauses_without_subscribers(simulate: Simulate, recording: Recorder) -> None:
    simulator = simulate(replay=(recording(*map(trade, range(50))),), speed=1)
    client = simulator.connect(TRADES)
    got = receive(client, 10)
    client.close()
    simulator.until(lambda stats: not stats["connections"])
    paused = simulator.stats()["replay"]["position"]
    again = simulator.connect(TRADES)
    rest = receive(again, 50 - paused)
    log = simulator.log()
    assert rest == [trade(number) for number in range(paused, 50)]
    dropped = [line["raw"] for line in log if line.get("event") == "dropped"]
    assert sent(log, 1)[: len(got)] == got
    assert sent(log, 1) + dropped + sent(log, 2) == [trade(number) for number in range(50)]


def test_after_the_recording_ends_the_connection_stays_open_and_pinged(simulate: Simulate, recording: Recorder) -> None:
    simulator = simulate(replay=(recording(trade(1)),), speed=0, ping_interval_secs=0.05)
    client = simulator.connect(TRADES)
    receive(client, 1)
    simulator.until(lambda stats: stats["replay"]["finished"])
    assert client.recv_data(control_frame=True)[0] == websocket.ABNF.OPCODE_PING
    assert client.recv_data(control_frame=True)[0] == websocket.ABNF.OPCODE_PING


def test_a_looped_recording_starts_over(simulate: Simulate, recording: Recorder) -> None:
    simulator = simulate(replay=(recording(trade(1), trade(2)),), speed=0, loop=True)
    assert receive(simulator.connect(TRADES), 7) == [trade(1 + number % 2) for number in range(7)]
    stats = simulator.stats()["replay"]
    assert stats["rounds"] >= 3
    assert not stats["finished"]


def test_with_all_streams_every_client_gets_every_frame(simulate: Simulate, recording: Recorder) -> None:
    texts = ['{"channel":"trades"}', trade(1), "[1,2]"]
    simulator = simulate(replay=(recording(*texts),), speed=0, all_streams=True, clients=2)
    clients = [simulator.connect("/v2"), simulator.connect("/ws/v5/public")]
    for client in clients:
        for number in range(8):
            client.send(f'{{"op":"subscribe","n":{number}}}')
        assert receive(client, 3) == texts
    requests = [line["raw"] for line in simulator.log() if line.get("event") == "request"]
    assert len(requests) == 16


@pytest.mark.parametrize(("speed", "step_ms"), [(1, 10), (100, 1_000), (10_000, 100_000), (0, 100_000)])
def test_speed_is_a_multiple_of_the_recorded_pace(
    simulate: Simulate, recording: Recorder, speed: float, step_ms: int
) -> None:
    path = recording(*map(trade, range(51)), step_ms=step_ms)
    simulator = simulate(replay=(path,), speed=speed)
    started = time.monotonic()
    receive(simulator.connect(TRADES), 51)  # within its deadline: an hour and more at a hundredth of the pace
    recorded_secs = 50 * step_ms / 1_000
    assert not speed or time.monotonic() - started >= recorded_secs / speed


def test_a_raw_connection_gets_the_unwrapped_recorded_text(simulate: Simulate, recording: Recorder) -> None:
    client = simulate(replay=(recording(trade(1)),), speed=0).connect("/ws/btcusdt@trade")
    assert receive(client, 1) == ['{"e":"trade","t":1}']


def test_a_slow_client_gets_everything_and_slows_the_replay(simulate: Simulate, recording: Recorder) -> None:
    texts = [trade(number) + " " * 5_000 for number in range(5_000)]
    simulator = simulate(replay=(recording(*texts),), speed=0, clients=2)
    slow, fast = simulator.connect(TRADES), simulator.connect(TRADES)
    receive(fast, 500)
    assert simulator.stats()["replay"]["position"] < 5_000
    slow_got = receive(slow, 500)
    simulator.connect(TRADES).close()
    slow.close()
    assert slow_got == texts[:500]
    assert receive(fast, 4_500) == texts[500:]


def test_the_log_accounts_for_every_frame_when_stopped_early(simulate: Simulate, recording: Recorder) -> None:
    texts = [trade(number) + " " * 3_000 for number in range(3_000)]
    simulator = simulate(replay=(recording(*texts),), speed=0)
    client = simulator.connect(TRADES)
    receive(client, 100)
    position = simulator.stats()["replay"]["position"]
    simulator.request_stop()
    rest = receive_all(client)
    log = simulator.log()
    dropped = [line["raw"] for line in log if line.get("event") == "dropped"]
    assert len(rest) + 100 == len(sent(log))
    accounted = sent(log) + dropped
    assert accounted == texts[: len(accounted)]
    assert len(accounted) >= position
