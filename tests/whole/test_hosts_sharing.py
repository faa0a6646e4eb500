"""Symbols shared out over edges: one dies, one is stopped, NATS has no quorum, one is added; and no symbol is forgotten."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from collector.reports import ClusterReport
from tests.whole.cluster import Cluster, Host
from tests.whole.host_figures import note
from tests.whole.host_strikes import passed
from tests.whole.running import Exchange, wait_for

SYMBOLS = tuple(f"S{number}USDT" for number in range(8))
FEED = {"symbols": list(SYMBOLS), "data_types": ["book_delta"]}
SLACK_SECS = 1.0
SHARE = {"copies": 1, "heartbeat_secs": 0.5, "dead_secs": 2}


def connections(source: Exchange) -> Counter[str]:
    """Over how many connections the exchange sends each symbol now."""
    found = [one["streams"] for one in source.stats()["connections"]]
    return Counter(symbol for streams in found for symbol in {name.partition("@")[0].upper() for name in streams})


def each_once(source: Exchange) -> bool:
    """Whether exactly one edge receives each symbol."""
    return connections(source) == Counter(SYMBOLS)


def about(host: Host) -> ClusterReport:
    """What it knows of the others."""
    return host.report("cluster") or ClusterReport()


def wait_until_shared(cluster: Cluster, *edges: str) -> None:
    """Wait until these edges say from now on that they know each other, and each symbol is received once."""
    began_us = time.time_ns() // 1_000

    def know_each_other() -> bool:
        told = [about(cluster.edges[name]) for name in edges]
        return all(one.updated_us > began_us and set(one.members) == set(edges) for one in told)

    wait_for(know_each_other)
    wait_for(lambda: each_once(cluster.source))


def test_symbols_go_to_edges_that_live_and_no_gap_is_longer_than_that_takes(
    exchange: Callable[..., Exchange], tmp_path: Path
) -> None:
    source = exchange("--symbols", ",".join(SYMBOLS), "--rate", "40", "--seed", "5")
    with Cluster(tmp_path, source, feed=FEED, share=SHARE) as cluster:
        wait_until_shared(cluster, "a", "b")
        uncovered = [struck(cluster, cluster.edges["a"].kill)]
        cluster.edges["a"].start()
        wait_until_shared(cluster, "a", "b")
        uncovered.append(struck(cluster, cluster.edges["b"].recorder.stop))
        cluster.edges["b"].start()
        wait_until_shared(cluster, "a", "b")
        without_quorum_nobody_moves(cluster)
        cluster.add_edge("c")
        wait_until_shared(cluster, "a", "b", "c")
        cluster.goes_on()
        cluster.stop()
        found = cluster.outcome()
    note("sharing", uncovered_secs=[round(end - start, 1) for start, end in uncovered], rows=len(found.gaps))
    assert found.gaps, "the symbols of a killed edge are missed until another has them"
    assert [gap for gap in found.gaps if not any(is_within(gap, window) for window in uncovered)] == []


def struck(cluster: Cluster, strike: Callable[[], object]) -> tuple[float, float]:
    """Take an edge away; from when until when some symbols were received by nobody."""
    began, before = time.time(), whose_symbols(cluster.source).keys()
    strike()
    wait_for(lambda: whose_symbols(cluster.source).keys() != before and each_once(cluster.source))
    return began, time.time()


def is_within(gap: dict[str, Any], window: tuple[float, float]) -> bool:
    """Whether the gap lies there; a book comes ten times a second."""
    start, end = (gap[name].timestamp() for name in ("started_at", "ended_at"))
    return bool(window[0] - SLACK_SECS <= start and end <= window[1] + SLACK_SECS)


def without_quorum_nobody_moves(cluster: Cluster) -> None:
    """Kill most nodes, and start them again."""
    edges = cluster.edges.values()
    whose, changes = whose_symbols(cluster.source), [about(edge).changes for edge in edges]
    for name in ("n1", "n2"):
        cluster.node(name).kill()
    wait_for(lambda: not any(about(edge).has_quorum for edge in edges))
    passed(cluster.sent, 200)
    assert whose_symbols(cluster.source) == whose
    assert [about(edge).changes for edge in edges] == changes
    for name in ("n1", "n2"):
        cluster.node(name).start(wait=False)
    wait_for(lambda: all(about(edge).has_quorum for edge in edges))


def whose_symbols(source: Exchange) -> dict[int, set[str]]:
    """The symbols of each connection."""
    return {one["number"]: set(one["streams"]) for one in source.stats()["connections"]}
