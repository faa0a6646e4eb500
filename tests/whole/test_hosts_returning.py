"""An edge that was away for an hour comes back with its journal: nothing is doubled, and what it alone has is kept."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from collector.simulator.frames import combined, payload
from collector.simulator.market import Market
from collector.storage.journal.format import FeedIdentity, RecordKind
from collector.storage.journal.writer import JournalWriter
from tests.whole.accounts import gaps_of, rows_of
from tests.whole.cluster import DATA_TYPES, Cluster
from tests.whole.cluster import FEED as NAME
from tests.whole.running import Exchange, wait_for

SYMBOL: Final = "BTCUSDT"
TYPES: Final = ("book_snapshot", "book_delta", "trade", "book_ticker")
"""Updates and trades have dense ids; of snapshots and best prices the ids only rise."""
CHANNELS: Final = ("@depth20@100ms", "@depth@100ms", "@trade", "@bookTicker")
HOUR_SECS: Final = 3_600
MINUTE_SECS: Final = 60
NEVER: Final = range(0)


class Second(NamedTuple):
    """What the market said in one second of the hour."""

    at_ns: int
    frames: list[bytes]


def market_hour(ended_at: float) -> Iterator[Second]:
    """A seeded market, second by second, that ends at that time."""
    market = Market(SYMBOL, 7)
    for second in range(HOUR_SECS):
        at_ns = int((ended_at - HOUR_SECS + second) * 1e9)
        messages = [one for one in market.step(at_ns // 1_000_000, 2) if one.stream.endswith(CHANNELS)]
        yield Second(at_ns, [payload(combined(*one).wire) for one in messages])


def write_journal(data_dir: Path, number: int, seconds: list[Second], outage: range) -> list[bytes]:
    """A journal file of these seconds by an edge whose connection was lost for those of `outage`; returns its frames."""
    folder, identity = data_dir / "journal" / NAME, FeedIdentity(NAME, "binance", (SYMBOL,), TYPES)
    times_ns = [seconds[0].at_ns]
    journal = JournalWriter(folder, identity, number, 64 << 20, lambda: times_ns[-1])
    received = []
    connection = 1
    tell(journal, RecordKind.CONNECT, seconds[0].at_ns, connection)
    for index, second in enumerate(seconds):
        times_ns.append(second.at_ns + 2)
        if outage and index == outage.start:
            tell(journal, RecordKind.DISCONNECT, second.at_ns, connection)
        if outage and index == outage.stop:
            connection += 1
            tell(journal, RecordKind.CONNECT, second.at_ns, connection)
        if index not in outage:
            journal.append_frames(second.at_ns + 1, 0, second.frames, connection=connection)
            received += second.frames
    journal.append_close()
    journal.close()
    return received


def tell(journal: JournalWriter, kind: RecordKind, at_ns: int, connection: int) -> None:
    """Note that a connection has opened or is lost."""
    about = {
        "connection": connection,
        "plan": 0,
        "url": "ws://x",
        "streams": 4,
        "cause": "disconnect",
        "reason": "lost",
    }
    journal.append_event(kind, at_ns, 0, about)


def test_an_edge_that_returns_after_an_hour_doubles_nothing_and_fills_what_the_other_missed(
    exchange: Callable[..., Exchange], tmp_path: Path
) -> None:
    hour = list(market_hour(time.time() - 10))
    before, away = hour[:MINUTE_SECS], hour[MINUTE_SECS:]
    silent = exchange("--fault", "handshake=1,status=503")
    cluster = Cluster(tmp_path, silent, feed={"symbols": [SYMBOL], "data_types": list(TYPES)})
    stays, leaves = cluster.edges["a"], cluster.edges["b"]
    in_time = write_journal(stays.recorder.data_dir, 1, before, NEVER)
    write_journal(leaves.recorder.data_dir, 1, before, NEVER)
    with cluster:
        wait_for(lambda: cluster.storage.stored >= len(in_time))
        for edge in (leaves, stays):
            edge.kill()
        in_time += write_journal(stays.recorder.data_dir, 100, away, minutes(20, 21))
        stays.start()
        wait_for(lambda: cluster.storage.stored >= len(in_time))
        late = write_journal(leaves.recorder.data_dir, 100, away, minutes(40, 41))
        leaves.start()
        wait_for(lambda: cluster.storage.stored >= sum(len(second.frames) for second in hour))
        wait_for(lambda: leaves.published.lag_secs == 0)
        cluster.stop()
    archive = cluster.storage.recorder.data_dir / "archive"
    kept = Counter(row["raw"] for data_type in DATA_TYPES for row in rows_of(archive, data_type))
    assert set(late) - set(in_time), "the other has nothing of its own: the test shows too little"
    assert kept == Counter({frame.decode(): 1 for second in hour for frame in second.frames})
    away_at = away[MINUTE_SECS].at_ns / 1e9
    of_the_hour = [gap for gap in gaps_of(archive) if gap["started_at"].timestamp() > away_at]
    assert of_the_hour, "what one missed is in the ledger before the other brings it"
    assert {gap["status"] for gap in of_the_hour} == {"repaired"}


def minutes(first: int, after: int) -> range:
    """Their seconds."""
    return range(first * MINUTE_SECS, after * MINUTE_SECS)
