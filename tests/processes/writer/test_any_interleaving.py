"""Whatever connections, ingest and writer do, each message is stored once and each loss is in the ledger."""

import json
import random
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from collector.config import SegmentConfig, WriterConfig
from collector.storage.journal.format import FeedIdentity, RecordKind
from collector.storage.journal.writer import JournalWriter
from collector.storage.segment.open_segment import OpenSegment
from tests.processes.writer.writer_harness import START_NS, SYMBOLS, TYPES, World, connection, trade

SECS: Final = 150.0
AFTERWARDS_SECS: Final = 60.0
SUCCESSOR_LAG_SECS: Final = 9.0
"""A connection repeats no more of what was sent before it opened."""


class Sent(NamedTuple):
    """A message of the exchange."""

    at: float
    data_type: str
    id: int
    frame: bytes


class Link(NamedTuple):
    """A connection that delivers messages late by `lag`, and loses some."""

    ingest: int
    line: int
    opens: float
    ends: float
    lag: float
    loss: float


class Step(NamedTuple):
    """An event that ingest records."""

    at: float
    order: int
    link: Link
    sent: Sent | None


def book(update_id: int) -> bytes:
    data = {"lastUpdateId": update_id, "bids": [[str(update_id), "1"]], "asks": []}
    return json.dumps({"stream": "btcusdt@depth20@100ms", "data": data}, separators=(",", ":")).encode()


def sent(random_: random.Random) -> list[Sent]:
    """Trades, whose ids are dense, and books, whose ids rise."""
    step_secs = random_.choice([1.0, 0.25, 0.1])
    messages, trade_id, book_id = [], 10_000, 500_000
    for number in range(1, int(SECS / step_secs)):
        at = number * step_secs
        if random_.random() < 0.6:
            trade_id += 1
            messages.append(Sent(at, "trade", trade_id, trade(trade_id, at=round(at * 1_000))))
        else:
            book_id += random_.randint(1, 9)
            messages.append(Sent(at, "book_snapshot", book_id, book(book_id)))
    return messages


def links(random_: random.Random) -> Iterator[Link]:
    """One line or two, each renewed or cut now and then; of two the second may lag almost as far as one may."""
    lines = random_.choice([1, 2])
    killed = sorted(random_.uniform(10, SECS) for _ in range(random_.choice([0, 0, 1, 2])))
    borders = [0.0, *killed, SECS + AFTERWARDS_SECS]
    for ingest, (begun, over) in enumerate(pairwise(borders)):
        for line in range(lines):
            opens = begun + random_.uniform(0.5, 2)
            while opens < over:
                ends = min(over, opens + random_.uniform(0.5, 1.5) * random_.choice([8, 20, 60, 300]))
                lag = random_.choice([0.0, 0.01, 0.5, 3, 9] + [20, 37] * line)
                yield Link(ingest, line, opens, ends, lag, random_.choice([0, 0, 0.02, 0.3]))
                opens = max(opens + 0.1, ends + random_.uniform(-5, 5)) if ends < over else over


def steps(random_: random.Random, messages: list[Sent]) -> list[Step]:
    found = []
    for link in links(random_):
        found += [Step(link.opens, 0, link, None), Step(link.ends, 2, link, None)]
        since = link.opens - min(link.lag, SUCCESSOR_LAG_SECS)
        brought = [one for one in messages if one.at >= since and link.opens <= one.at + link.lag < link.ends]
        found += [Step(one.at + link.lag, 1, link, one) for one in brought if random_.random() >= link.loss]
    return sorted(found, key=lambda step: (step.link.ingest, step.at, step.order, step.link.line))


