"""The network or the exchange stalls without a word: it is noticed in time, and the ledger says exactly what is missing."""

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from tests.whole.holes import Stream, missing, require_exact_ledger
from tests.whole.networks import DroppingNetwork, with_hosts
from tests.whole.running import Exchange, Recorder, wait_for

NAME = "exchange.test"
FEED = {"symbols": ["BTCUSDT"], "data_types": ["book_snapshot", "book_delta", "trade"]}
TRADES = Stream("BTCUSDT", "trade")
ARGUMENTS = ("--symbols", "BTCUSDT", "--rate", "100", "--seed", "3")


@pytest.fixture
def network() -> Iterator[DroppingNetwork]:
    with DroppingNetwork(addresses=2) as network:
        yield network


@pytest.fixture
def far(network: DroppingNetwork, tmp_path: Path) -> Iterator[Exchange]:
    """An exchange at the far end of the network, at all its addresses."""
    exchange = Exchange(tmp_path, "--host", "0.0.0.0", *ARGUMENTS, within=network.within)
    yield exchange
    exchange.stop()


def test_dropped_packets_cost_no_more_than_the_time_to_notice(
    network: DroppingNetwork, far: Exchange, recorder: Callable[..., Recorder], tmp_path: Path
) -> None:
    hosts = "".join(f"{address} {NAME}\n" for address in network.addresses) + "127.0.0.1 localhost\n"
    within = with_hosts(tmp_path / "hosts", hosts)
    port = urlsplit(far.ws_url).port
    recorded = recorder(f"ws://{NAME}:{port}", feed=FEED, ingest={"stale_timeout_secs": 16})
    recorded.program = [*within, *recorded.program]
    recorded.start().wait_for_messages(100)
    (address,) = remote_addresses(recorded, port)
    network.drop(address)
    wait_for(lambda: recorded.logged("disconnected"))
    (ended,) = recorded.logged("disconnected")
    recorded.wait_for_messages(recorded.messages() + 100)
    assert remote_addresses(recorded, port) == set(network.addresses) - {address}
    assert recorded.stop() == 0

    assert (ended["connection"], ended["reason"]) == (1, "silent")
    assert len(recorded.logged("connected")) == 2
    (silence,) = [row for row in recorded.table("gap") if row["kind"] == "silence"]
    assert silence["stream_type"] == "book_snapshot"
    assert 8 <= (silence["ended_at"] - silence["started_at"]).total_seconds() < 16
    require_exact_ledger(recorded)
    assert missing(recorded)[TRADES], "trades of the time that it took to notice are missing"


def test_packets_dropped_for_some_seconds_leave_an_exact_ledger(
    network: DroppingNetwork, far: Exchange, recorder: Callable[..., Recorder]
) -> None:
    address, port = network.addresses[0], urlsplit(far.ws_url).port
    recorded = recorder(f"ws://{address}:{port}", feed=FEED, ingest={"stale_timeout_secs": 6}).start()
    recorded.wait_for_messages(100)
    network.drop(address)
    wait_for(lambda: recorded.logged("connection_unanswering"))
    network.carry(address)
    recorded.wait_for_messages(recorded.messages() + 300)
    assert recorded.stop() == 0

    require_exact_ledger(recorded)


def test_a_socket_that_stalls_again_and_again_leaves_an_exact_ledger(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange(*ARGUMENTS)
    recorded = recorder(source.ws_url, feed=FEED, ingest={"stale_timeout_secs": 4}).start()
    for number in range(1, 4):
        recorded.wait_for_messages(recorded.messages() + 100)
        source.fault(kind="stall", now=True, connection=number)
        wait_for(lambda: len(recorded.logged("disconnected")) >= number)  # noqa: B023 -- asked at once
    recorded.wait_for_messages(recorded.messages() + 100)
    assert recorded.stop() == 0

    require_exact_ledger(recorded)
    assert len(missing(recorded)[TRADES]) == 3


def test_forced_cuts_leave_an_exact_ledger(
    exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    source = exchange(*ARGUMENTS)
    recorded = recorder(source.ws_url, feed=FEED).start()
    for number in range(1, 6):
        recorded.wait_for_messages(recorded.messages() + 50)
        source.fault(kind="disconnect", now=True, connection=number)
        wait_for(lambda: source.stats()["connections_total"] > number)  # noqa: B023 -- asked at once
    recorded.wait_for_messages(recorded.messages() + 50)
    assert recorded.stop() == 0

    require_exact_ledger(recorded)


def remote_addresses(recorded: Recorder, port: int | None) -> set[str]:
    """Where its connections to the exchange lead."""
    connections = psutil.Process(recorded.pid_of("ingest:binance")).net_connections()
    return {one.raddr.ip for one in connections if one.raddr and one.raddr.port == port and one.status == "ESTABLISHED"}
