"""What NATS keeps is lost, a stream is full, and a node has no room on its disk."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.whole.cluster import FEED as NAME
from tests.whole.cluster import Cluster
from tests.whole.disks import SmallDisk
from tests.whole.host_figures import settled
from tests.whole.host_strikes import passed
from tests.whole.running import Exchange, wait_for

FEED = {"symbols": ["BTCUSDT", "ETHUSDT"], "data_types": ["book_delta", "trade", "book_ticker"]}
PENDING_FRAMES = 4_000
LIVE = ("--symbols", "BTCUSDT,ETHUSDT", "--rate", "1000", "--seed", "5")
SMALL_STREAM = {"stream_max_bytes": 1 << 20}
SMALL_SLICES = {"linger_secs": 0.005}
"""They take much room for what they bring."""
PATIENT = {"hang_timeout_secs": 600}
"""Whoever is stopped by the test is not taken for dead."""
NODE_BYTES = 48 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    disk = SmallDisk(tmp_path / "small", NODE_BYTES)
    yield disk
    disk.unmount()


def test_stores_that_are_lost_or_full_cost_nothing(
    small_disk: SmallDisk, exchange: Callable[..., Exchange], tmp_path: Path
) -> None:
    source = exchange(*LIVE)
    cluster = Cluster(tmp_path, source, feed=FEED, nats=SMALL_STREAM, edge=SMALL_SLICES, supervisor=PATIENT)
    crowded = cluster.node("n2")
    crowded.store, crowded.jetstream = small_disk.folder, "max_file_store: 4GB"
    with cluster:
        relay = cluster.storage.recorder.pid_of(f"relay:{NAME}")

        os.kill(relay, signal.SIGSTOP)
        wait_for(lambda: any(edge.published.failures for edge in cluster.edges.values()))
        os.kill(relay, signal.SIGCONT)
        settled("room in NATS, with storage away", cluster.goes_on)

        os.kill(relay, signal.SIGSTOP)
        passed(cluster.sent, PENDING_FRAMES)
        cluster.nodes.kill()
        cluster.nodes.delete_stores()
        cluster.start_nodes()
        os.kill(relay, signal.SIGCONT)
        settled("the stores of all NATS nodes", cluster.goes_on)
        wait_for(lambda: any(edge.published.rewinds for edge in cluster.edges.values()))

        small_disk.fill()
        wait_for(lambda: crowded.asked("healthz").get("status") != "ok")
        passed(cluster.sent, PENDING_FRAMES)
        settled("room on one NATS node's disk", cluster.goes_on)
        small_disk.clear()
        crowded.kill()
        crowded.start(wait=False)
        cluster.goes_on()
        cluster.stop()
        found = cluster.outcome()
    assert (found.missing, found.gaps) == ([], [])
