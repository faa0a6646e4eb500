"""Known frames of a real recording are removed, repeated and exchanged: the ledger says exactly that, and no more.

Partial depth and aggregate trades, which were not recorded with the others, are made of the diffs and trades around
them, with the ids the exchange gives them.
"""

import json
from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pytest
from msgspec.structs import replace

from collector.config import FeedConfig
from collector.domain.gap_stretches import STRETCH_SECS
from collector.storage.journal.format import RecordKind
from tests.processes.writer.writer_harness import World, connection

RECORDING = "binance_spot/hftbacktest_btcusdt_20240808"
FRAMES = 4_000
TYPES = ("agg_trade", "book_delta", "book_snapshot", "book_ticker", "trade")
DENSE = {"agg_trade", "book_delta", "trade"}


class Said(NamedTuple):
    """A frame, when it was received, and the ids it covers."""

    at_us: int
    data_type: str
    first: int
    last: int
    frame: bytes


def wrapped(at_us: int, data_type: str, name: str, first: int, last: int, content: dict[str, Any]) -> Said:
    frame = json.dumps({"stream": f"btcusdt@{name}", "data": content}, separators=(",", ":"))
    return Said(at_us, data_type, first, last, frame.encode())


def made_of(at_us: int, frame: bytes) -> list[Said]:
    """The frame, and the messages decoded from it."""
    content = json.loads(frame)["data"]
    match content:
        case {"e": "trade", "t": id_, "p": price, "q": size, "T": time}:
            fields = {
                "e": "aggTrade",
                "E": time,
                "s": "BTCUSDT",
                "a": id_ - 5,
                "p": price,
                "q": size,
                "f": id_,
                "l": id_,
            }
            made = wrapped(
                at_us, "agg_trade", "aggTrade", id_ - 5, id_ - 5, {**fields, "T": time, "m": True, "M": True}
            )
            return [Said(at_us, "trade", id_, id_, frame), made]
        case {"e": "depthUpdate", "U": first, "u": last}:
            book = {"lastUpdateId": last, "bids": [], "asks": []}
            made = wrapped(at_us, "book_snapshot", "depth20@100ms", last, last, book)
            return [wrapped(at_us, "book_delta", "depth@100ms", first, last, content), made]
        case {"u": id_, "B": _}:
            return [Said(at_us, "book_ticker", id_, id_, frame)]
    return []


@pytest.fixture(scope="module")
def recorded(data: Path) -> list[Said]:
    with pa.input_stream(str(data / "frames" / f"{RECORDING}.jsonl.zst"), compression="zstd") as stream:
        lines = [json.loads(line) for line in stream.read().splitlines()[:FRAMES]]
    received = [(line["recv_ts_us"], line["raw"].encode()) for line in lines if line["dir"] == "in"]
    return [said for at_us, frame in received for said in made_of(at_us, frame)]


class Editing:
    """A recording with frames to change, and the ledger rows that the changes should cause."""

    def __init__(self, recorded: list[Said]) -> None:
        self.frames = recorded
        self.of = {name: [n for n, said in enumerate(recorded) if said.data_type == name] for name in TYPES}
        self.removed: set[int] = set()
        self.repeated: set[int] = set()
        self.exchanged: dict[int, int] = {}

    def half(self, name: str) -> int:
        return len(self.of[name]) // 2

    def remove(self, name: str, start: int, count: int = 1) -> None:
        self.removed |= set(self.of[name][start : start + count])

    def repeat(self, name: str, at: int) -> None:
        self.repeated.add(self.of[name][at])

    def exchange(self, name: str, at: int) -> None:
        one, other = self.of[name][at], self.of[name][at + 1]
        self.exchanged |= {one: other, other: one}

    def sent(self, start: int = 0, end: int | None = None) -> list[tuple[int, bytes]]:
        """Receive time and content of the remaining frames, in their new order."""
        sent = []
        for n in range(start, len(self.frames) if end is None else end):
            if n not in self.removed:
                frame = self.frames[self.exchanged.get(n, n)].frame
                sent += [(self.frames[n].at_us, frame)] * (1 + (n in self.repeated))
        return sent

    def holes(self, cause: Callable[[int], str] = lambda _n: "exchange") -> list[tuple[Any, ...]]:
        """Removed runs of streams with dense ids: type, cause, expected, actual and missing ids."""
        rows = []
        for name in DENSE:
            places = self.of[name]
            for gone, group in groupby(places, lambda n: n in self.removed):
                run = list(group)
                if gone and run[0] != places[0] and run[-1] != places[-1]:
                    first, behind = self.frames[run[0]].first, self.frames[run[-1]].last + 1
                    rows.append((name, cause(run[0]), str(first), str(behind), behind - first))
        return sorted(rows)


@pytest.fixture
def editing(recorded: list[Said]) -> Editing:
    return Editing(recorded)


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    feed = FeedConfig(symbols=("BTCUSDT",), data_types=TYPES, name="f", ws_url="ws://elsewhere")
    world.config = replace(world.config, feed=(feed,))
    return world


