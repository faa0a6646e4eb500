"""A recorder to which little comes hardly ever wakes: its processes wait for what wakes them, not for a clock."""

import time
from collections.abc import Callable, Iterator

import pytest

from tests.bench.bench_idle import Trickle, uses
from tests.bench.flood import symbols
from tests.whole.running import Exchange, Recorder, wait_for

STREAMS = 10
WINDOW_SECS = 3.0
WAKEUPS_PER_SEC = {"supervisor": 25, "ingest:binance": 40, "repair": 10, "writer": 25, "archiver": 10}
"""About twice what a quiet machine shows. Anything that polls fifty times a second is above it in every window."""


@pytest.fixture
def trickle() -> Iterator[Trickle]:
    """An exchange that sends one message a second on each stream."""
    made = Trickle(symbols(STREAMS), STREAMS)
    yield made
    made.hush()


def test_at_one_message_a_second_and_stream_no_process_polls(
    trickle: Trickle, exchange: Callable[..., Exchange], recorder: Callable[..., Recorder]
) -> None:
    feed = {"symbols": symbols(STREAMS), "data_types": ["trade"], "rest_url": exchange("--rate", "0.001").rest_url}
    recorded = recorder(trickle.ws_url, feed=feed, writer={}).start()
    recorded.wait_for_messages(1)
    pids = {process["name"]: process["pid"] for process in recorded.status()["processes"]}
    assert set(pids) == set(WAKEUPS_PER_SEC)
    before, started = uses(pids), time.monotonic()

    def is_at_rest() -> bool:
        """Whether every process woke rarely in the window that ends now."""
        nonlocal before, started
        secs = time.monotonic() - started
        if secs < WINDOW_SECS:
            return False
        after = uses(pids)
        rates = dict.fromkeys(pids, 0.0)
        for (name, thread), use in after.items():
            rates[name] += (use.wakeups - before.get((name, thread), use).wakeups) / secs
        before, started = after, time.monotonic()
        return all(rate <= WAKEUPS_PER_SEC[name] for name, rate in rates.items())

    wait_for(is_at_rest)
    assert recorded.stop() == 0
