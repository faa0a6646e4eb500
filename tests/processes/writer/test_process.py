"""The writer with real journals and real SQLite: every frame is stored once, whatever happens."""

import gc
import json
import random
import re
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from collector.channel.channel import Notice
from collector.config import FeedConfig, JournalConfig, SegmentConfig, WriterConfig
from collector.domain.errors import CommitError
from collector.domain.sequence.dedup import DuplicateFilter
from collector.exchanges.registry import adapter
from collector.processes.writer.process import Writer
from collector.processes.writer.streams import StreamState
from collector.reports import JournalLag, WriterReport
from collector.storage.journal.files import journal_files
from collector.storage.journal.format import RecordKind
from collector.storage.segment import open_segment
from collector.storage.segment.open_segment import OpenSegment
from collector.storage.segment.seal import sealed_segments
from collector.storage.segment.state import Commit
from tests.processes.writer.writer_harness import SPOKEN, START_NS, SYMBOLS, TYPES, World, book, connection, diff, trade


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def ticks(count: int, start: int = 0) -> Iterator[bytes]:
    return (trade(n) for n in range(start, start + count))


def incompressible(count: int, start: int = 0) -> list[bytes]:
    """Trades of some 400 bytes that compression makes no smaller than 200."""
    return [trade(n, price=random.Random(n).randbytes(150).hex()) for n in range(start, start + count)]


def ticks_list(count: int, start: int = 0) -> list[bytes]:
    return list(ticks(count, start))


def noted_commits(monkeypatch: pytest.MonkeyPatch, note: Callable[[Commit], float]) -> list[float]:
    notes: list[float] = []
    real = OpenSegment.store

    def store(segment: OpenSegment, commit: Commit) -> None:
        notes.append(note(commit))
        real(segment, commit)

    monkeypatch.setattr(OpenSegment, "store", store)
    return notes


