import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.config import JournalConfig
from collector.processes.disk_space import Space, shortage
from collector.processes.ingest.journal_gate import JournalGate
from collector.storage.journal.format import FeedIdentity, RecordKind
from collector.storage.journal.writer import JournalWriter
from tests.processes.ingest.ingest_harness import Written, capturing_log, records_of

LIMITS = JournalConfig(min_free_bytes=1_000, file_bytes=2_000, max_bytes=4_000)
PLENTY = Space(free_bytes=1 << 40, journal_bytes=0, journal_files=1)
SPARSE = Space(free_bytes=999, journal_bytes=0, journal_files=1)


class FailingJournal:
    """A real journal that refuses the appends it is told to refuse."""

    def __init__(self, journal: JournalWriter) -> None:
        self._journal = journal
        self.fails: Callable[[RecordKind], bool] = lambda _: False

    def append_frames(self, *arguments: Any) -> None:
        self._perhaps(RecordKind.FRAMES)
        self._journal.append_frames(*arguments)

    def append_resumed(self, *arguments: Any) -> None:
        self._perhaps(RecordKind.RESUMED)
        self._journal.append_resumed(*arguments)

    def append_event(self, kind: RecordKind, *arguments: Any) -> None:
        self._perhaps(kind)
        self._journal.append_event(kind, *arguments)

    def _perhaps(self, kind: RecordKind) -> None:
        if self.fails(kind):
            raise OSError(28, "No space left on device")


