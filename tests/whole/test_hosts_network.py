"""Cuts of the network between hosts: of an edge, of storage, of a node, of all, again and again, and of all of NATS."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.whole.cluster import NODES, STORAGE, Cluster
from tests.whole.host_figures import LONG, settled
from tests.whole.host_network import HostNetwork
from tests.whole.host_strikes import passed
from tests.whole.running import Exchange

CUT_FRAMES = 12_000 if LONG else 1_000
"""At some 800 a second, to both edges together."""
AWAY_FRAMES = 480_000 if LONG else 3_000
FLAPS = 8
CUTS = {
    "the network of an edge": ["a"],
    "the network of the storage host": [STORAGE],
    "the network of one NATS node": ["n2"],
    "the network of everybody at once": [*NODES, STORAGE, "a", "b"],
}
FEED = {"symbols": ["BTCUSDT", "ETHUSDT"], "data_types": ["book_delta", "trade", "book_ticker"]}


@pytest.fixture
def network() -> Iterator[HostNetwork]:
    with HostNetwork([*NODES, STORAGE, "a", "b"]) as network:
        yield network


@pytest.mark.timeout(3_600 if LONG else 600)
def test_no_cut_of_the_network_loses_or_doubles_a_frame_or_lets_the_exchange_wait(
    network: HostNetwork, exchange: Callable[..., Exchange], tmp_path: Path
) -> None:
    source = exchange("--host", "0.0.0.0", "--symbols", "BTCUSDT,ETHUSDT", "--rate", "200", "--seed", "5")
    with Cluster(tmp_path, source, feed=FEED, network=network) as cluster:
        for part, names in CUTS.items():
            network.cut(*names)
            passed(cluster.sent, CUT_FRAMES)
            network.join(*names)
            settled(part, cluster.goes_on)
        for _ in range(FLAPS):
            network.cut("a")
            passed(cluster.sent, CUT_FRAMES // FLAPS)
            network.join("a")
            passed(cluster.sent, CUT_FRAMES // FLAPS)
        settled("the network of an edge, again and again", cluster.goes_on)
        cluster.nodes.kill()
        passed(cluster.sent, AWAY_FRAMES)
        cluster.start_nodes()
        settled("all NATS nodes", cluster.goes_on)
        cluster.goes_on()
        stalls = source.stats()["send_stalls"]
        cluster.stop()
        found = cluster.outcome()
    assert stalls["count"] == 0, stalls
    assert (found.missing, found.gaps) == ([], [])
