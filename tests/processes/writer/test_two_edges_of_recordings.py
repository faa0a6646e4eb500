"""Of each exchange's recording, two edges that lose frames bring together what one ingest would have brought of both."""

import random
from collections import Counter
from typing import Any, Final

import pytest

from collector.storage.journal.format import PlanShare, RecordKind, encode_event, encode_frames
from tests.conftest import Lines
from tests.exchanges.recorded_markets import MARKETS, Received, RecordedMarket, Recording, recording
from tests.processes.writer.source_world import SourceWorld
from tests.processes.writer.writer_harness import connection

FRAMES: Final = 300
WHOLE: Final = 60
"""The first frames, which say what channels there are, come to both."""

LAG_US: Final = 30_000
"""How far one edge is behind the other."""

Arrival = tuple[int, str | None, list[bytes]]


def connected(played: Recording, edge: str | None) -> list[Arrival]:
    at_us = played.frames[0].at_us - 1
    return [(at_us, edge, encode_event(RecordKind.CONNECT, at_us * 1_000, 0, connection(1)))]


def brought(frames: list[Received], edge: str | None, lag_us: int) -> list[Arrival]:
    return [(at_us + lag_us, edge, encode_frames((at_us + lag_us) * 1_000, 0, [text], (), 1)) for at_us, text in frames]


def stored(played: Recording, arrivals: list[Arrival]) -> Counter[Any]:
    """The messages of each stream."""
    world = SourceWorld(played.market.exchange, *played.subscription)
    for edge in dict.fromkeys(edge for _, edge, _ in arrivals):
        world.ingest(edge, f"ingest {edge}", (PlanShare(0, *played.subscription),))
    for number, (_, edge, pieces) in enumerate(sorted(arrivals, key=lambda arrival: arrival[0])):
        world.take(edge, pieces)
        if number % 500 == 499:
            world.restart()
    world.commit()
    keys = {stream.stream_id: stream.key for stream in world.streams}
    return Counter((*keys[row[1]], row[-1]) for row in world.rows)


@pytest.mark.parametrize("market", MARKETS, ids=str)
def test_two_edges_bring_what_one_ingest_would_have_brought(market: RecordedMarket, recorded: Lines) -> None:
    played, chance = recording(market, recorded), random.Random(7)
    frames = played.frames[:FRAMES]
    lost = [{index for index in range(WHOLE, len(frames)) if chance.random() < 0.03} for _ in "ab"]
    arrivals, union = list[Arrival](), [one for index, one in enumerate(frames) if index not in lost[0] & lost[1]]
    for edge, missed, lag_us in zip("ab", lost, (0, LAG_US), strict=True):
        arrivals += connected(played, edge)
        arrivals += brought([one for index, one in enumerate(frames) if index not in missed], edge, lag_us)
    found = stored(played, arrivals)
    expected = stored(played, [*connected(played, None), *brought(union, None, 0)])
    assert found.keys() == expected.keys()
    # Each connection begins with a whole book of each stream, which is no copy.
    doubled = Counter(one[:3] for one in (found - expected).elements())
    assert {data_type for _, _, data_type in doubled} <= {"book_delta", "book_snapshot"}
    assert max(doubled.values(), default=1) == 1
