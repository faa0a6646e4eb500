"""A journal that comes from one edge alone gives the same rows, gaps and counts as the journal of an ingest on this host."""

from typing import Any, Final

import pytest

from collector.exchanges.registry import adapter
from collector.storage.journal.format import RecordKind, encode_event, encode_frames
from tests.conftest import Lines
from tests.exchanges.recorded_markets import MARKETS, Recording, recording
from tests.processes.writer.source_world import SourceWorld
from tests.processes.writer.writer_harness import connection

FRAMES: Final = 600
EXCHANGES: Final = ("binance_usdm", "bitfinex", "coinbase_advanced", "hyperliquid", "kraken")
"""Ids that chain, numbered frames and decoders with a memory, frames numbered by the exchange, no ids, checksums of books."""

PLAYED: Final = [next(market for market in MARKETS if market.exchange == exchange) for exchange in EXCHANGES]


@pytest.fixture(params=PLAYED, ids=str)
def played(request: pytest.FixtureRequest, recorded: Lines) -> Recording:
    return recording(request.param, recorded)


def pieces_of(played: Recording) -> list[list[bytes]]:
    """Two connections one after the other, with a pause between; now and then a frame is lost."""
    frames = played.frames[:FRAMES]
    plans = range(len(played.market.adapter.shares(played.subscription)))
    made, half = [], len(frames) // 2
    for number, part in enumerate((frames[:half], frames[half:])):
        later_ns, ids = number * 5_000_000_000, [number * len(plans) + plan + 1 for plan in plans]
        at_ns = part[0].at_us * 1_000 + later_ns
        for id_, plan in zip(ids, plans, strict=True):
            made.append(encode_event(RecordKind.CONNECT, at_ns, 0, connection(id_, plan=plan)))
        for index, (at_us, frame) in enumerate(part):
            if index % 97 != 96:
                made.append(encode_frames(at_us * 1_000 + later_ns, 0, [frame], (), ids[0]))
        ended_ns = part[-1].at_us * 1_000 + later_ns + 1_000
        for id_, plan in zip(ids, plans, strict=True):
            about = {"connection": id_, "plan": plan, "cause": "disconnect", "reason": "lost"}
            made.append(encode_event(RecordKind.DISCONNECT, ended_ns, 0, about))
    return made


def outcome(played: Recording, edge: str | None) -> Any:
    market = played.market
    world = SourceWorld(market.exchange, *played.subscription, adapter_of=adapter)
    world.ingest(edge, "ingest")
    for number, pieces in enumerate(pieces_of(played)):
        world.take(edge, pieces)
        if number % 200 == 150:
            world.restart()
    world.processor.ledger.close(played.frames[:FRAMES][-1].at_us + 20_000_000)
    gaps = world.latest()
    counts = world.processor.counts
    told = counts.messages, counts.duplicates, counts.late, counts.undecodable, counts.unasked, counts.frame_holes
    return world.rows, sorted(gap.gap_id + str(gap[1:]) for gap in gaps), told, world.requests


def test_one_edge_alone_gives_what_an_ingest_on_this_host_gives(played: Recording) -> None:
    for found, expected in zip(outcome(played, "a"), outcome(played, None), strict=True):
        assert found == expected
