"""The network that hosts of a test have: cables that can be pulled, between processes that do not notice but by silence."""

from pathlib import Path

from tests.whole.host_network import HostNetwork
from tests.whole.nats_nodes import Nodes
from tests.whole.running import wait_for

NAMES = ("n0", "n1", "n2")


def peers(nodes: Nodes, name: str) -> set[str]:
    """The nodes that it has routes to."""
    return {route["remote_name"] for route in (nodes[name].ask("routez") or {"routes": []})["routes"]}


def test_a_node_whose_cable_is_pulled_is_alone_until_it_is_plugged_in_again(tmp_path: Path) -> None:
    with HostNetwork(NAMES) as network:
        nodes = Nodes(tmp_path, {name: network.site(name) for name in NAMES})
        try:
            nodes.start()
            assert peers(nodes, "n1") == {"n0", "n2"}
            network.cut("n0")
            nodes["n0"].kill()  # nobody is told: its farewell has no way
            nodes["n0"].start()
            wait_for(lambda: nodes["n0"].ask("varz"))
            assert (peers(nodes, "n0"), peers(nodes, "n1")) == (set(), {"n0", "n2"})
            network.join("n0")
            wait_for(lambda: peers(nodes, "n0") == {"n1", "n2"})
        finally:
            nodes.end()
