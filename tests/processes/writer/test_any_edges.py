"""Whatever two edges, their links to the storage host and the writer do: each message once, and each loss in the ledger."""

import heapq
import random
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import pytest

from collector.domain.records import Gap
from collector.storage.journal.format import PlanShare
from tests.processes.writer.source_world import SourceWorld
from tests.processes.writer.toy_exchange import NAME, Toy, at, frame, message

TYPES: Final = ("book_delta", "book_snapshot", "liquidation", "trade")
"""Ids that are dense, that rise, none, and in no order."""

SECS: Final = 700
EDGES: Final = ("a", "b")


class Event(NamedTuple):
    """What an edge records."""

    second: float
    kind: str
    connection: int
    id: int = 0
    alive: float | None = None
    line: int = 0


class Edge:
    """When an edge is connected to the exchange, and when to the storage host. It has one line or two, and one symbol or two."""

    def __init__(self, name: str, chance: random.Random) -> None:
        self.name = name
        self.symbols = chance.choice([("A",), ("A",), ("A", "B")])
        lines = chance.choice([1, 1, 2])
        found = [event for line in range(lines) for event in self._events(chance, line, restarts=lines == 1)]
        self.events = sorted(found, key=lambda event: event.second)
        # Until when what it records waits, from when on.
        cut = chance.uniform(30, 400)
        self.away = (cut, cut + chance.choice([0, 2, 15, 39, 45, 90, 250]))

    def arrives(self, event: Event) -> float:
        since, until = self.away
        return until if since < event.second < until else event.second

    def received(self, symbol: str) -> set[int]:
        """The numbers of the messages that it received."""
        return {event.id for event in self.events if event.kind == "frames" and symbol in self.symbols}

    def _events(self, chance: random.Random, line: int, *, restarts: bool) -> Iterator[Event]:
        lag = chance.choice([0.0, 0.1, 0.45])
        opens, number, ingest = 0.0, line, 1
        if not line:
            yield Event(0.0, "ingest", ingest)
        while opens < SECS:
            number += 2
            ends = opens + chance.choice([20, 60, 150, SECS])
            yield Event(opens, "connect", number, line=line)
            dead = ends - chance.choice([0, 0, 8, 25]) * (ends < SECS)
            for id_ in range(1, SECS):
                if opens <= id_ and id_ + lag < min(dead, SECS):
                    yield Event(id_ + lag, "frames", number, id_, line=line)
            if ends >= SECS:
                return
            next_ = ends + chance.choice([0.31, 2.53, 6.57, 30.51])
            if restarts and chance.random() < 0.3:
                ingest, number = ingest + 1, line
                yield Event(next_ - 0.1, "ingest", ingest)
            else:
                yield Event(ends, "disconnect", number, alive=max(opens, dead), line=line)
            opens = next_


def in_order(edges: list[Edge]) -> Iterator[tuple[str, Event]]:
    """As the storage host gets them: each edge in its order, what waited all at once, the oldest first."""
    streams = [
        [(edge.arrives(event), event.second, edge.name, number, event) for number, event in enumerate(edge.events)]
        for edge in edges
    ]
    for *_, name, _, event in heapq.merge(*streams):
        yield name, event


def played(seed: int, ahead_secs: tuple[int, ...] = ()) -> tuple[SourceWorld, list[Edge]]:
    """What comes of two edges, whose clocks are so far ahead."""
    chance = random.Random(seed)
    exchange = Toy()
    world = SourceWorld(NAME, ("A", "B"), TYPES, adapter_of=lambda _: exchange)
    world.ahead_secs.update(zip(EDGES, ahead_secs, strict=False))
    edges = [Edge(name, chance) for name in EDGES]
    by_name = {edge.name: edge for edge in edges}
    for name, event in in_order(edges):
        take(world, by_name[name], event)
        if chance.random() < 0.01:
            world.restart()
    for name in EDGES:
        world.quiet(name, at(SECS + 25))
    return world, edges


def take(world: SourceWorld, edge: Edge, event: Event) -> None:
    name, at_us, number, line = edge.name, at(event.second), event.connection, event.line
    match event.kind:
        case "ingest":
            world.ingest(name, f"{name}{number}", (PlanShare(0, edge.symbols, TYPES),), at_us=at_us)
        case "connect":
            world.connect(name, number, at_us, line=line)
        case "disconnect":
            world.disconnect(name, number, at_us, alive_us=at(event.alive or 0.0), line=line)
        case _:
            frames = [frame(sent(symbol, one, event.id)) for symbol in edge.symbols for one in TYPES]
            world.receive(name, at_us, frames, number, line)


def sent(symbol: str, data_type: str, id_: int) -> dict[str, Any]:
    """The message of a type that the exchange sends in this second."""
    shown = None if data_type == "liquidation" else id_ * 7_919 % 1_000_003 if data_type == "trade" else id_
    return message(data_type, shown, symbol=symbol, sent=at(id_), number=id_)


def stored(world: SourceWorld, symbol: str) -> dict[str, list[int]]:
    world.commit()
    found: dict[str, list[int]] = {one: [] for one in TYPES}
    for text in map(bytes.decode, world.payloads):
        if f'"s":"{symbol}"' in text:
            found[text.split('"t":"')[1].split('"')[0]].append(int(text.split('"number":')[1].rstrip("}")))
    return {one: sorted(ids) for one, ids in found.items()}


SEEDS: Final = range(6)


@pytest.mark.parametrize("seed", SEEDS)
def test_each_message_that_an_edge_received_is_stored_once_and_each_loss_is_in_the_ledger(seed: int) -> None:
    assert_all_is_told(*played(seed))


@pytest.mark.parametrize("seed", range(3))
def test_an_edge_ten_minutes_ahead_and_one_ten_minutes_behind_lose_and_double_nothing(seed: int) -> None:
    world, edges = played(seed, (600, -600))
    assert_all_is_told(world, edges)
    ahead_secs = {0: 600, 16: -600}
    assert all(at(0) <= row[4] - ahead_secs[row[6] & ~15] * 1_000_000 <= at(SECS) for row in world.rows)


def assert_all_is_told(world: SourceWorld, edges: list[Edge]) -> None:
    """Each message that an edge received is stored once, and each loss is in the ledger."""
    latest = world.latest_of()
    for symbol in "AB":
        received = set[int]().union(*(edge.received(symbol) for edge in edges))
        assert stored(world, symbol) == dict.fromkeys(TYPES, sorted(received))
        lost = set(range(min(received, default=0), max(received, default=0))) - received
        gaps = [gap for place, gap in latest if place == symbol]
        holes = [gap for gap in gaps if (gap.kind, gap.stream_type) == ("sequence", "book_delta")]
        assert sum(gap.missing or 0 for gap in holes) == len(lost)
        for data_type in TYPES[1:]:
            assert_told([gap for gap in gaps if (gap.kind, gap.stream_type) == ("silence", data_type)], lost)


def assert_told(rows: list[Gap], lost: set[int]) -> None:
    """Each lost message lies in a row that is not repaired."""
    missing = [(row.started_at, row.ended_at or at(SECS)) for row in rows if row.status != "repaired"]
    slack_us = at(1.5) - at(0)
    for id_ in lost:
        assert any(since - slack_us <= at(id_) <= until + slack_us for since, until in missing), id_
