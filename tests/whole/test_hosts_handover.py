"""Later programs take over from an edge and from the storage host: nothing is missing, nothing is there twice."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.whole.accounts import frames_sent, gaps_of, missing_frames
from tests.whole.cluster import Cluster, Host
from tests.whole.handing import Handed
from tests.whole.running import Exchange, wait_for

FEED = {"symbols": ["BTCUSDT", "ETHUSDT"], "data_types": ["trade", "agg_trade", "book_ticker"]}
LIVE = ("--symbols", "BTCUSDT,ETHUSDT", "--rate", "200", "--seed", "5")


@pytest.fixture
def handed() -> Iterator[Callable[[Host], Handed]]:
    with ExitStack() as stack:

        def of(host: Host) -> Handed:
            made = Handed(host.recorder)
            stack.callback(made.end)
            return made

        yield of


def seen(host: Handed) -> dict[str, tuple[str, bool, bool]]:
    """Role, health and life of every host, as this one shows it."""
    status: dict[str, Any] = wait_for(host.recorded.status)
    return {each["host"]: (each["role"], each["healthy"], each["alive"]) for each in status["cluster"]["hosts"]}


@pytest.mark.timeout(300)
def test_an_edge_and_the_storage_host_are_upgraded_without_a_hole_and_show_each_other(
    exchange: Callable[..., Exchange], handed: Callable[[Host], Handed], tmp_path: Path
) -> None:
    source = exchange(*LIVE)
    with Cluster(tmp_path, source, edges=("a",), feed=FEED, supervisor={"handover_min_secs": 1}) as cluster:
        edge, storage = handed(cluster.edges["a"]), handed(cluster.storage)
        for host in (storage, edge):
            before = host.pids()
            code, lines = host.hand_over()
            assert code == 0, lines
            after = host.pids()
            assert after.keys() == before.keys()
            assert not set(after.values()) & set(before.values()), "every process is another one"
            storage.goes_on()
            cluster.wait_until_taken()
        both = {"a": ("edge", True, True), "storage": ("storage", True, True)}
        for host in (edge, storage):
            wait_for(lambda host=host: seen(host) == both)  # type: ignore[misc]
        assert edge.stop() == 0
        wait_for(lambda: all(not each.pending for each in cluster.storage.relayed.sources))
        assert storage.stop() == 0
        source.stop()
        archive = cluster.storage.recorder.data_dir / "archive"
        assert missing_frames(frames_sent(source), archive) == []
        assert gaps_of(archive) == []
