"""Several hosts whose processes are killed and stopped, every one of them, and every NATS node."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.whole.cluster import Cluster
from tests.whole.host_figures import ROUNDS, SEED, note, settled
from tests.whole.host_strikes import KINDS, Striker, strikes
from tests.whole.running import Exchange

FEED = {"symbols": ["BTCUSDT", "ETHUSDT"], "data_types": ["book_snapshot", "book_delta", "trade", "book_ticker"]}


@pytest.mark.timeout(600 * ROUNDS)
def test_strikes_at_every_process_of_every_host_lose_nothing_and_double_nothing(
    exchange: Callable[..., Exchange], tmp_path: Path
) -> None:
    source = exchange("--symbols", "BTCUSDT,ETHUSDT", "--rate", "100", "--seed", str(SEED))
    with Cluster(tmp_path, source, feed=FEED) as cluster:
        striker = Striker(cluster)
        planned = list(strikes(cluster, SEED, ROUNDS))
        for strike in planned:
            striker.carry_out(strike)
        settled("any process of any host, or a NATS node", cluster.goes_on, "what no edge received")
        cluster.goes_on()
        cluster.stop()
        found = cluster.outcome()
    done = {kind: sum(count for (_, _, how), count in striker.done.items() if how == kind) for kind in KINDS}
    told = {"missing": len(found.missing), "rows": len(found.gaps)}
    note("soak", seed=SEED, done=done, frames=found.frames, archived=found.archived, **told)
    assert striker.done.total() >= 0.8 * len(planned), "some are gone when their turn comes"