def test_every_frame_is_stored_once_with_its_times_and_ids(world: World) -> None:
    frames = [trade(1), trade(2, symbol="ETHUSDT"), trade(3)]
    world.journal().append_frames(START_NS + 1_999, 1, frames)
    world.run()
    assert world.payloads() == frames
    rows = world.query("SELECT id, received_us, exchange_us, line, series FROM messages ORDER BY row")
    assert rows[0] == (1, START_NS // 1_000 + 1, 1_700_000_000_001_000, 1, 0)
    streams = world.query("SELECT symbol, data_type, id_rule FROM streams WHERE feed='f'")
    assert set(streams) == {("BTCUSDT", "trade", "dense"), ("ETHUSDT", "trade", "dense")}


def test_a_batch_is_committed_when_it_is_full(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(world.config.data_dir, writer=WriterConfig(max_batch_size=10, adaptive=False))
    sizes = noted_commits(monkeypatch, lambda commit: sum(map(len, commit.messages)))
    journal = world.journal()
    for frame in ticks(45):
        journal.append_frames(START_NS, 0, [frame])
    world.run()
    assert sizes == [10, 10, 10, 10, 5]


def test_a_batch_is_committed_when_its_interval_is_over(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(world.config.data_dir, writer=WriterConfig(batch_interval_secs=3.0))
    at = noted_commits(monkeypatch, lambda _commit: world.secs)
    world.journal().append_frames(START_NS, 0, [trade(1)])
    world.run(stop_after_secs=10)
    assert at == [3.0]


def test_copies_are_dropped_and_counted_also_after_a_restart(world: World) -> None:
    journal = world.journal()
    journal.append_frames(START_NS, 0, [trade(1), trade(2), trade(1)])
    world.run(stop_after_secs=20)
    assert world.numbers.duplicates == 1
    journal.append_frames(START_NS, 0, [trade(2), trade(3)])
    world.run()
    assert (world.numbers.duplicates, world.numbers.messages) == (2, 3)
    assert [row[0] for row in world.query("SELECT id FROM messages ORDER BY row")] == [1, 2, 3]


def test_other_content_under_a_taken_id_is_stored_and_reported(world: World) -> None:
    world.journal().append_frames(START_NS, 0, [trade(1), trade(1, price="9")])
    world.run()
    assert world.payloads() == [trade(1), trade(1, price="9")]
    assert set(world.query("SELECT symbol, stream_type, kind, cause, missing FROM gaps")) == {
        ("BTCUSDT", "trade", "duplicate_conflict", "exchange", 1)
    }


@pytest.mark.parametrize("sealed", [True, False])
def test_different_messages_with_one_id_are_stored_once_after_a_restart(world: World, *, sealed: bool) -> None:
    for frame in (trade, book):
        two = [frame(1), frame(1).replace(b"[]", b'[["1","2"]]').replace(b"1.5", b"9.5")]
        journal = world.journal()
        journal.append_frames(world.now_ns, 0, two)
        journal.append_frames(world.now_ns, 1, two)
        if sealed:
            world.run(stop_after_secs=8)
        else:
            world.run_for(world.secs + 8)
        journal.append_frames(world.now_ns, 0, two)
        journal.append_frames(world.now_ns, 1, two[::-1])
        journal.close()
        world.run(stop_after_secs=8)
        assert sorted(payload for payload in world.payloads() if payload in two) == sorted(two)
    assert len(world.payloads()) == 4


def test_undecodable_frames_are_stored_and_share_one_gap_row_a_stretch(world: World) -> None:
    bad = [b"{", b"", b"\xff\xfe", b'{"stream":"xrpusdt@trade","data":{}}', b"\x00" * 5_000_000]
    journal = world.journal()
    journal.append_frames(START_NS, 0, [*bad, trade(1)])
    journal.append_frames(START_NS, 0, [b"\x01\x02"], {0})
    world.run()
    assert world.payloads() == [*bad, trade(1), b"\x01\x02"]
    assert len(world.query("SELECT * FROM reasons WHERE reason <> ''")) == 6
    assert world.numbers.undecodable == 6
    rows = world.query("SELECT gap_id, kind, status, ended_at, missing FROM gaps ORDER BY detected_at")
    assert [row[1:] for row in rows] == [
        ("undecodable", "open", None, 1),
        ("undecodable", "unrepairable", START_NS // 1_000, 6),
    ]
    assert len({row[0] for row in rows}) == 1


def test_a_bug_in_an_adapter_makes_its_frame_undecoded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    real = adapter("binance").decoder

    def faulty(subscription: Any) -> Any:
        decode = real(subscription)

        def step(frame: bytes) -> Any:
            if b'"t":2,' in frame:
                raise ZeroDivisionError
            return decode(frame)

        return step

    monkeypatch.setattr(type(adapter("binance")), "decoder", lambda _self, subscription: faulty(subscription))
    world.journal().append_frames(START_NS, 0, [trade(1), trade(2), trade(3)])
    world.run()
    assert world.query("SELECT reason FROM reasons") == [("ZeroDivisionError in the adapter",)]
    assert world.numbers.messages == 2


def test_control_frames_are_counted_and_not_stored(world: World) -> None:
    world.journal().append_frames(START_NS, 0, [b'{"result":null,"id":1}', trade(1)])
    world.run()
    assert world.payloads() == [trade(1)]


@pytest.mark.parametrize("broken", [0, 1, 2, 3, 4])
def test_a_kill_after_any_commit_neither_loses_nor_repeats_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: int
) -> None:
    world = World(tmp_path, writer=WriterConfig(max_batch_size=7, adaptive=False))
    journal = world.journal(file_bytes=3_000)
    for frame in ticks(40):
        journal.append_frames(START_NS, 0, [frame])
    real = OpenSegment.store
    calls = 0

    def store(segment: OpenSegment, commit: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == broken + 1:
            raise KeyboardInterrupt  # like a kill: nothing of this commit happened
        real(segment, commit)

    with monkeypatch.context() as patch:
        patch.setattr(OpenSegment, "store", store)
        with pytest.raises(KeyboardInterrupt):
            world.run()
    world.run()
    assert [row[0] for row in world.query("SELECT id FROM messages ORDER BY id")] == list(range(40))


def test_a_starting_writer_reports_while_it_restores_the_segment(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(world.config.data_dir, writer=WriterConfig(max_batch_size=500))
    journal = world.journal()
    for start in range(0, 4_000, 100):
        journal.append_frames(START_NS, 0, incompressible(100, start))
    world.run_for(8)
    monkeypatch.setattr(open_segment, "PROGRESS_STEPS", 100)

    def a_second_later() -> float:
        world.secs += 1
        return world.secs

    monkeypatch.setattr(world, "monotonic", a_second_later)
    reports: list[Any] = []
    restored: list[int] = []
    real = DuplicateFilter.remember

    def remember(memory: DuplicateFilter, message_id: int, received_us: int, digest: int) -> None:
        restored.append(len(reports))
        real(memory, message_id, received_us, digest)

    monkeypatch.setattr(DuplicateFilter, "remember", remember)
    Writer(world.context("writer", reports.append), adapter, lambda _folder: world.free)
    assert len(restored) == 4_000
    assert restored[0] > 5, "the check of the whole segment comes first"
    assert restored[-1] > restored[0] + 5
    assert reports == [WriterReport()] * len(reports)


@pytest.mark.parametrize(
    ("owner", "name", "size"),
    [(DuplicateFilter, "judge", 1), (DuplicateFilter, "judge_together", 4), (StreamState, "row", 4)],
)
def test_a_writer_reports_however_long_its_work_takes(
    world: World, monkeypatch: pytest.MonkeyPatch, owner: type, name: str, size: int
) -> None:
    """Judging a message, or a stream's messages in a record, or encoding a stream's state, takes ten seconds."""
    journal = world.journal()
    for number in range(20):
        ids = range(number * size, (number + 1) * size)
        trades = [trade(one, symbol=symbol) for one in ids for symbol in SYMBOLS]
        # Pauses of the streams are looked at every five seconds, so each record is judged by itself.
        at_ns = START_NS + number * 5_000_000_000
        journal.append_frames(at_ns, 0, [*trades, *(diff(one, one) for one in ids)])
    real, told = getattr(owner, name), [0.0]

    def slowly(*given: Any) -> Any:
        world.secs += 10
        return real(*given)

    monkeypatch.setattr(owner, name, slowly)
    world.stop_when = lambda: True
    context = world.context("writer", lambda _numbers: told.append(world.secs))
    Writer(context, adapter, lambda _folder: world.free).run()
    assert world.secs > 60
    assert max(later - earlier for earlier, later in pairwise(told)) <= 30


def test_no_thread_reports_for_a_writer_in_a_commit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    before, meanwhile = set(threading.enumerate()), set[threading.Thread]()
    real = OpenSegment.store

    def store(segment: OpenSegment, commit: Any) -> None:
        meanwhile.update(threading.enumerate())
        real(segment, commit)

    monkeypatch.setattr(OpenSegment, "store", store)
    world.journal().append_frames(START_NS, 0, [trade(1)])
    world.run()
    assert meanwhile == before


def test_a_failed_commit_is_retried_and_nothing_is_read_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = OpenSegment.store
    failures = iter([True, True, False])

    def store(segment: OpenSegment, commit: Any) -> None:
        if next(failures, False):
            raise CommitError("database or disk is full")
        real(segment, commit)

    monkeypatch.setattr(OpenSegment, "store", store)
    world.journal().append_frames(START_NS, 0, [trade(1)])
    world.run()
    assert world.payloads() == [trade(1)]
    assert world.events.count("commit_failed") == 1
    assert "commit_recovered" in world.events


def test_the_writer_pauses_below_half_the_mark_and_goes_on_by_itself(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.free = 0
    slept: list[float] = []

    def sleep(secs: float) -> None:
        slept.append(secs)
        if len(slept) == 3:
            world.free = 1 << 40

    monkeypatch.setattr(world, "sleep", sleep)
    world.journal().append_frames(START_NS, 0, [trade(1)])
    world.run()
    assert len(slept) == 3
    assert world.payloads() == [trade(1)]


def test_a_disk_pause_begins_with_a_seal_that_frees_journals(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    journals = world.config.data_dir / "journal/f"
    real = world.sleep

    def sleep(secs: float) -> None:
        real(secs)
        if world.secs > 10 and "writer_paused" not in world.events:
            world.free = 1 << 28
        if "segment_sealed" in world.events:
            assert journal_files(journals) == []
            world.free = 1 << 40

    monkeypatch.setattr(world, "sleep", sleep)
    journal = world.journal()
    journal.append_frames(START_NS, 0, [trade(1)])
    journal.close()
    world.run(stop_after_secs=20)
    assert "writer_resumed" in world.events
    assert len(sealed_segments(world.config.data_dir / "segments")) == 1
    assert world.payloads() == [trade(1)]


def test_a_disk_too_full_for_a_seal_waits_for_the_archiver(world: World) -> None:
    real = world.sleep

    def sleep(secs: float) -> None:
        real(secs)
        world.free = 1_000 if 10 < world.secs < 20 else 1 << 40

    world.sleep = sleep  # type: ignore[method-assign]
    journal = world.journal()
    journal.append_frames(START_NS, 0, [trade(1)])
    journal.close()
    world.run_for(30)
    assert "writer_paused" in world.events
    assert "segment_sealed" not in world.events


@pytest.mark.parametrize(
    ("limits", "free", "seals"),
    [
        (JournalConfig(), 1 << 40, 0),
        (JournalConfig(), (3 << 29) - 1, 1),
        (JournalConfig(min_free_bytes=0), 0, 0),
    ],
    ids=["room", "short disk", "no mark"],
)
def test_a_full_disk_causes_an_early_seal_that_makes_room(
    world: World, limits: JournalConfig, free: int, seals: int
) -> None:
    world = World(world.config.data_dir, journal=limits)
    world.free = free
    journal = world.journal(file_bytes=1_000)
    for number in range(20):
        journal.append_frames(START_NS, 0, [trade(number)])
    world.run_for(20)
    assert world.events.count("segment_sealed") == seals
    assert len(journal_files(world.config.data_dir / "journal/f")) == (1 if seals else journal.number)


def test_a_full_disk_causes_no_seal_that_would_free_nothing(world: World) -> None:
    world.free = 1 << 30
    world.journal().append_frames(START_NS, 0, [trade(1)])
    world.run_for(20)
    assert world.events.count("segment_sealed") == 0


def test_a_segment_is_sealed_on_a_multiple_of_its_interval(world: World) -> None:
    world = World(world.config.data_dir, segment=SegmentConfig(interval_secs=600.0))
    # 2023-11-14T22:13:20Z: the next multiple of ten minutes is 400 s away.
    world.journal().append_frames(START_NS, 0, [trade(1)])
    until = 450.0
    world.run(stop_after_secs=until)
    assert [(round(at), notice.kind) for at, notice in world.sent] == [(400, "sealed")]


def test_a_clock_set_back_does_not_put_off_a_seal(world: World) -> None:
    world = World(world.config.data_dir, segment=SegmentConfig(interval_secs=600.0))
    world.journal().append_frames(START_NS, 0, [trade(1)])
    real = world.sleep

    def sleep(secs: float) -> None:
        real(secs)
        if 100 < world.secs < 102:
            world.now_ns -= 3_600_000_000_000

    world.sleep = sleep  # type: ignore[method-assign]
    world.run(stop_after_secs=650)
    assert len(world.sent) == 1


def test_a_large_segment_is_sealed_at_once(world: World) -> None:
    world = World(
        world.config.data_dir, segment=SegmentConfig(max_bytes=1 << 20), writer=WriterConfig(max_batch_size=500)
    )
    journal = world.journal()
    for start in range(0, 20_000, 100):
        journal.append_frames(START_NS, 0, incompressible(100, start))
    world.run()
    assert len(world.sent) >= 3
    assert [row[0] for row in world.query("SELECT id FROM messages ORDER BY id")] == list(range(20_000))


def test_a_clean_stop_leaves_an_open_segment_without_rows_and_no_journal(world: World) -> None:
    journal = world.journal(file_bytes=500)
    for frame in ticks(20):
        journal.append_frames(START_NS, 0, [frame])
    journal.close()
    world.run()
    assert journal_files(world.config.data_dir / "journal/f") == []
    assert len(sealed_segments(world.config.data_dir / "segments")) == 1
    (opened,) = (world.config.data_dir / "segments").glob("*.open.db")
    db = sqlite3.connect(opened)
    assert db.execute("SELECT count(*) FROM blocks").fetchone() == (0,)
    db.close()
    positions = json.loads((world.config.data_dir / "segments/positions.json").read_bytes())["positions"]
    assert max(entry["number"] for entry in positions) == journal.number


def test_a_writer_that_is_renewed_leaves_at_once_and_its_successor_goes_on(world: World) -> None:
    journal = world.journal()
    journal.append_frames(START_NS, 0, [trade(1), trade(2), trade(4)])
    world.stop_when = world.renew_when = lambda: world.secs >= 1
    world.writer().run()
    assert 1 <= world.secs <= 2
    assert sealed_segments(world.config.data_dir / "segments") == []
    assert world.query("SELECT * FROM gaps") == [], "the hole may still be filled"
    journal.append_frames(START_NS, 0, [trade(3), trade(5)])
    world.renew_when = lambda: False
    world.run()
    assert sorted(world.payloads()) == [trade(number) for number in range(1, 6)]
    assert world.query("SELECT * FROM gaps") == []


def test_a_writer_that_is_renewed_goes_on_from_its_last_commit_and_waits_for_no_disk(world: World) -> None:
    world.journal().append_frames(START_NS, 0, ticks_list(30))
    world.renew_when = lambda: bool(world.numbers.stored) and world.free == 0

    def stopping() -> bool:
        if world.numbers.stored == 30:
            world.free = 0
        return world.renew_when()

    world.stop_when = stopping
    world.writer().run()
    assert world.payloads() == ticks_list(30)
    world.renew_when, world.free = lambda: False, 1 << 40
    world.journal().append_frames(START_NS, 0, ticks_list(30, 30))
    world.run()
    assert world.payloads() == ticks_list(60)
    assert "writer_resumed" not in world.events


def test_a_writer_that_is_renewed_reads_no_backlog(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Writer, "_read_all", lambda _writer: pytest.fail("it reads"))
    world.journal().append_frames(START_NS, 0, ticks_list(50))
    world.stop_when = world.renew_when = lambda: True
    world.writer().run()
    assert world.payloads() == []
    world.renew_when = lambda: False
    monkeypatch.undo()
    world.run()
    assert world.payloads() == ticks_list(50)


def test_frames_without_rows_leave_no_journal_after_a_stop(world: World) -> None:
    journal = world.journal()
    journal.append_frames(START_NS, 0, [b'{"result":null,"id":1}'])
    journal.close()
    world.run()
    assert journal_files(world.config.data_dir / "journal/f") == []
    assert sealed_segments(world.config.data_dir / "segments") == []


def test_a_refusal_is_one_budget_row_for_each_configured_stream(world: World) -> None:
    journal = world.journal()
    journal.append_event(RecordKind.REFUSING, START_NS, 0, {"reason": "disk", "started_ns": START_NS})
    info = {"frames": 12, "bytes": 3_000, "started_ns": START_NS}
    journal.append_event(RecordKind.RESUMED, START_NS + 5_000_000_000, 0, info)
    world.run()
    rows = world.query("SELECT symbol, stream_type, kind, cause, missing, ended_at - started_at FROM gaps")
    assert len(rows) == len(SYMBOLS) * len(TYPES)
    assert {row[2:] for row in rows} == {("budget", "disk_budget", None, 5_000_000)}
    assert world.numbers.refused == 12


def test_a_refusal_whose_ingest_was_killed_ends_with_its_successor(world: World) -> None:
    world.journal().append_event(RecordKind.REFUSING, START_NS, 0, {"reason": "disk", "started_ns": START_NS})
    world.now_ns += 9_000_000_000
    world.journal().append_event(RecordKind.CONNECT, world.now_ns, 0, connection(1))
    world.run()
    spans = {row[0] for row in world.query("SELECT ended_at - started_at FROM gaps WHERE kind='budget'")}
    assert spans == {9_000_000}


def test_a_damaged_record_is_a_row_and_the_rest_is_stored(world: World) -> None:
    journal = world.journal()
    journal.append_frames(START_NS, 0, [trade(1)])
    start = journal.position
    journal.append_frames(START_NS, 0, [trade(2)])
    journal.append_frames(START_NS, 0, [trade(3)])
    with (world.config.data_dir / "journal/f/000000000001.journal").open("r+b") as file:
        file.seek(start + 60)
        file.write(b"\xff")
    world.run()
    assert [row[0] for row in world.query("SELECT id FROM messages ORDER BY id")] == [1, 3]
    assert world.query("SELECT symbol, kind, cause, expected_id, actual_id FROM gaps WHERE kind='sequence'") == [
        ("BTCUSDT", "sequence", "disk", "2", "3")
    ]
    assert world.query("SELECT exchange, symbol, cause FROM gaps WHERE kind='damaged'") == [("binance", "_", "disk")]


def test_journals_of_a_feed_not_configured_any_more_are_stored(world: World) -> None:
    world.journal().append_frames(START_NS, 0, [trade(1)])
    other = World(world.config.data_dir)
    other.config = replace(other.config, feed=(FeedConfig(symbols=("SOLUSDT",), name="g"),))
    other.gone = True
    other.run()
    assert world.payloads() == [trade(1)]


def test_ids_that_restart_begin_a_new_series_and_are_kept(world: World) -> None:
    journal = world.journal()
    journal.append_frames(START_NS, 0, list(ticks(1_000, start=5_000)))
    again = [trade(n, at=100_000 + n) for n in range(5_100, 5_103)]
    journal.append_frames(START_NS + 100_000_000_000, 0, again)
    world.run()
    assert world.payloads()[-3:] == again
    assert world.query("SELECT DISTINCT series FROM messages") == [(0,), (1,)]
    assert world.query("SELECT kind, cause, actual_id FROM gaps") == [("reset", "exchange", "5100")]


@pytest.mark.parametrize("sealed", [True, False])
def test_ids_that_restart_a_little_lower_are_not_conflicts(world: World, *, sealed: bool) -> None:
    journal = world.journal()
    journal.append_frames(START_NS, 0, [trade(n) for n in range(1_000, 1_100)])
    if sealed:
        world.run(stop_after_secs=10)
    again = [trade(n, price="2", at=10_000 + n) for n in range(1_050, 1_200)]
    journal.append_frames(START_NS + 10_000_000_000, 0, again[:10])
    world.run_for(world.secs + 8)
    journal.append_frames(START_NS + 10_000_000_000, 0, again[10:])
    journal.close()
    world.gone = True
    world.run()
    assert world.query("SELECT series, count(*), max(id) FROM messages GROUP BY series") in (
        [(0, 100, 1_099), (1, 150, 1_199)],
        [(1, 150, 1_199), (0, 100, 1_099)],
    )
    assert world.query("SELECT DISTINCT kind FROM gaps") == [("reset",)]


def test_lag_is_reported_while_it_lasts(world: World) -> None:
    journal = world.journal()
    journal.append_frames(START_NS, 0, [trade(1)])
    world.run()
    assert world.numbers.journals == [JournalLag(feed="f", files=1)]


def test_lag_is_the_age_of_the_first_unread_record(world: World) -> None:
    journal = world.journal()
    journal.append_frames(START_NS, 0, [trade(1)])
    world.run()
    world.now_ns = START_NS + 3_600_000_000_000
    journal.append_frames(world.now_ns - 2_000_000_000, 0, [trade(2)])
    (told,) = world.writer()._build_report(0).journals
    assert (told.unread_files, told.lag_secs) == (1, 2.0)


def test_unknown_subscriptions_in_a_journal_make_undecoded_rows(world: World) -> None:
    kline = b'{"stream":"btcusdt@kline_1m","data":{"e":"kline"}}'
    small = trade(3).replace(b"BTCUSDT", b"btcusdt")
    for symbols, data_types in ((SYMBOLS, ("kline", "trade")), (("btcusdt", *SYMBOLS), ("trade",))):
        journal = world.journal(symbols=symbols, data_types=data_types)
        journal.append_event(RecordKind.CONNECT, START_NS, 0, connection(1))
        journal.append_frames(START_NS, 0, [trade(len(symbols)), kline, small])
        journal.close()
    world.gone = True
    world.run()
    assert world.payloads() == [trade(2), kline, small, trade(3), kline, small]
    undecoded = "SELECT payload FROM messages JOIN reasons USING (row) ORDER BY row"
    assert world.query(undecoded) == [(kline,), (small,), (kline,)], (
        "a symbol is whatever the journal's subscription says"
    )


def test_received_counts_copies_and_undecodable_frames_too(world: World) -> None:
    journal = world.journal()
    journal.append_frames(START_NS, 0, [trade(1), trade(2), trade(2), b"neither this nor that"])
    world.run()
    streams = world.numbers.streams
    assert {stream.data_type: stream.messages + stream.duplicates for stream in streams} == {"trade": 3, "undecoded": 1}


GAP = (
    "SELECT stream_type, kind, cause, expected_id, actual_id, missing, status, repaired_by"
    f" FROM gaps WHERE {SPOKEN} AND kind != 'book_unknown' ORDER BY row"
)


def test_missing_ids_are_one_row_after_the_reorder_window(world: World) -> None:
    journal = world.journal()
    journal.append_frames(START_NS, 0, [trade(1), trade(5), diff(10, 20), diff(31, 40)])
    journal.append_frames(START_NS + 3_000_000_000, 0, [trade(6)])
    world.run()
    assert set(world.query(GAP)) == {
        ("trade", "sequence", "exchange", "2", "5", 3, "open", None),
        ("book_delta", "sequence", "exchange", "21", "31", 10, "open", None),
    }
    times = world.query("SELECT started_at, ended_at FROM gaps WHERE stream_type='trade'")
    assert times == [(START_NS // 1_000, START_NS // 1_000)]


def test_a_message_late_within_the_reorder_window_is_only_counted(world: World) -> None:
    world.journal().append_frames(START_NS, 0, [trade(1), trade(3), trade(2), trade(4)])
    world.run()
    assert world.query(GAP) == []
    assert world.numbers.late == 1
    assert [row[0] for row in world.query("SELECT id FROM messages ORDER BY row")] == [1, 3, 2, 4]


def test_a_message_after_the_reorder_window_repairs_its_gap(world: World) -> None:
    journal = world.journal()
    journal.append_frames(START_NS, 0, [trade(1), trade(4)])
    world.run(stop_after_secs=10)
    journal.append_frames(START_NS + 10_000_000_000, 0, [trade(2)])
    world.run(stop_after_secs=10)
    journal.append_frames(START_NS + 20_000_000_000, 0, [trade(3)])
    world.run()
    rows = world.query("SELECT gap_id, status, missing, repaired_by FROM gaps ORDER BY detected_at")
    assert [row[1:] for row in rows] == [("open", 2, None), ("partly_repaired", 1, "late"), ("repaired", 0, "late")]
    assert len({row[0] for row in rows}) == 1


def test_an_outage_is_a_row_only_where_ids_prove_nothing(world: World) -> None:
    journal = world.journal()
    journal.append_event(RecordKind.CONNECT, START_NS, 0, connection(1))
    journal.append_frames(START_NS + 1, 0, [trade(1), book(5), diff(1, 2)])
    journal.append_event(RecordKind.DISCONNECT, START_NS + 2_000_000_000, 0, {**connection(1), "cause": "disconnect"})
    journal.append_event(RecordKind.CONNECT, START_NS + 7_000_000_000, 0, connection(2))
    journal.append_frames(START_NS + 8_000_000_000, 0, [trade(2), book(9), diff(8, 9)])
    world.run()
    assert set(world.query(GAP)) == {
        ("book_snapshot", "silence", "disconnect", None, None, None, "unrepairable", None),
        ("book_delta", "sequence", "disconnect", "3", "8", 5, "open", None),
    }
    spans = world.query(f"SELECT ended_at - started_at FROM gaps WHERE kind='silence' AND {SPOKEN}")
    assert spans == [(5_000_000,)]


def test_a_renewed_connection_is_no_outage(world: World) -> None:
    journal = world.journal()
    journal.append_event(RecordKind.CONNECT, START_NS, 0, connection(1))
    journal.append_frames(START_NS + 1, 0, [book(5)])
    journal.append_event(RecordKind.CONNECT, START_NS + 2_000_000_000, 0, connection(2))
    journal.append_frames(START_NS + 3_000_000_000, 0, [book(5), book(6)])
    journal.append_event(RecordKind.DISCONNECT, START_NS + 3_000_000_001, 0, {**connection(1), "cause": "disconnect"})
    world.run()
    assert world.query(GAP) == []
    assert world.numbers.duplicates == 1


@pytest.mark.parametrize("between", [0, 1])
def test_a_killed_ingest_is_an_outage_of_cause_restart(world: World, between: int) -> None:
    first = world.journal()
    first.append_event(RecordKind.CONNECT, START_NS, 0, connection(1))
    first.append_frames(START_NS + 1_000_000_000, 0, [trade(1), book(5)])
    if between:
        world.run()  # the writer may be restarted as well
    world.now_ns = START_NS + 4_000_000_000
    second = world.journal()
    second.append_event(RecordKind.CONNECT, START_NS + 4_000_000_000, 0, connection(1))
    second.append_frames(START_NS + 5_000_000_000, 0, [trade(7), book(9)])
    world.run()
    assert set(world.query(GAP)) == {
        ("book_snapshot", "silence", "restart", None, None, None, "unrepairable", None),
        ("trade", "sequence", "restart", "2", "7", 5, "open", None),
    }
    assert world.query(f"SELECT ended_at - started_at FROM gaps WHERE kind='silence' AND {SPOKEN}") == [(3_000_000,)]


def test_a_refused_hole_is_not_a_sequence_row(world: World) -> None:
    journal = world.journal()
    journal.append_frames(START_NS, 0, [trade(1)])
    info = {"frames": 3, "bytes": 300, "started_ns": START_NS + 1}
    journal.append_event(RecordKind.RESUMED, START_NS + 5_000_000_000, 0, info)
    journal.append_frames(START_NS + 6_000_000_000, 0, [trade(5)])
    world.run()
    assert {row[0] for row in world.query("SELECT kind FROM gaps")} == {"budget"}


def test_a_hole_left_by_an_undecodable_frame_has_cause_parse(world: World) -> None:
    world.journal().append_frames(START_NS, 0, [trade(1), trade(2)[:-3], trade(3)])
    world.run()
    assert ("trade", "sequence", "parse", "2", "3", 1, "open", None) in world.query(GAP)


def test_a_hole_becomes_a_gap_though_nothing_more_comes(world: World) -> None:
    world.journal().append_frames(START_NS, 0, [trade(1), trade(3)])
    real = world.sleep
    found: list[float] = []

    def sleep(secs: float) -> None:
        real(secs)
        if not found and world.query(GAP):
            found.append(world.secs)

    world.sleep = sleep  # type: ignore[method-assign]
    world.run(stop_after_secs=30)
    assert 2 <= found[0] <= 15


def test_two_lines_merge_into_one_stream_without_a_gap(tmp_path: Path) -> None:
    world = World(tmp_path)
    feed = replace(world.config.feed[0], lines=2)
    world.config = replace(world.config, feed=(feed,))
    journal = world.journal()
    for start in range(0, 2_000, 100):
        lost = start + 50
        journal.append_frames(START_NS + start, 0, [trade(n) for n in range(start, start + 100) if n != lost])
        journal.append_frames(START_NS + start, 1, [trade(n) for n in range(start, start + 100)])
    world.run()
    assert [row[0] for row in world.query("SELECT id FROM messages ORDER BY id")] == list(range(2_000))
    assert world.query(GAP) == []
    assert (world.numbers.duplicates, world.numbers.late) == (2_000 - 20, 20)


def test_missing_segments_are_logged_if_journals_were_sealed(world: World) -> None:
    journal = world.journal(file_bytes=2_000)
    for frame in ticks(30):
        journal.append_frames(START_NS, 0, [frame])
    world.run()
    assert "segments_missing" not in world.events
    assert min(number for number, _ in journal_files(world.config.data_dir / "journal/f")) > 1
    shutil.rmtree(world.config.data_dir / "segments")
    world.run()
    assert world.events.count("segments_missing") == 1
    world.run()
    assert world.events.count("segments_missing") == 1


def test_a_segment_that_cannot_be_restored_blocks_commits_and_is_retried(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, folder = world.journal(), world.config.data_dir / "segments"
    journal.append_frames(START_NS, 0, ticks_list(5))
    real, failures = OpenSegment.copy_to, iter([True, True])

    def copy_to(segment: OpenSegment, path: Path, on_progress: Callable[[], None]) -> None:
        if next(failures, False):
            raise CommitError("database or disk is full")
        real(segment, path, on_progress)

    def sleep(secs: float) -> None:
        slept(secs)
        if world.secs >= 8 and journal.position < 1_500:
            shutil.rmtree(folder)
            journal.append_frames(world.now_ns, 0, ticks_list(5, start=5))

    monkeypatch.setattr(OpenSegment, "copy_to", copy_to)
    slept, world.sleep = world.sleep, sleep  # type: ignore[method-assign]
    world.run(stop_after_secs=20)
    assert [row[0] for row in world.query("SELECT id FROM messages ORDER BY id")] == list(range(10))
    assert [world.events.count(event) for event in ("segments_removed", "segments_put_back")] == [1, 1]
    assert world.numbers.segments_removed


def test_files_removed_right_before_a_seal_are_put_back_first(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.journal().append_frames(START_NS, 0, ticks_list(5))
    real = OpenSegment.store

    def store(segment: OpenSegment, commit: Commit) -> None:
        real(segment, commit)
        shutil.rmtree(world.config.data_dir / "segments")

    monkeypatch.setattr(OpenSegment, "store", store)
    world.run()
    assert [row[0] for row in world.query("SELECT id FROM messages ORDER BY id")] == list(range(5))
    assert [world.events.count(event) for event in ("segments_removed", "segments_put_back")] == [1, 1]


@pytest.mark.parametrize("sealed_before", [False, True])
def test_an_unreadable_open_segment_is_rebuilt_from_the_journals(tmp_path: Path, sealed_before: bool) -> None:
    world = World(tmp_path)
    journal = world.journal(file_bytes=4_000)
    for frame in ticks(30):
        journal.append_frames(START_NS, 0, [frame, frame])
    if sealed_before:
        world.run()
    for frame in ticks(30, start=30):
        journal.append_frames(START_NS, 0, [frame, trade(5)])
    with pytest.raises(KeyboardInterrupt):
        world.run_until_commit()
    (opened,) = (tmp_path / "segments").glob("*.open.db")
    opened.write_bytes(b"rotten" + opened.read_bytes()[6:])
    world.run()
    assert [row[0] for row in world.query("SELECT id FROM messages ORDER BY id")] == list(range(60))
    assert "segment_rebuilt" in world.events
    assert opened.name in {path.name for path in (tmp_path / "quarantine").iterdir()}


def test_large_finished_journals_cause_a_seal(tmp_path: Path) -> None:
    limits = JournalConfig(file_bytes=8_192, max_bytes=32_768)
    world = World(tmp_path, journal=limits)
    journal = world.journal(file_bytes=8_192)
    for start in range(0, 600, 10):
        journal.append_frames(START_NS, 0, list(ticks(10, start)))
    world.run(stop_after_secs=20)
    assert world.sent[0][0] < 20
    assert sum(path.stat().st_size for _, path in journal_files(tmp_path / "journal/f")) <= limits.max_bytes // 2


def test_a_stop_waits_for_a_reader_of_the_open_segment_and_then_seals(world: World) -> None:
    world.journal().append_frames(START_NS, 0, [trade(1)])
    world.run_to_the_stop_with_a_reader(leaves_after_secs=3)
    assert len(sealed_segments(world.config.data_dir / "segments")) == 1
    assert "segment_left_open" not in world.events


def test_a_segment_that_is_being_read_is_sealed_once_the_reader_leaves(world: World) -> None:
    world = World(world.config.data_dir, segment=SegmentConfig(max_bytes=1 << 20))
    journal = world.journal()
    for start in range(0, 20_000, 100):
        journal.append_frames(START_NS, 0, incompressible(100, start))
    world.run_with_a_reader(leaves_after_secs=30, stop_after_secs=60)
    assert max(world.sizes) > 2 << 20
    assert world.sizes[-1] < 1 << 20
    assert world.events.count("seal_delayed") == 1
    assert len(world.payloads()) == 20_000


def test_a_lasting_reader_puts_the_seal_off_to_the_next_start(world: World) -> None:
    world.journal().append_frames(START_NS, 0, [trade(1)])
    world.run_to_the_stop_with_a_reader(leaves_after_secs=1_000)
    assert sealed_segments(world.config.data_dir / "segments") == []
    assert "segment_left_open" in world.events
    world.run()
    assert len(sealed_segments(world.config.data_dir / "segments")) == 1
    assert world.payloads() == [trade(1)]


def test_a_stretch_never_ends_before_it_starts(world: World) -> None:
    journal = world.journal()
    journal.append_frames(START_NS, 0, [b"{"])
    journal.append_frames(START_NS - 7_200_000_000_000, 0, [b"{"])
    journal.append_frames(START_NS + 1, 0, [trade(1)])
    world.run()
    assert world.query("SELECT count(*) FROM gaps WHERE ended_at < started_at") == [(0,), (0,)]
    assert ("undecodable", "unrepairable") in world.query("SELECT kind, status FROM gaps")


def test_a_refusal_over_a_clock_set_back_ends_where_it_began(world: World) -> None:
    journal = world.journal()
    info = {"frames": 12, "bytes": 3_000, "started_ns": START_NS}
    journal.append_event(RecordKind.RESUMED, START_NS - 7_200_000_000_000, 0, info)
    world.run()
    spans = {row[0] for row in world.query("SELECT ended_at - started_at FROM gaps WHERE kind='budget'")}
    assert spans == {0}


def test_the_report_counts_each_stream_and_what_of_it_is_durable(world: World) -> None:
    frame = trade(1)
    world.journal().append_frames(START_NS, 0, [frame, frame, trade(2), book(5), b"?"])
    world.run(stop_after_secs=3)
    assert world.numbers.stored == 4
    streams = {stream.symbol: stream for stream in world.numbers.streams if stream.data_type in {"trade", "undecoded"}}
    (stored_bytes,) = world.query(
        "SELECT sum(length(payload)) FROM messages JOIN streams USING (stream_id) WHERE data_type = 'trade'"
    )[0]
    traded = streams["BTCUSDT"]
    assert (traded.messages, traded.duplicates, traded.stored, traded.gaps) == (2, 1, 2, 0)
    assert (traded.bytes, traded.stored_bytes) == (stored_bytes, stored_bytes)
    assert traded.duplicate_bytes == stored_bytes // 2
    assert traded.last_received_us == START_NS // 1_000
    assert traded.last_durable_us is not None
    assert traded.last_durable_us >= traded.last_received_us
    assert (streams["_"].messages, streams["_"].stored) == (1, 1)


def test_rows_that_are_not_committed_yet_are_not_counted_as_stored(world: World) -> None:
    world = World(world.config.data_dir, writer=WriterConfig(batch_interval_secs=60.0))
    seen: list[tuple[int, int]] = []
    world.journal().append_frames(START_NS, 0, [trade(1)])
    real = world.wait

    def wait(timeout_secs: float) -> Notice | None:
        if world.numbers.streams:
            seen.append((world.numbers.messages, world.numbers.streams[0].stored))
        return real(timeout_secs)

    world.wait = wait  # type: ignore[method-assign]
    world.run(stop_after_secs=10)
    assert set(seen) == {(1, 0)}
    assert (world.numbers.messages, world.numbers.streams[0].stored) == (1, 1)


def test_the_report_counts_ledger_rows_by_their_labels(world: World) -> None:
    journal = world.journal()
    journal.append_frames(START_NS, 0, [trade(1), trade(5), diff(10, 20), diff(31, 40)])
    journal.append_frames(START_NS + 3_000_000_000, 0, [trade(6)])
    world.run()
    assert sorted(world.numbers.ledger) == [
        ("binance", "BTCUSDT", "book_delta", "book_unknown", "open", 1),
        ("binance", "BTCUSDT", "book_delta", "sequence", "open", 1),
        ("binance", "BTCUSDT", "trade", "sequence", "open", 1),
    ]


def test_the_report_has_latencies_and_clock_offsets(world: World) -> None:
    frames = [trade(n, at=-1_500) for n in range(20)]
    world.journal().append_frames(START_NS, 0, frames)
    world.run(stop_after_secs=10)
    assert world.numbers.clock_offsets_us == {"f": 1_500_000}
    histogram = {index: count for feed, index, count in world.numbers.to_receive if feed == "f"}
    assert histogram == {9: 20, -1: 20 * 1_500_000}
    assert sum(count for _, index, count in world.numbers.to_durable if index >= 0) == 20
    assert sum(count for index, count in world.numbers.commits if index >= 0) == 1


def test_a_new_ledger_row_is_repeated_in_a_limited_number_of_reports(world: World) -> None:
    journal = world.journal()
    journal.append_frames(START_NS, 0, [trade(1), trade(5)])
    journal.append_frames(START_NS + 3_000_000_000, 0, [trade(6)])
    world.run()
    ((exchange, symbol, gap),) = world.numbers.gap_rows
    assert (exchange, symbol, gap.stream_type, gap.kind, gap.missing) == ("binance", "BTCUSDT", "trade", "sequence", 3)
    assert [gap.gap_id] == [row[0] for row in world.query("SELECT gap_id FROM gaps")]
    journal.append_frames(world.now_ns, 0, [trade(9)])
    told: list[int] = []
    world.run(stop_after_secs=5)
    assert [row[-1].expected_id for row in world.numbers.gap_rows] == ["7"]
    journal.append_frames(world.now_ns, 0, [trade(12)])
    writer, until = world.writer(), world.secs + 60

    def stopping() -> bool:
        told.append(len(world.numbers.gap_rows))
        return world.secs >= until

    world.stop_when = stopping
    writer.run()
    assert max(told) == 1
    assert told[-1] == 0


def test_an_impossible_time_costs_no_row_and_misleads_no_verdict(world: World) -> None:
    journal = world.journal()
    now_ms, day_ms = START_NS // 1_000_000, 86_400_000
    odd = [b"0", b"-1", str(now_ms * 1_000).encode(), str(now_ms + 10 * day_ms).encode(), b'"soon"', b"null"]
    frames = [trade(n) for n in range(300)]
    for number, time in enumerate(odd, 1):
        frames[40 * number] = re.sub(rb'"T":\d+', b'"T":' + time, frames[40 * number])
    journal.append_frames(START_NS, 0, frames)
    journal.append_frames(START_NS + 1_000_000, 0, [frames[0], frames[45], frames[290]])
    world.run()
    assert world.payloads() == frames
    assert world.query("SELECT DISTINCT kind FROM gaps WHERE " + SPOKEN) == []
    assert world.query("SELECT DISTINCT series FROM messages") == [(0,)]


@pytest.mark.parametrize("with_positions", [False, True])
def test_an_open_segment_put_there_by_hand_is_set_aside(tmp_path: Path, with_positions: bool) -> None:
    world = World(tmp_path / "data")
    segments, backup = tmp_path / "data/segments", tmp_path / "backup"
    journal = world.journal()
    journal.append_frames(world.now_ns, 0, ticks_list(5))
    world.run_for(10)
    shutil.copytree(segments, backup)
    gc.collect()  # the files of the dead writer are not to be open any more when others take their names
    journal.append_frames(world.now_ns, 0, ticks_list(5, start=5))
    world.run()
    journal.append_frames(world.now_ns, 0, ticks_list(5, start=10))
    world.run_for(world.secs + 10)
    gc.collect()
    for path in backup.iterdir():
        if with_positions or path.name != "positions.json":
            shutil.copy(path, segments)
    world.run()
    assert [row[0] for row in world.query("SELECT id FROM messages ORDER BY id")] == list(range(15))
    assert {path.name for path in backup.glob("*.open.db*")} == {
        path.name for path in (tmp_path / "data/quarantine").iterdir()
    }
    assert world.events.count("open_segments_set_aside") == 1
    world.run()
    assert world.events.count("open_segments_set_aside") == 1


def test_a_finished_journal_that_grows_is_read_on_and_not_removed(world: World) -> None:
    journal = world.journal()
    journal.append_frames(START_NS, 0, ticks_list(5))
    world.gone = True
    world.run_for(10)
    real = OpenSegment.checkpoint

    def fold(segment: OpenSegment) -> None:
        real(segment)
        if journal.position < 5_000:
            journal.append_frames(START_NS, 0, ticks_list(40, start=5))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OpenSegment, "checkpoint", fold)
        world.run()
    assert list((world.config.data_dir / "journal/f").iterdir())
    world.run()
    assert [row[0] for row in world.query("SELECT id FROM messages ORDER BY id")] == list(range(45))
    assert not list((world.config.data_dir / "journal/f").iterdir())
