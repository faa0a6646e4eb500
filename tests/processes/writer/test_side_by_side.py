"""Two ingests of a feed append side by side, as in a handover: to the writer the new one's connections are renewals.

So together they leave what one ingest leaves that renews its connections: every message that either received, once.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from heapq import merge
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple

import pytest

from collector.storage.journal.format import FeedIdentity, RecordKind
from collector.storage.journal.writer import JournalWriter
from tests.conftest import Lines
from tests.exchanges.recorded_markets import MARKETS, RecordedMarket, Recording, recording
from tests.processes.writer.test_every_exchange import RecordedWorld
from tests.processes.writer.writer_harness import connection
from tests.storage.journal.dead_journals import let_go

FRAMES: Final = 500
STEPS: Final = 7
BEYOND: Final = 30_000
"""So far above those of the old ingest are the numbers of the new one's connections."""
BESIDE_NS: Final = 700_000
"""So much later the new one receives the same."""
FILE_BYTES: Final = 30_000

TRIED: Final = {
    "binance": "dense ids",
    "hyperliquid": "copies known by their content",
    "bitfinex": "frames that can only be read with what their connection said before",
    "coinbase_advanced": "numbered frames",
    "kraken": "books with checksums",
}
TRIED_MARKETS: Final = [market for market in MARKETS if market.exchange in TRIED and not market.undecoded]


class Part(NamedTuple):
    """What of the recording an ingest receives, and how it ends."""

    first: float
    last: float
    is_killed: bool


WHOLE: Final = Part(0, 1, is_killed=False)
ENDS: Final = {
    "the old one ends": (Part(0, 0.6, is_killed=False), WHOLE),
    "the old one is killed": (Part(0, 0.6, is_killed=True), WHOLE),
    "the new one ends": (WHOLE, Part(0, 0.6, is_killed=False)),
    "the new one is killed": (WHOLE, Part(0, 0.6, is_killed=True)),
}
MEETING: Final = {
    "the old one ends": (Part(0, 0.6, is_killed=False), Part(0.4, 1, is_killed=False)),
    "the old one is killed": (Part(0, 0.6, is_killed=True), Part(0.4, 1, is_killed=False)),
}


class Record(NamedTuple):
    """What an ingest appends."""

    at_ns: int
    kind: RecordKind
    connection: int
    what: Any


def records_of(played: Recording, part: Part, first_connection: int, delay_ns: int) -> list[Record]:
    """What an ingest appends that receives that part: a connection of each plan, all frames from the first."""
    frames = played.frames[:FRAMES]
    taken = frames[int(part.first * len(frames)) : int(part.last * len(frames))]
    # A message that came before the other ingest was connected is none that both bring.
    begins_ns, ends_ns = taken[0].at_us * 1_000 - 2 * BESIDE_NS + delay_ns, taken[-1].at_us * 1_000 + delay_ns
    numbers = list(enumerate(range(first_connection, first_connection + plans_of(played))))
    about = {number: connection(number, plan=plan) for plan, number in numbers}
    ends = {"cause": "restart", "reason": "stopped"}
    return [
        *(Record(begins_ns, RecordKind.CONNECT, number, about[number]) for number in about),
        *(Record(at_us * 1_000 + delay_ns, RecordKind.FRAMES, first_connection, frame) for at_us, frame in taken),
        *(Record(ends_ns, RecordKind.DISCONNECT, number, {**about[number], **ends}) for number in about),
    ]


def plans_of(played: Recording) -> int:
    return len(played.market.adapter.shares(played.subscription))


def append(journal: JournalWriter, record: Record) -> None:
    if record.kind is RecordKind.FRAMES:
        journal.append_frames(record.at_ns, 0, [record.what], (), record.connection)
    else:
        journal.append_event(record.kind, record.at_ns, 0, record.what)


class Ingest:
    """One that is closed or killed once it has appended all its records."""

    def __init__(self, journal: JournalWriter, records: list[Record], *, is_killed: bool) -> None:
        self.journal = journal
        self._records = [one for one in records if not (is_killed and one.kind is RecordKind.DISCONNECT)]
        self._is_killed = is_killed

    def append_until(self, until_ns: int) -> None:
        while self._records and self._records[0].at_ns <= until_ns:
            append(self.journal, self._records.pop(0))
            if not self._records:
                self._end(until_ns)

    def _end(self, at_ns: int) -> None:
        if not self._is_killed:
            self.journal.close()
            return
        self.journal.append_frames(at_ns, 0, [b"of which a part was written"], (), 1)
        path = self.journal._folder / f"{self.journal.number:012d}.journal"
        with path.open("r+b") as file:
            file.truncate(self.journal.position - 9)
        let_go([self.journal])


