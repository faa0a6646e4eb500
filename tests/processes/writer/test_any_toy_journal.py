"""Snapshots, witnesses, unordered ids and numbered frames: the same together as one by one, and with restarts anywhere."""

import random
from collections.abc import Iterator
from typing import Any, Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from collector.storage.journal.format import FeedIdentity, JournalHeader, RecordKind, encode_event, encode_frames
from tests.processes.writer.processor_world import ProcessorWorld
from tests.processes.writer.test_together import Pieces, same_both_ways
from tests.processes.writer.toy_exchange import NAME, RULES, Toy, at, frame, message
from tests.processes.writer.writer_harness import connection

TYPES: Final = tuple(RULES)
LAG_SECS: Final = 9.0
"""A connection repeats nothing older: the next one may be that far behind its predecessor."""

Step = tuple[str, float, int, list[bytes]]
"""What happens, at which second, to which connection, and its frames."""


class Exchange:
    """Sends messages of every rule, snapshots, witnesses and control frames; numbers the frames of each connection."""

    def __init__(self, chance: random.Random, odd: float) -> None:
        self._chance, self._odd = chance, odd
        self._ids = dict.fromkeys(TYPES, 100)
        self._sent: list[dict[str, Any]] = [message("trade", 1, sent=at(0))]
        self._tickets: dict[int, int] = {}

    def frames(self, count: int, number: int, second: float) -> list[bytes]:
        """The next frames of a connection; now and then one is lost."""
        made = [self._frame(number, second) for _ in range(count)]
        return [one for one in made if self._chance.random() >= self._odd / 4]

    def _frame(self, number: int, second: float) -> bytes:
        ticket = self._tickets[number] = self._tickets.get(number, 0) + 1
        if self._chance.random() < self._odd / 4:
            return self._chance.choice([b"{", frame(control="pong", ticket=ticket), frame(other=1, ticket=ticket)])
        if self._chance.random() < self._odd:
            return frame(self._odd_one(second), ticket=ticket)
        one = self._next(self._chance.choice(TYPES), second)
        self._sent.append(one)
        return frame(one, ticket=ticket)

    def _next(self, data_type: str, second: float) -> dict[str, Any]:
        first = self._ids[data_type] + 1
        self._ids[data_type] = last = first + self._chance.choice([0, 0, 2]) * (data_type == "agg_trade")
        shown = last * 7_919 % 1_000_003 if data_type == "trade" else last
        return message(data_type, None if data_type == "liquidation" else shown, first=first, sent=at(second))

    def _odd_one(self, second: float) -> dict[str, Any]:
        data_type = self._chance.choice(TYPES)
        kind = self._chance.choice(["hole", "copy", "other", "snapshot", "snapshot", "witness", "reset"])
        if kind in {"copy", "other"}:
            late = [one for one in self._sent[-50:] if one["sent"] >= at(second - LAG_SECS)] or self._sent[-1:]
            return self._chance.choice(late) | ({"more": self._chance.random()} if kind == "other" else {})
        if kind == "hole":
            self._ids[data_type] += 2
        if kind == "reset":
            self._ids[data_type] = self._chance.randint(1, 50)
        if kind in {"snapshot", "witness"}:
            id_ = max(0, self._ids[data_type] + self._chance.choice([-90, -3, 0, 0, 2]))
            return {**message(data_type, id_, sent=at(second)), kind: True}
        return self._next(data_type, second)


def steps(seed: int) -> Iterator[Step]:
    """One or two connections, which come and go."""
    chance = random.Random(seed)
    exchange = Exchange(chance, chance.choice([0.0, 0.02, 0.3]))
    open_, second, newest = [1], 0.0, 1
    yield "open", second, 1, []
    for _ in range(chance.randint(5, 60)):
        second += chance.choice([0.0, 0.05, 0.3, 3.0, 30.0])
        what = chance.random()
        if what < 0.05 and len(open_) < 2:
            newest += 1
            open_.append(newest)
            yield "open", second, newest, []
        elif what < 0.1 and len(open_) > 1:
            yield "close", second, open_.pop(chance.randrange(len(open_))), []
        else:
            number = chance.choice(open_)
            yield "frames", second, number, exchange.frames(chance.choice([1, 3, 30]), number, second)


def journal_of(seed: int) -> list[Pieces]:
    records = []
    for what, second, number, frames in steps(seed):
        at_ns, line = at(second) * 1_000, number % 2
        if what == "frames":
            records.append(encode_frames(at_ns, line, frames, (), number))
        elif what == "open":
            records.append(encode_event(RecordKind.CONNECT, at_ns, line, connection(number)))
        else:
            about = {"connection": number, "cause": "disconnect"}
            records.append(encode_event(RecordKind.DISCONNECT, at_ns, line, about))
    return records


@settings(max_examples=100)
@example(234920876, 7, True)  # an empty record behind the last frame
@given(st.integers(0, 2**32), st.sampled_from([7, 100, 1 << 62]), st.booleans())
def test_together_is_the_same_as_one_by_one(seed: int, limit: int, has_tickets: bool) -> None:
    header = JournalHeader("f", "w", 1, 0, FeedIdentity("f", NAME, ("A",), TYPES), 0)
    exchange = Toy(has_tickets=has_tickets)
    same_both_ways(header, journal_of(seed), limit, lambda _: exchange)


def outcome(seed: int, *, restarts: bool) -> Any:
    """What is stored in the end, what the ledger says, and what is remembered."""
    exchange, chance = Toy(has_tickets=True), random.Random(seed)
    world = ProcessorWorld(NAME, ("A",), TYPES, repaired=False, adapter_of=lambda _: exchange)
    for what, second, number, frames in steps(seed):
        if what == "frames":
            world.receive(at(second), frames, number % 2, number)
        else:
            (world.connect if what == "open" else world.disconnect)(number, at(second), number % 2)
        world.commit()
        if restarts and chance.random() < 0.3:
            world.restart()
    world.receive(at(second + 60), [], 0, 0)
    world.processor.ledger.close(at(second + 60))
    world.commit()
    counts = world.processor.counts
    states = {}
    for stream in world.streams:
        progress = stream.dedup.progress
        states[stream.key] = progress.series, progress.last_id, progress.snapshots, progress.newest, progress.joined_us
    gaps = {gap[1:8] + gap[9:11] for gap in world.latest().values()}
    told = counts.messages, counts.duplicates, counts.late, counts.undecodable, counts.unasked, counts.frame_holes
    return world.messages, world.payloads, gaps, told, states, world.processor.ledger.feeds["f"].connections


@pytest.mark.parametrize("seed", range(40))
def test_a_writer_that_is_killed_after_any_commit_goes_on_as_if_it_had_not_been(seed: int) -> None:
    for found, expected in zip(outcome(seed, restarts=True), outcome(seed, restarts=False), strict=True):
        assert found == expected


@pytest.mark.parametrize("seed", [1114, 1235, 1572])
def test_where_an_id_of_an_ended_series_had_two_contents_a_kill_changes_copies_kept_and_loses_none(seed: int) -> None:
    """One content is remembered of an ended series: the first, or after a kill the last. The other may be kept twice."""
    killed, expected = (outcome(seed, restarts=restarts) for restarts in (True, False))
    assert set(zip(*killed[:2], strict=True)) == set(zip(*expected[:2], strict=True))
    assert abs(len(killed[0]) - len(expected[0])) <= 1
