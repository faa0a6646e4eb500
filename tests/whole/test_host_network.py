"""The network that hosts of a test have: cables that can be pulled, between processes that do not notice but by silence."""

from pathlib import Path

from tests.bus.servers import NatsCluster, NatsServer
from tests.whole.host_network import HostNetwork
from tests.whole.running import wait_for

NAMES = ("n0", "n1", "n2")


def peers(node: NatsServer) -> set[str]:
    """The nodes that it has routes to."""
    return {route["remote_name"] for route in node.asked("routez").get("routes", [])}


def test_a_node_whose_cable_is_pulled_is_alone_until_it_is_plugged_in_again(tmp_path: Path) -> None:
    with HostNetwork(NAMES) as network:
        nodes = NatsCluster(tmp_path, [network.site(name) for name in NAMES])
        try:
            first, second, _ = nodes.start()
            assert peers(second) == {"n0", "n2"}
            network.cut("n0")
            first.kill()  # nobody is told: its farewell has no way
            first.start(wait=False)
            wait_for(lambda: first.asked("varz"))
            assert (peers(first), peers(second)) == (set(), {"n0", "n2"})
            network.join("n0")
            wait_for(lambda: peers(first) == {"n1", "n2"})
        finally:
            nodes.remove()