class SideBySide(RecordedWorld):
    """A recording that two ingests receive."""

    def __init__(self, folder: Path, played: Recording, old: Part, new: Part) -> None:
        super().__init__(folder, played)
        self._parts = old, new
        self._of_old = records_of(played, old, 1, 0)
        self._of_new = records_of(played, new, 1 + BEYOND, BESIDE_NS)
        self._identity = FeedIdentity("f", played.market.exchange, *played.subscription)

    def renewed(self) -> "SideBySide":
        """Write what both receive as one ingest that renews its connections."""
        journal = self._journal("")
        for record in merge(self._of_old, self._of_new, key=lambda one: one.at_ns):
            append(journal, record)
        journal.close()
        return self

    def appended(self, steps: int) -> Iterator[None]:
        """Both append what they receive, in turns, the new one from its beginning on."""
        old = Ingest(self._journal(""), list(self._of_old), is_killed=self._parts[0].is_killed)
        ingests, begins_ns = [old], self._of_new[0].at_ns
        times_ns = sorted(record.at_ns for record in (*self._of_old, *self._of_new))
        for step in range(1, steps + 1):
            until_ns = times_ns[len(times_ns) * step // steps - 1]
            if len(ingests) == 1 and begins_ns <= until_ns:
                old.append_until(begins_ns)
                journal = self._journal(old.journal.writer_id)
                ingests.append(Ingest(journal, list(self._of_new), is_killed=self._parts[1].is_killed))
            for ingest in ingests:
                ingest.append_until(until_ns)
            yield

    def written(self) -> "SideBySide":
        """Write everything before the writer reads."""
        for _ in self.appended(STEPS):
            pass
        return self

    def _journal(self, continues: str) -> JournalWriter:
        # What a file's head says of its time is only used to know which is older.
        self.now_ns = self._of_new[0].at_ns if continues else self._of_old[0].at_ns
        folder, at_ns = self.config.data_dir / "journal" / "f", self.now_ns
        return JournalWriter(folder, self._identity, 1, FILE_BYTES, lambda: at_ns, continues)

    def left(self) -> tuple[Counter[tuple[Any, ...]], Counter[tuple[Any, ...]], list[tuple[Any, ...]]]:
        """Every message, without ids where they are made from places in the journal; the ledger; its rows of outages."""
        sql = "SELECT exchange, symbol, data_type, series, payload FROM messages JOIN streams USING (stream_id)"
        outages = (
            "SELECT symbol, stream_type, kind, cause, started_at, ended_at FROM gaps"
            " WHERE cause IN ('restart', 'disconnect') AND kind IN ('silence', 'sequence')"
        )
        return Counter(self.query(sql)), self.gaps(), self.query(outages)


@pytest.fixture(params=TRIED_MARKETS, ids=str)
def played(request: pytest.FixtureRequest, recorded: Lines) -> Recording:
    market: RecordedMarket = request.param
    return recording(market, recorded)


Make = Callable[[str, tuple[Part, Part]], SideBySide]


@pytest.fixture
def make(played: Recording, tmp_path: Path) -> Make:
    return lambda name, parts: SideBySide(tmp_path / name, played, *parts)


def assert_left_as(world: SideBySide, expected: SideBySide) -> None:
    (messages, gaps, outages), (expected_messages, expected_gaps, expected_outages) = world.left(), expected.left()
    assert (messages - expected_messages, expected_messages - messages) == (Counter(), Counter())
    assert (gaps - expected_gaps, expected_gaps - gaps) == (Counter(), Counter())
    assert outages == expected_outages == []
    assert len(messages) > 50


def renewed(make: Make, parts: tuple[Part, Part]) -> SideBySide:
    world = make("renewed", parts).renewed()
    world.run()
    return world


@pytest.mark.parametrize("ends", ENDS)
def test_a_backlog_of_both_leaves_what_a_renewal_leaves(make: Make, ends: str) -> None:
    world = make("both", ENDS[ends]).written()
    world.run()
    assert_left_as(world, renewed(make, ENDS[ends]))


@pytest.mark.parametrize("ends", ENDS)
def test_a_writer_killed_after_every_commit_leaves_the_same(make: Make, ends: str) -> None:
    world = make("both", ENDS[ends]).written()
    while world.is_killed_after_a_commit():
        pass
    assert_left_as(world, renewed(make, ENDS[ends]))


@pytest.mark.parametrize("ends", ENDS)
def test_a_writer_killed_while_both_append_leaves_the_same(make: Make, ends: str) -> None:
    world, when = make("both", ENDS[ends]), Random(ends)
    for _ in world.appended(STEPS):
        if when.random() < 0.7:
            world.run_for(world.secs + 6)
    world.run()
    assert_left_as(world, renewed(make, ENDS[ends]))


@pytest.mark.parametrize("played", [one for one in TRIED_MARKETS if one.exchange == "binance"], ids=str, indirect=True)
@pytest.mark.parametrize("ends", MEETING)
def test_what_only_one_of_them_received_is_kept_and_what_both_did_once(make: Make, ends: str) -> None:
    world = make("both", MEETING[ends]).written()
    world.run()
    alone = make("alone", (WHOLE, MEETING[ends][1]))
    alone._of_new = []
    alone.renewed().run()
    assert_left_as(world, alone)
