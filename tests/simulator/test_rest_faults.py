"""Trouble with REST requests, over a real socket; and ids that a market never had."""

import json
import socket
import time
from collections.abc import Callable

import pytest
import websocket

from collector.simulator.fault import Fault
from tests.simulator.running import DEADLINE_SECS, Running, receive

Simulate = Callable[..., Running]
TRADES = "/stream?streams=btcusdt@trade"


def number_of(client: websocket.WebSocket) -> int:
    """The id of the next trade."""
    (text,) = receive(client, 1)
    number: int = json.loads(text)["data"]["t"]
    return number


@pytest.mark.parametrize("status", [403, 418, 429, 500, 503])
def test_a_fault_can_be_limited_to_a_path(simulate: Simulate, status: int) -> None:
    simulator = simulate(faults=(Fault("http", next=1, status=status, path="/depth"),))
    assert simulator.http("/api/v3/time")[0] == 200
    assert simulator.http("/api/v3/depth?symbol=BTCUSDT")[0] == status
    assert simulator.http("/api/v3/depth?symbol=BTCUSDT")[0] == 200


def test_a_request_can_hang_while_others_are_answered(simulate: Simulate) -> None:
    simulator = simulate(faults=(Fault("hang", next=1, path="/time"),))
    with socket.create_connection(("127.0.0.1", simulator.port), DEADLINE_SECS) as client:
        client.sendall(b"GET /api/v3/time HTTP/1.1\r\nHost: x\r\n\r\n")
        while simulator.http("/simulator/faults")[1]["faults"]:
            pass
        assert simulator.http("/api/v3/time")[0] == 200
        client.setblocking(False)
        with pytest.raises(BlockingIOError):
            client.recv(1)


def test_a_page_can_be_empty_and_a_book_stale(simulate: Simulate) -> None:
    simulator = simulate(faults=(Fault("empty", next=1), Fault("stale", next=1)))
    assert simulator.http("/api/v3/time")[0] == 200
    assert simulator.http("/api/v3/historicalTrades?symbol=BTCUSDT&fromId=1")[1] == []
    stale = simulator.http("/api/v3/depth?symbol=BTCUSDT")[1]["lastUpdateId"]
    deadline = time.monotonic() + DEADLINE_SECS
    while simulator.http("/api/v3/depth?symbol=BTCUSDT")[1]["lastUpdateId"] == stale:
        assert time.monotonic() < deadline


def test_a_hole_is_in_the_stream_and_over_rest(simulate: Simulate) -> None:
    simulator = simulate()
    client = simulator.connect(TRADES)
    ids = [number_of(client)]
    simulator.fault(kind="hole", now=True, ids=1000)
    ids.append(number_of(client))
    while ids[-1] == ids[-2] + 1:
        ids.append(number_of(client))
    assert ids[-1] == ids[-2] + 1001
    page = simulator.http(f"/api/v3/historicalTrades?symbol=BTCUSDT&fromId={ids[-2]}")[1]
    assert [trade["id"] for trade in page[:2]] == ids[-2:]
    assert simulator.http("/simulator/faults", {"kind": "hole"})[0] == 400