class Journal:
    """The records of one ingest after the other, each until it is killed."""

    def __init__(self, world: World, random_: random.Random) -> None:
        self._folder = world.config.data_dir / "journal" / "f"
        self._random = random_
        self._ingest = -1
        self._links: list[Link] = []
        self._writer: JournalWriter | None = None

    def take(self, step: Step) -> None:
        at_ns = START_NS + round(step.at * 1e9)
        if step.link.ingest != self._ingest or self._writer is None:
            self._ingest, self._links = step.link.ingest, []
            # So that no two have files of one number.
            number, file_bytes = 1 + 1_000 * self._ingest, self._random.choice([2_000, 1 << 30])
            identity = FeedIdentity("f", "binance", SYMBOLS, TYPES)
            self._writer = JournalWriter(self._folder, identity, number, file_bytes, lambda: at_ns)
        if step.order == 0:
            self._links.append(step.link)
        number = self._links.index(step.link) + 1
        if step.sent is not None:
            self._writer.append_frames(at_ns, step.link.line, [step.sent.frame], connection=number)
            return
        kind = RecordKind.DISCONNECT if step.order else RecordKind.CONNECT
        about = {**connection(number), "reason": "lost", "cause": "disconnect"}
        self._writer.append_event(kind, at_ns, step.link.line, about)


class KilledError(BaseException):
    """Stands for a kill: nothing may catch it."""


def write_and_be_killed(world: World, random_: random.Random) -> None:
    """When to kill: while idle, or before or after one of the next commits."""
    real, left, looks = OpenSegment.store, random_.randint(0, 6), iter(range(60))
    after = random_.random() < 0.5

    def store(segment: OpenSegment, commit: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0 and not after:
            raise KilledError
        real(segment, commit)
        if left < 0:
            raise KilledError

    def stopping() -> bool:
        if next(looks, None) is None:
            raise KilledError
        return False

    world.stop_when = stopping
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OpenSegment, "store", store)
        with pytest.raises(KilledError):
            world.writer().run()


@pytest.mark.parametrize("seed", range(24))
def test_each_message_is_stored_once_and_each_loss_is_in_the_ledger(tmp_path: Path, seed: int) -> None:
    """With kills of ingest and writer, stops, seals, renewals, cuts, and lines that lag and lose."""
    random_ = random.Random(seed)
    messages = sent(random_)
    happened = steps(random_, messages)
    batches = WriterConfig(batch_interval_secs=5, max_batch_size=random_.choice([5, 40, 10_000]), adaptive=False)
    world = World(tmp_path, writer=batches, segment=SegmentConfig(interval_secs=random_.choice([15, 60, 3_600])))
    journal = Journal(world, random_)
    interrupted = sorted(random_.uniform(0, SECS + 40) for _ in range(random_.choice([1, 3, 8])))
    for step in happened:
        while interrupted and interrupted[0] <= step.at:
            world.now_ns = max(world.now_ns, START_NS + round(interrupted.pop(0) * 1e9))
            if random_.random() < 0.3:
                world.run()
            else:
                write_and_be_killed(world, random_)
        journal.take(step)
    world.gone, world.now_ns = True, START_NS + round((SECS + AFTERWARDS_SECS) * 1e9)
    world.run()

    brought = [step.sent for step in happened if step.sent is not None]
    stored = world.query("SELECT data_type, id FROM messages JOIN streams USING (stream_id)")
    assert sorted(stored) == sorted({(one.data_type, one.id) for one in brought})
    trades = [one.id for one in brought if one.data_type == "trade"]
    # Of what was before the first one, nothing proves that it was missed.
    known = {id_ for id_ in trades if id_ >= trades[0]}
    assert told_missing(world) == max(known) + 1 - min(known) - len(known)


def told_missing(world: World) -> int:
    """Number of missing trades by the newest rows, each of which has an end."""
    sql = "SELECT gap_id, missing, ended_at FROM gaps WHERE kind = 'sequence' AND stream_type = 'trade'"
    latest = {row[0]: row for row in world.query(f"{sql} ORDER BY detected_at")}
    assert all(ended_at is not None for _, _, ended_at in latest.values())
    return sum(missing for _, missing, _ in latest.values())