class Bench:
    """A gate over a real journal in `folder`; its clock ticks once for each look."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ticks = count(1)
        self.journal = JournalWriter(folder, FeedIdentity("f", "e", (), ()), 1, 1 << 20, lambda: next(ticks))
        self.disk = FailingJournal(self.journal)
        log, self.logged = capturing_log()
        self.gate = JournalGate(self.disk, LIMITS, lambda: next(ticks), log)  # type: ignore[arg-type]  # a wrapper

    def feed(self, *frames: bytes) -> None:
        self.gate.append(7, 0, frames, (), 1)

    def records(self) -> list[Written]:
        return records_of(self.folder)

    def kinds(self) -> list[RecordKind]:
        return [record.kind for record in self.records()]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.journal.close()


def test_space_is_short_below_one_limit_or_above_the_other() -> None:
    assert shortage(Space(999, 0, 1), LIMITS, refusing=False) == "min_free_bytes"
    assert shortage(Space(1_000, 4_000, 1), LIMITS, refusing=False) is None
    assert shortage(Space(1_000, 4_001, 1), LIMITS, refusing=False) == "max_bytes"


def test_refusing_ends_only_with_space_beyond_the_limit() -> None:
    assert shortage(Space(1_049, 0, 1), LIMITS, refusing=True) == "min_free_bytes"
    assert shortage(Space(1_050, 3_801, 1), LIMITS, refusing=True) == "max_bytes"
    assert shortage(Space(1_050, 3_800, 1), LIMITS, refusing=True) is None


@given(free=st.integers(0, 3_000), used=st.integers(0, 9_000))
def test_space_that_ends_refusing_would_not_begin_it(free: int, used: int) -> None:
    space = Space(free, used, 1)

    assert shortage(space, LIMITS, refusing=True) is not None or shortage(space, LIMITS, refusing=False) is None


def test_frames_pass_and_are_counted(bench: Bench) -> None:
    bench.feed(b"a", b"bc")
    bench.feed(b"def")

    assert [record.frames for record in bench.records()] == [[b"a", b"bc"], [b"def"]]
    assert (bench.gate.frames, bench.gate.bytes, bench.gate.refused) == (3, 6, 0)


def test_a_refusal_is_enclosed_by_its_two_records_and_counted(bench: Bench) -> None:
    bench.feed(b"kept")
    bench.gate.check(SPARSE)
    bench.feed(b"lost", b"too")
    bench.gate.check(SPARSE)
    bench.feed(b"lost")
    bench.gate.check(PLENTY)
    bench.feed(b"kept")

    records = bench.records()
    assert [record.kind for record in records] == [
        RecordKind.FRAMES,
        RecordKind.REFUSING,
        RecordKind.RESUMED,
        RecordKind.FRAMES,
    ]
    started_ns = records[1].info["started_ns"]
    assert records[1].info == {"reason": "min_free_bytes", "started_ns": started_ns}
    assert records[2].info == {"frames": 3, "bytes": 11, "started_ns": started_ns}
    assert (bench.gate.frames, bench.gate.refused) == (2, 3)
    assert [entry["event"] for entry in bench.logged] == ["refusing", "resumed"]


def test_changed_limits_count_from_the_next_check_on(bench: Bench) -> None:
    bench.gate.check(SPARSE)
    bench.gate.limits = JournalConfig(min_free_bytes=0)
    bench.gate.check(SPARSE)
    bench.feed(b"kept")

    assert bench.kinds() == [RecordKind.REFUSING, RecordKind.RESUMED, RecordKind.FRAMES]


def test_a_failed_write_refuses_frames_until_the_next_check(bench: Bench) -> None:
    bench.disk.fails = lambda _: True
    bench.feed(b"lost")
    bench.disk.fails = lambda _: False
    bench.feed(b"lost")
    bench.gate.check(PLENTY)
    bench.disk.fails = lambda _: True
    bench.feed(b"lost")
    bench.disk.fails = lambda _: False
    bench.gate.check(PLENTY)
    bench.feed(b"kept")

    assert bench.kinds() == [RecordKind.REFUSING, RecordKind.RESUMED, RecordKind.FRAMES]
    assert bench.records()[1].info["frames"] == 3
    assert "No space left" in bench.logged[0]["reason"]


def test_the_refusing_record_is_written_as_soon_as_the_disk_takes_it(bench: Bench) -> None:
    bench.disk.fails = lambda _: True
    bench.feed(b"lost")
    bench.disk.fails = lambda _: False
    bench.gate.check(SPARSE)
    bench.gate.check(SPARSE)

    assert bench.kinds() == [RecordKind.REFUSING]


def test_a_failed_resumed_record_does_not_end_the_refusal(bench: Bench) -> None:
    bench.disk.fails = lambda kind: kind in {RecordKind.FRAMES, RecordKind.RESUMED}
    for _ in range(3):
        bench.feed(b"lost")
        bench.gate.check(PLENTY)
    assert bench.kinds() == [RecordKind.REFUSING]
    bench.disk.fails = lambda _: False
    bench.feed(b"kept")

    assert bench.kinds() == [RecordKind.REFUSING, RecordKind.RESUMED, RecordKind.FRAMES]
    assert bench.records()[1].info["frames"] == 3
    assert [entry["event"] for entry in bench.logged] == ["refusing", "resumed"]


def test_space_that_is_short_again_before_a_frame_continues_the_refusal(bench: Bench) -> None:
    bench.gate.check(SPARSE)
    bench.gate.check(PLENTY)
    bench.gate.check(SPARSE)
    bench.feed(b"lost")

    assert bench.kinds() == [RecordKind.REFUSING]
    assert bench.gate.refused == 1


def test_connection_records_are_kept_and_written_once_the_disk_takes_them(bench: Bench) -> None:
    bench.gate.event(RecordKind.CONNECT, 0, {"connection": 1})
    bench.disk.fails = lambda _: True
    bench.gate.event(RecordKind.DISCONNECT, 0, {"connection": 1})
    bench.gate.event(RecordKind.CONNECT, 0, {"connection": 2})
    bench.gate.event(RecordKind.DISCONNECT, 0, {"connection": 2})
    bench.gate.event(RecordKind.CONNECT, 0, {"connection": 3})
    bench.disk.fails = lambda _: False
    bench.gate.event(RecordKind.CONNECT, 1, {"connection": 4})
    bench.gate.check(PLENTY)
    bench.feed(b"kept")

    found = [(record.kind, record.info.get("connection")) for record in bench.records()]
    assert found == [
        (RecordKind.CONNECT, 1),
        (RecordKind.REFUSING, None),
        (RecordKind.DISCONNECT, 1),
        (RecordKind.CONNECT, 3),
        (RecordKind.CONNECT, 4),
        (RecordKind.RESUMED, None),
        (RecordKind.FRAMES, None),
    ]


def test_connections_are_still_recorded_while_frames_are_refused(bench: Bench) -> None:
    bench.gate.check(SPARSE)
    bench.gate.event(RecordKind.CONNECT, 0, {"connection": 1})

    assert bench.kinds() == [RecordKind.REFUSING, RecordKind.CONNECT]


def test_finish_records_the_refused_frames_though_space_is_short(bench: Bench) -> None:
    bench.gate.check(SPARSE)
    bench.feed(b"lost")
    bench.gate.finish()
    bench.feed(b"too late")
    bench.gate.event(RecordKind.CONNECT, 0, {"connection": 9})

    assert bench.kinds() == [RecordKind.REFUSING, RecordKind.RESUMED]
    assert bench.records()[1].info["frames"] == 1


def test_after_finish_nothing_is_refused_or_resumed(bench: Bench) -> None:
    bench.gate.finish()
    bench.gate.check(SPARSE)
    bench.gate.check(PLENTY)

    assert bench.records() == []
    assert bench.logged == []


def test_finish_on_a_full_disk_does_not_log_resumed(bench: Bench) -> None:
    bench.gate.check(SPARSE)
    bench.disk.fails = lambda _: True
    bench.gate.finish()
    bench.gate.check(PLENTY)

    assert [entry["event"] for entry in bench.logged] == ["refusing"]


def test_every_frame_is_counted_while_the_disk_fails_now_and_then(bench: Bench) -> None:
    done = threading.Event()

    def read(line: int) -> None:
        for number in range(2_000):
            bench.gate.append(7, line, [b"%d" % number], (), 1)

    def flicker() -> None:
        while not done.is_set():
            bench.gate.check(SPARSE)
            bench.gate.check(PLENTY)

    with ThreadPoolExecutor(3) as pool:
        flickering = pool.submit(flicker)
        for reading in [pool.submit(read, line) for line in range(2)]:
            reading.result(60)
        done.set()
        flickering.result(60)
    bench.gate.finish()

    records = bench.records()
    kept = sum(len(record.frames) for record in records)
    refused = sum(record.info["frames"] for record in records if record.kind is RecordKind.RESUMED)
    assert kept + refused == 4_000
    assert (bench.gate.frames, bench.gate.refused) == (kept, refused)
    refusing = False
    for record in records:
        assert not (refusing and record.kind is RecordKind.FRAMES)
        refusing = record.kind is RecordKind.REFUSING
