"""Whatever two edges, their links to the storage host and the writer do: each message once, and each loss in the ledger."""

import heapq
import random
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final, NamedTuple

import pytest

from tests.processes.writer.source_world import SourceWorld
from tests.processes.writer.toy_exchange import NAME, Toy, at, frame, message

TYPES: Final = ("book_delta", "book_snapshot", "liquidation", "trade")
"""Ids that are dense, that rise, none, and in no order."""

SECS: Final = 700
EVERY_SECS: Final = 1
EDGES: Final = ("a", "b")


class Event(NamedTuple):
    """What an edge records."""

    second: float
    kind: str
    connection: int
    ids: tuple[int, ...] = ()
    alive: float | None = None


class Edge:
    """When an edge is connected to the exchange, and when to the storage host."""

    def __init__(self, name: str, chance: random.Random) -> None:
        self.name = name
        self.events = list(self._events(chance))
        # Until when what it records waits, from when on.
        cut = chance.uniform(30, 400)
        self.away = (cut, cut + chance.choice([0, 2, 15, 39, 45, 90, 250]))

    def arrives(self, event: Event) -> float:
        since, until = self.away
        return until if since < event.second < until else event.second

    def _events(self, chance: random.Random) -> Iterator[Event]:
        lag = chance.choice([0.0, 0.1, 0.45])
        opens, number, ingest = 0.0, 0, 1
        yield Event(0.0, "ingest", ingest)
        while opens < SECS:
            number += 1
            ends = opens + chance.choice([20, 60, 150, SECS])
            yield Event(opens, "connect", number)
            dead = ends - chance.choice([0, 0, 8, 25]) * (ends < SECS)
            for id_ in range(1, SECS):
                if opens <= id_ + lag < min(dead, SECS):
                    yield Event(id_ + lag, "frames", number, (id_,))
            if ends >= SECS:
                return
            next_ = ends + chance.choice([0.3, 2.5, 6.5, 30.5])
            if chance.random() < 0.3:
                ingest, number = ingest + 1, 0
                yield Event(next_ - 0.1, "ingest", ingest)
            else:
                yield Event(ends, "disconnect", number, alive=max(opens, dead))
            opens = next_

    def connected(self) -> list[tuple[float, float]]:
        """From when to when it would have brought a message."""
        frames = [event.second for event in self.events if event.kind == "frames"]
        found: list[tuple[float, float]] = []
        for before, after in pairwise([frames[0], *frames]):
            if not found or after - before > 1.5 * EVERY_SECS:
                found.append((after, after))
            found[-1] = (found[-1][0], after)
        return found


def in_order(edges: list[Edge]) -> Iterator[tuple[str, Event]]:
    """As the storage host gets them: each edge in its order, what waited all at once, the oldest first."""
    streams = [
        [(edge.arrives(event), event.second, edge.name, number, event) for number, event in enumerate(edge.events)]
        for edge in edges
    ]
    for *_, name, _, event in heapq.merge(*streams):
        yield name, event


def played(seed: int) -> tuple[SourceWorld, list[Edge]]:
    chance = random.Random(seed)
    exchange = Toy()
    world = SourceWorld(NAME, ("A",), TYPES, adapter_of=lambda _: exchange)
    edges = [Edge(name, chance) for name in EDGES]
    for name, event in in_order(edges):
        take(world, name, event)
        if chance.random() < 0.01:
            world.restart()
    for name in EDGES:
        world.quiet(name, at(SECS + 25))
    return world, edges


def take(world: SourceWorld, name: str, event: Event) -> None:
    at_us = at(event.second)
    match event.kind:
        case "ingest":
            world.ingest(name, f"{name}{event.connection}", at_us=at_us)
        case "connect":
            world.connect(name, event.connection, at_us)
        case "disconnect":
            world.disconnect(name, event.connection, at_us, alive_us=at(event.alive or 0.0))
        case _:
            for id_ in event.ids:
                frames = [frame(message(one, shown(one, id_), sent=at(id_), number=id_)) for one in TYPES]
                world.receive(name, at_us, frames, event.connection)


def shown(data_type: str, id_: int) -> int | None:
    return None if data_type == "liquidation" else id_ * 7_919 % 1_000_003 if data_type == "trade" else id_


def stored(world: SourceWorld) -> dict[str, list[int]]:
    world.commit()
    found: dict[str, list[int]] = {one: [] for one in TYPES}
    for payload in world.payloads:
        text = payload.decode()
        found[text.split('"t":"')[1].split('"')[0]].append(int(text.split('"number":')[1].rstrip("}")))
    return {one: sorted(ids) for one, ids in found.items()}


SEEDS: Final = range(12)


@pytest.mark.parametrize("seed", SEEDS)
def test_each_message_that_an_edge_received_is_stored_once_and_each_loss_is_in_the_ledger(seed: int) -> None:
    world, edges = played(seed)
    received = {id_ for edge in edges for event in edge.events for id_ in event.ids}
    assert stored(world) == dict.fromkeys(TYPES, sorted(received))
    lost = set(range(min(received), max(received))) - received
    latest = world.latest()
    holes = [gap for gap in latest if (gap.kind, gap.stream_type) == ("sequence", "book_delta")]
    assert sum(gap.missing or 0 for gap in holes) == len(lost)
    for data_type in TYPES[1:]:
        rows = [gap for gap in latest if (gap.kind, gap.stream_type) == ("silence", data_type)]
        assert_told(rows, lost, data_type)


def assert_told(rows: list[Any], lost: set[int], data_type: str) -> None:
    """Each lost message lies in a row, and each row of which nothing was covered has some that are lost."""
    missing = [row for row in rows if row.status != "repaired"]
    slack = at(1.5) - at(0)
    for id_ in lost:
        told = any(row.started_at - slack <= at(id_) <= (row.ended_at or at(SECS)) + slack for row in missing)
        assert told, (data_type, id_)