class Recorder:
    """Writes sent messages into journals, and lets the writer read them."""

    def __init__(self, world: World, file_bytes: int = 1 << 30) -> None:
        self.world = world
        self.journal = world.journal(file_bytes, ("BTCUSDT",), TYPES)

    def event(self, kind: RecordKind, at_us: int, number: int) -> None:
        about = {**connection(number), "cause": "disconnect", "reason": "lost"}
        self.journal.append_event(kind, at_us * 1_000, 0, about)

    def take(self, sent: Iterable[tuple[int, bytes]]) -> None:
        for at_us, frame in sent:
            self.world.now_ns = at_us * 1_000
            self.journal.append_frames(self.world.now_ns, 0, [frame])

    def rows(self, kind: str) -> list[tuple[Any, ...]]:
        columns = "stream_type, cause, expected_id, actual_id, missing"
        return sorted(self.world.query(f"SELECT {columns} FROM gaps WHERE kind = '{kind}'"))

    def kinds(self) -> set[str]:
        return {kind for (kind,) in self.world.query("SELECT DISTINCT kind FROM gaps WHERE kind != 'book_unknown'")}


def test_single_frames_and_bursts_removed(editing: Editing, world: World) -> None:
    for name in TYPES:
        editing.remove(name, 5)
        editing.remove(name, 10, count=4)
        editing.remove(name, 16)
        editing.remove(name, editing.half(name), count=7)
    recorder = Recorder(world)
    recorder.take(editing.sent())
    world.run()
    assert recorder.rows("sequence") == editing.holes()
    assert len(editing.holes()) == 4 * len(DENSE)
    assert recorder.kinds() == {"sequence"}


def test_frames_repeated(editing: Editing, world: World) -> None:
    for name in TYPES:
        for at in (0, 7, editing.half(name), -1):
            editing.repeat(name, at)
    recorder = Recorder(world)
    recorder.take(editing.sent())
    world.run()
    assert recorder.kinds() == set()
    assert world.numbers.duplicates == 4 * len(TYPES)
    assert world.numbers.messages == len(editing.frames)


def test_frames_exchanged(editing: Editing, world: World) -> None:
    for name in TYPES:
        for at in (3, 9, editing.half(name)):
            editing.exchange(name, at)
    quiet_us = (STRETCH_SECS + 1) * 1_000_000
    recorder = Recorder(world)
    recorder.take([*editing.sent(), (editing.frames[-1].at_us + quiet_us, b'{"result":null,"id":1}')])
    world.run()
    assert recorder.kinds() == {"out_of_order"}
    expected = []
    for name in ("book_snapshot", "book_ticker"):
        newest, stepped_back = (str(editing.frames[editing.of[name][place]].last) for place in (4, 3))
        expected += [(name, "exchange", newest, stepped_back, count) for count in (1, 3)]
    assert recorder.rows("out_of_order") == expected
    assert world.numbers.late == 3 * len(DENSE)
    assert world.numbers.messages == len(editing.frames)


def test_frames_removed_around_a_reconnect(editing: Editing, world: World) -> None:
    cut = len(editing.frames) // 2
    for name in TYPES:
        behind = next(place for place, n in enumerate(editing.of[name]) if n >= cut)
        editing.remove(name, behind - 2, count=4)
        editing.remove(name, behind - 9)
        editing.remove(name, behind + 9)
    recorder = Recorder(world)
    down_us, up_us = editing.frames[cut - 1].at_us + 1, editing.frames[cut].at_us
    recorder.event(RecordKind.CONNECT, editing.frames[0].at_us, 1)
    recorder.take(editing.sent(end=cut))
    recorder.event(RecordKind.DISCONNECT, down_us, 1)
    recorder.event(RecordKind.CONNECT, up_us, 2)
    recorder.take(editing.sent(start=cut))
    world.run()
    across = {run[0] for run in runs(editing) if run[0] < cut <= run[-1]}
    assert len(across) == len(DENSE)
    assert recorder.rows("sequence") == editing.holes(lambda n: "disconnect" if n in across else "exchange")
    assert recorder.rows("silence") == [(name, "disconnect", None, None, None) for name in sorted(set(TYPES) - DENSE)]
    spans = world.query("SELECT DISTINCT started_at, ended_at FROM gaps WHERE kind = 'silence'")
    assert spans == [(down_us, up_us)]
    assert recorder.kinds() == {"sequence", "silence"}


def runs(editing: Editing) -> list[list[int]]:
    """The removed runs of each stream with dense ids."""
    found = []
    for name in DENSE:
        groups = groupby(editing.of[name], lambda n: n in editing.removed)
        found += [list(group) for gone, group in groups if gone]
    return found


def test_frames_removed_around_a_seal_and_a_restart(editing: Editing, world: World) -> None:
    cut = len(editing.frames) // 2
    for name in TYPES:
        behind = next(place for place, n in enumerate(editing.of[name]) if n >= cut)
        editing.remove(name, behind - 3, count=6)
    recorder = Recorder(world)
    recorder.take(editing.sent(end=cut))
    world.run()
    recorder.take(editing.sent(start=cut))
    world.run()
    assert len(world.tables()) == 3
    assert recorder.rows("sequence") == editing.holes()
    assert len(editing.holes()) == len(DENSE)
    assert recorder.kinds() == {"sequence"}


def test_frames_removed_at_the_ends_of_journal_files(editing: Editing, world: World) -> None:
    parts = 4
    borders = [len(editing.frames) * part // parts for part in range(1, parts)]
    for border in borders:
        editing.removed |= {border - 1, border}
    for name in TYPES:
        editing.remove(name, 0)
        editing.remove(name, len(editing.of[name]) - 1)
    for start, end in zip([0, *borders], [*borders, len(editing.frames)], strict=True):
        recorder = Recorder(world)
        recorder.take(editing.sent(start, end))
        recorder.journal.close()
    world.run()
    assert recorder.rows("sequence") == editing.holes()
    assert recorder.kinds() <= {"sequence"}
