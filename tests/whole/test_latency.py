"""The benchmark of latency measures every frame: a short run of `tests/bench/bench_latency.py`."""

from itertools import pairwise

import pytest

from tests.bench.bench_latency import QUANTILES, Latencies, bursts, finish, running


def check(measured: Latencies) -> None:
    """A frame is read, then in the journal, then durable; so it is for each quantile, and quantiles rise."""
    assert list(measured) == ["read", "journal", "durable"]
    assert all(list(quantiles) == list(QUANTILES) for quantiles in measured.values())
    for quantiles in measured.values():
        assert all(lower <= higher for lower, higher in pairwise(quantiles.values()))
    for before, after in pairwise(measured.values()):
        assert all(0 < before[name] < after[name] for name in QUANTILES)


@pytest.mark.parametrize("tls", [False, True])
def test_each_frame_sent_at_a_pace_is_measured(tls: bool) -> None:
    with running(tls=tls) as run:
        run.pace(400, 0.5)
        first = len(run.sender.sent_ns)
        run.pace(400, 0.5)
        finish(run)
        check(run.latencies(first))
        assert len(run.sender.sent_ns) == 2 * first == 400


def test_bursts_are_measured_while_processes_work_off_a_backlog() -> None:
    measured, shares = bursts(1.0, ["archiver", "writer"], backlog=3_000, frames=1_000)
    check(measured)
    assert set(shares) == {"supervisor", "ingest:binance", "writer", "archiver", "sender"}
