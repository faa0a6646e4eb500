"""What an ingest leaves open that is killed beside another: its connections end with its newest record."""

from pathlib import Path
from typing import Any

import pytest

from collector.storage.journal.format import FeedIdentity, RecordKind
from collector.storage.journal.writer import JournalWriter
from tests.processes.writer.writer_harness import START_NS, SYMBOLS, World, book, connection
from tests.storage.journal.dead_journals import let_go

SEC_NS = 1_000_000_000


class Ingest:
    """One incarnation, whose connections are numbered from `first` on."""

    def __init__(self, world: World, first: int, at_secs: float, after: "Ingest | None" = None) -> None:
        self._first = first
        folder, at_ns = world.config.data_dir / "journal/f", ns(at_secs)
        identity = FeedIdentity("f", "binance", SYMBOLS[:1], ("book_snapshot",))
        continues = "" if after is None else after.journal.writer_id
        self.journal: JournalWriter = JournalWriter(folder, identity, 1, 1 << 30, lambda: at_ns, continues)

    def connect(self, at_secs: float, number: int = 0) -> None:
        self.journal.append_event(RecordKind.CONNECT, ns(at_secs), 0, connection(self._first + number))

    def disconnect(self, at_secs: float, number: int = 0) -> None:
        about = {**connection(self._first + number), "cause": "disconnect", "reason": "lost"}
        self.journal.append_event(RecordKind.DISCONNECT, ns(at_secs), 0, about)

    def say(self, at_secs: float, update_id: int, number: int = 0) -> None:
        self.journal.append_frames(ns(at_secs), 0, [book(update_id)], connection=self._first + number)

    def is_killed(self) -> None:
        let_go([self.journal])


def ns(secs: float) -> int:
    return START_NS + round(secs * SEC_NS)


@pytest.fixture(params=["at once", "killed after each commit"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    made = World(tmp_path)
    made.now_ns = ns(60)
    made.killed = request.param != "at once"  # type: ignore[attr-defined]
    return made


def outages(world: World) -> list[tuple[Any, ...]]:
    """Rows of outages, with seconds since the start, once the writer has read everything."""
    if world.killed:  # type: ignore[attr-defined]
        for _ in range(3):
            world.run_for(world.secs + 6)
    world.run()
    found = world.query("SELECT cause, started_at, ended_at FROM gaps WHERE kind = 'silence' ORDER BY started_at")
    return [(cause, *(at_us / 1e6 - START_NS / 1e9 for at_us in times)) for cause, *times in found]


def begun_side_by_side(world: World) -> tuple[Ingest, Ingest]:
    """An ingest that is connected and has said something, and its successor, which has only begun."""
    old = Ingest(world, 1, 0)
    old.connect(0)
    old.say(1, 1)
    return old, Ingest(world, 30_001, 1, after=old)


def test_one_killed_beside_another_leaves_no_outage_and_no_connection(world: World) -> None:
    old, new = begun_side_by_side(world)
    new.connect(2)
    new.say(3, 2)
    old.say(3, 2)
    old.is_killed()
    new.say(5, 3)
    new.disconnect(6)
    new.connect(9, 1)
    new.say(9, 4, 1)
    assert outages(world) == [("disconnect", 6, 9)]


def test_a_successor_killed_leaves_no_outage_and_no_connection(world: World) -> None:
    old, new = begun_side_by_side(world)
    new.connect(2)
    new.say(3, 2)
    new.is_killed()
    old.say(4, 3)
    old.disconnect(6)
    old.connect(8, 1)
    old.say(9, 4, 1)
    assert outages(world) == [("disconnect", 6, 8)]


def test_one_killed_before_its_successor_connects_is_an_outage_until_then(world: World) -> None:
    old, new = begun_side_by_side(world)
    old.say(3, 2)
    old.is_killed()
    new.connect(10)
    new.say(11, 3)
    assert outages(world) == [("restart", 3, 10)]


def test_both_killed_are_an_outage_until_the_next_connects(world: World) -> None:
    old, new = begun_side_by_side(world)
    new.connect(2)
    new.say(3, 2)
    old.say(3, 2)
    old.is_killed()
    new.say(5, 3)
    new.is_killed()
    other = Ingest(world, 1, 20)
    other.connect(21)
    other.say(22, 4)
    assert outages(world) == [("restart", 5, 21)]


def test_what_lies_between_the_last_sign_of_one_killed_and_its_successor_is_an_outage(world: World) -> None:
    old, new = begun_side_by_side(world)
    new.connect(4)
    new.say(5, 2)
    old.is_killed()
    assert outages(world) == [("restart", 1, 4)]


def test_a_successor_s_successor_goes_on_alike(world: World) -> None:
    ingests = [Ingest(world, 1, 0)]
    ingests[0].connect(0)
    ingests[0].say(0.5, 1)
    for at in (2, 4, 6):
        ingests.append(Ingest(world, 10_000 * at, at, after=ingests[-1]))
        ingests[-1].connect(at)
        ingests[-1].say(at + 1, at)
        ingests[-2].say(at + 1, at)
        ingests[-2].is_killed()
    ingests[-1].disconnect(8)
    ingests[-1].connect(9, 1)
    ingests[-1].say(9, 9, 1)
    assert outages(world) == [("disconnect", 8, 9)]
