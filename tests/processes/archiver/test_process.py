"""The archiver with real segments, real Parquet and a real folder as the store: nothing lost, nothing twice."""

import errno
import os
import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet as pq

from collector.domain.errors import ConfigError, NewerDataError, StoreError
from collector.domain.store_state import State
from collector.exchanges.adapter import Adapter
from collector.processes.archiver.backoff import new_delays
from collector.processes.archiver.interrupted_work import KILLED_SECS, MAX_KILLS
from collector.processes.archiver.process import Archiver
from collector.reports import ArchiverReport
from collector.storage.archive.manifest import decode_manifest
from collector.storage.archive.verify import Verification
from collector.storage.segment.attempts import Attempts, Begun
from collector.storage.segment.sealed_segment import remove_segment
from collector.storage.staging import salvaged_messages
from collector.storage.store.directory import DirectoryStore
from collector.storage.store.object_store import ObjectInfo
from tests.processes.archiver.archiver_harness import IDS, OPENED_AT, World, in_a_child, manifest_ids
from tests.storage.segment.segment_files import TRADES, UNKNOWN, ToyRowReader, make_segment, message, trade


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def short_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """No segment of a test has so many blocks: behind the last one, a salvage looks for others only as far as that."""
    monkeypatch.setattr(salvaged_messages, "_MAX_MISSED", 256)


def test_a_stop_archives_and_removes_every_sealed_segment(world: World) -> None:
    for number in (1, 0, 2):
        world.seal(number)
    world.run()
    assert manifest_ids(world.tree()) == IDS[:3]
    assert world.left() == []
    assert world.heard("segment_archived")[0]["segment"] == IDS[0], "oldest first"


def test_a_manifest_is_written_after_everything_it_names(world: World) -> None:
    world.seal(0)
    world.run()
    *objects, last = world.store.puts
    manifest = decode_manifest(world.tree()[last])
    assert sorted(described.key for described in manifest.objects) == objects == sorted(objects)
    for described in manifest.objects:
        assert world.store.head(described.key) == ObjectInfo(described.bytes, described.sha256)


def test_an_open_segment_is_left_alone(world: World) -> None:
    opened = world.seal(0)
    opened.rename(opened.with_suffix(".open.db"))
    world.run()
    assert world.left() == [f"{IDS[0]}.open.db"]
    assert world.tree() == {}


def test_files_a_reader_left_beside_a_segment_are_removed_with_it(world: World) -> None:
    path = world.seal(0)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).touch()
    world.run()
    assert world.left() == []


def test_others_are_told_when_a_segment_was_archived_and_only_then(world: World) -> None:
    world.run()
    assert world.told == 0
    world.seal(0)
    world.run()
    assert world.told == 1


def test_a_segment_sealed_while_idle_is_archived_at_the_next_poll(world: World) -> None:
    world.segments.mkdir()

    def seal_in_time() -> None:
        if world.secs == 2.0:
            world.seal(0)

    world.on_wait = seal_in_time
    world.stop_when = lambda: world.secs >= 3.0
    world.run()
    assert manifest_ids(world.tree()) == [IDS[0]]


def test_the_segments_folder_may_be_missing(world: World) -> None:
    world.run()
    assert world.reports[-1].backlog_segments == 0


def test_leftovers_of_a_kill_in_staging_are_removed_at_the_start(world: World) -> None:
    staging = world.config.data_dir / "staging"
    staging.mkdir()
    (staging / "7.parquet").write_bytes(b"half")
    world.run()
    assert list(staging.iterdir()) == []
    world.seal(0)
    world.run()
    assert list(staging.iterdir()) == []


def test_a_segment_the_store_holds_whole_is_only_removed(world: World) -> None:
    world.seal(0)
    world.run()
    tree, puts = world.tree(), list(world.store.puts)
    Attempts(world.seal(0)).note(1)
    world.run()
    assert (world.tree(), world.left(), world.store.puts) == (tree, [], puts)


def test_a_segment_back_from_quarantine_replaces_its_gap_rows(world: World) -> None:
    path = world.seal(0)
    content = path.read_bytes()
    path.write_bytes(content[:-4096])
    world.stop_when = lambda: world.waiting() == []
    world.run()
    assert world.reports[-1].quarantined == 1
    path.write_bytes(content)
    world.run()
    (manifest,) = (decode_manifest(text) for key, text in world.tree().items() if key.startswith("_manifest/"))
    assert (manifest.rows, manifest.gaps) == (4, 1)


@pytest.mark.parametrize("damage", ["object gone", "object changed", "manifest cut"])
def test_a_segment_the_store_does_not_hold_whole_is_archived_again(world: World, damage: str) -> None:
    world.seal(0)
    world.run()
    tree = world.tree()
    *objects, manifest = world.store.puts
    root = world.config.data_dir / "archive"
    match damage:
        case "object gone":
            (root / objects[0]).unlink()
        case "object changed":
            (root / objects[0]).write_bytes(b"x" * len(tree[objects[0]]))
        case _:
            (root / manifest).write_bytes(tree[manifest][:100])
    world.seal(0)
    world.run()
    assert (world.tree(), world.left()) == (tree, [])


def test_a_store_that_fails_is_tried_again_until_it_works(world: World) -> None:
    world.seal(0)
    world.stop_when = lambda: world.waiting() == []

    def fail(key: str) -> None:
        if world.secs < 100.0:
            raise StoreError("no route")

    world.store.before_put = fail
    world.run()
    assert manifest_ids(world.tree()) == [IDS[0]]
    assert [entry["error"] for entry in world.heard("store_away")] == ["no route"], "one line a change"
    (back,) = world.heard("store_back")
    assert [("away", back["tries"])] == world.reports[-1].store_tries_failed
    assert any(report.last_error == "no route" for report in world.reports)
    assert world.reports[-1].uploaded_objects == 3
    assert 1 <= world.reports[-1].failed_uploads <= 3, "while it is away no file is tried"
    assert world.reports[-1].last_error is None


def test_a_store_that_holds_other_bytes_than_were_put_is_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.seal(0)
    world.stop_when = lambda: world.waiting() == []
    wrong = iter(range(2))
    head = DirectoryStore.head

    def lying(store: DirectoryStore, key: str) -> ObjectInfo | None:
        return ObjectInfo(1, "0" * 64) if next(wrong, None) is not None else head(store, key)

    monkeypatch.setattr(DirectoryStore, "head", lying)
    world.run()
    assert "but the store holds" in world.heard("archiving_held_up")[0]["error"]
    assert world.heard("store_away") == []
    assert world.reports[-1].failed_uploads == 2
    assert manifest_ids(world.tree()) == [IDS[0]]


def test_a_stop_does_not_wait_for_a_failing_store(world: World) -> None:
    paths = [world.seal(number) for number in range(2)]

    def fail(key: str) -> None:
        raise StoreError("no route")

    world.store.before_put = fail
    world.run()
    assert world.secs == 0.0
    assert world.left() == [path.name for path in paths]
    assert world.reports[-1].backlog_segments == 2
    assert world.reports[-1].last_error == "no route"
    world.store.before_put = lambda _key: None
    world.run()
    assert manifest_ids(world.tree()) == IDS[:2]


@pytest.mark.parametrize("upload_on_stop", [False, True])
def test_a_stop_near_its_deadline_abandons_a_half_made_set(tmp_path: Path, upload_on_stop: bool) -> None:
    world = World(tmp_path, upload_on_stop=upload_on_stop)
    for number in range(2):
        world.seal(number)
    asked: list[str] = []

    def adapter_of(exchange: str) -> ToyRowReader:
        asked.append(exchange)
        return ToyRowReader()

    world.adapter_of, world.hurry_when = adapter_of, lambda: bool(asked)
    for _ in range(4):
        asked.clear()
        world.run()
        assert asked
        assert world.left() == [f"{id_}.db" for id_ in IDS[:2]]
        assert world.sets() == []
    assert [entry["segments"] for entry in world.heard("segments_left_waiting")] == [2] * 4
    assert world.heard("segment_failed") == []
    world.hurry_when = lambda: False
    world.run()
    assert manifest_ids(world.tree()) == IDS[:2]
    assert world.reports[-1].quarantined == 0


def test_an_archiver_that_is_renewed_leaves_all_it_has_to_its_successor(world: World) -> None:
    for number in range(3):
        world.seal(number)
    put: list[str] = []
    world.store.before_put = put.append
    world.stop_when = world.renew_when = lambda: bool(put)

    def run() -> None:
        world.run()
        assert put
        assert [entry for entry in world.events if entry["level"] != "info"] == []

    assert in_a_child(run) == 0
    assert len(manifest_ids(world.tree())) < len(IDS[:3])
    world.renew_when = lambda: False
    world.run()
    assert manifest_ids(world.tree()) == IDS[:3]
    assert world.left() == []


def test_a_stop_ends_a_wait_for_the_store_soon(world: World) -> None:
    world.seal(0)
    world.stop_when = lambda: world.secs >= 100.0

    def fail(key: str) -> None:
        raise StoreError("no route")

    world.store.before_put = fail
    world.run()
    assert 100.0 <= world.secs < 100.5


def test_a_failing_store_does_not_count_against_the_segment(world: World) -> None:
    world.seal(0)

    def fail(key: str) -> None:
        raise StoreError("no route")

    world.store.before_put = fail
    for _ in range(5):
        world.run()
    assert world.left() == [f"{IDS[0]}.db"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_takes_no_files_is_retried(world: World, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from collector.storage.staging import build  # noqa: PLC0415 -- pyarrow is loaded by then

    world.seal(0)
    world.stop_when = lambda: world.waiting() == []
    real, failures = build.stage, iter(range(4))

    def full(*given: Any, **named: Any) -> Any:
        if next(failures, None) is None:
            return real(*given, **named)
        (world.staging / f"{IDS[0]}.part" / "1.parquet").write_bytes(b"half")
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(build, "stage", full)
    world.run()
    assert manifest_ids(world.tree()) == [IDS[0]]
    assert ["cannot be staged" in entry["error"] for entry in world.heard("archiving_held_up")] == [True]
    assert list(world.staging.iterdir()) == []


def test_three_failures_quarantine_a_segment(world: World) -> None:
    world.segments.mkdir()
    (world.segments / f"{IDS[0]}.db").write_bytes(b"no segment")
    world.seal(1)
    world.stop_when = lambda: world.waiting() == []
    world.run()
    assert manifest_ids(world.tree()) == IDS[:2]
    assert [path.name for path in (world.config.data_dir / "quarantine").iterdir()] == [f"{IDS[0]}.db"]
    assert [entry["attempts"] for entry in world.heard("segment_failed")] == [1, 2, 3]
    assert [entry["segment"] for entry in world.heard("segment_quarantined")] == [IDS[0]]
    assert (world.reports[-1].quarantined, world.reports[-1].in_quarantine) == (1, 1)
    assert world.reports[-1].last_error is None
    (world.config.data_dir / "quarantine" / f"{IDS[0]}.db").unlink()
    world.run()
    assert world.reports[-1].in_quarantine == 0


def test_a_failure_that_cannot_be_noted_ends_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    damage(world.seal(0))
    world.seal(1)
    real, failures = Attempts.note, iter(range(3))

    def note(attempts: Attempts, count: int) -> None:
        if count and next(failures, None) is not None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(attempts, count)

    monkeypatch.setattr(Attempts, "note", note)
    world.stop_when = lambda: world.waiting() == []
    world.run()
    assert manifest_ids(world.tree()) == IDS[:2]
    assert world.reports[-1].in_quarantine == 1
    assert world.reports[-1].last_error is None


def test_success_resets_every_backoff(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        world.seal(number)
    (world.segments / f"{IDS[3]}.db").write_bytes(b"no segment")
    failures = {name: iter(range(2)) for name in ("rows", "remove_segment")}

    def fail(name: str) -> None:
        if next(failures[name], None) is not None:
            raise OSError(errno.EIO, os.strerror(errno.EIO)) if name == "remove_segment" else ValueError("a hiccup")

    def adapter_of(_exchange: str) -> Any:
        fail("rows")
        return ToyRowReader()

    def remove(path: Path) -> None:
        fail("remove_segment")
        remove_segment(path)

    monkeypatch.setattr("collector.processes.archiver.finished_sets.remove_segment", remove)
    world.stop_when = lambda: world.waiting() == []
    archiver = Archiver(world.context(), world.store, adapter_of)
    archiver.run()
    assert [next(left, None) for left in failures.values()] == [None, None]
    assert world.reports[-1].in_quarantine == 1
    assert archiver._retries.backoffs._delays == {}


def gaps_of(world: World, symbol: str) -> list[dict[str, Any]]:
    folder = world.config.data_dir / "archive" / f"exchange=toy/data_type=gap/symbol={symbol}"
    return [row for path in sorted(folder.rglob("*.parquet")) for row in pq.ParquetFile(path).read().to_pylist()]


def damage(path: Path) -> None:
    """Make every message unreadable."""
    with closing(sqlite3.connect(path)) as db:
        (root,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'blocks'").fetchone()
    with path.open("r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(b"\xaa" * 4096)


def test_a_quarantined_segment_has_a_gap_row_for_each_stream(world: World) -> None:
    world.seal(0)
    damage(world.seal(1))
    world.seal(2)
    world.stop_when = lambda: world.waiting() == []
    world.run()
    assert list(Verification(world.store).findings()) == []
    rows = [row for row in gaps_of(world, "BTC%2FUSD") if row["kind"] == "damaged"]
    assert [(row["stream_type"], row["cause"], row["expected_id"], row["status"]) for row in rows] == [
        ("trade", "disk", IDS[1], "unrepairable")
    ]
    newest_before = datetime(2026, 11, 23, 12, 0, 2, tzinfo=UTC)
    sealed_at = datetime(2026, 11, 23, 13, tzinfo=UTC)
    assert [(row["started_at"], row["ended_at"]) for row in rows] == [(min(newest_before, OPENED_AT), sealed_at)]
    assert [row["kind"] for row in gaps_of(world, "_")] == ["damaged"]


def rot(content: bytes, chance: random.Random) -> bytes:
    """What a disk may give back in place of what was written."""
    page, other = (chance.randrange(len(content) // 4096) * 4096 for _ in range(2))
    kinds = {
        "bit": content[:page] + bytes([content[page] ^ 1 << chance.randrange(8)]) + content[page + 1 :],
        "bytes": content[: page + 50] + chance.randbytes(100) + content[page + 150 :],
        "another page": content[:page] + content[other : other + 4096] + content[page + 4096 :],
        "nothing": content[:page] + bytes(4096) + content[page + 4096 :],
        "cut": content[: page + 100],
    }
    return kinds[chance.choice(list(kinds))]


@pytest.mark.usefixtures("short_search")
def test_a_damaged_segment_is_archived_whole_or_quarantined_and_its_loss_is_noted(tmp_path: Path) -> None:
    messages = [message(0, id_, trade(id_)) for id_ in range(500)]
    path = make_segment(tmp_path, [TRADES], messages, segment_id=IDS[0], commit_rows=10)
    content = path.read_bytes()
    fates = Counter[bool]()
    for number in range(60):
        world = World(tmp_path / str(number))
        world.segments.mkdir(parents=True)
        (world.segments / path.name).write_bytes(rot(content, random.Random(number)))
        world.stop_when = lambda: world.waiting() == []  # noqa: B023 -- it runs at once
        world.run()
        (manifest,) = (decode_manifest(text) for key, text in world.tree().items() if key.startswith("_manifest/"))
        set_aside = bool(world.reports[-1].in_quarantine)
        files = (world.config.data_dir / "archive").rglob("*/data_type=gap/**/*.parquet")
        lost = [row["missing"] for path in files for row in pq.ParquetFile(path).read().to_pylist()]
        assert manifest.gaps == len(lost) <= set_aside, number
        assert manifest.rows == 500 or lost == [None] or manifest.rows + sum(lost) == 500, number
        fates[set_aside] += 1
    assert min(fates[True], fates[False]) > 5


def flip(path: Path, block: int) -> None:
    """Flip a bit in the text of a block."""
    with closing(sqlite3.connect(path)) as db:
        (payloads,) = db.execute("SELECT payloads FROM blocks WHERE block = ?", (block,)).fetchone()
    content = bytearray(path.read_bytes())
    content[content.index(payloads) + len(payloads) // 2] ^= 1
    path.write_bytes(content)


def ids_of(world: World) -> list[int]:
    folder = world.config.data_dir / "archive/exchange=toy/data_type=trade"
    files = sorted(folder.rglob("*.parquet"))
    return [int(row["trade_id"]) for path in files for row in pq.ParquetFile(path).read().to_pylist()]


def rotten_block(world: World) -> Path:
    """A segment of 50 blocks of ten trades, of which the third cannot be read."""
    messages = [message(0, id_, trade(id_)) for id_ in range(500)]
    path = make_segment(world.segments, [TRADES], messages, segment_id=IDS[0], previous_segment="", commit_rows=10)
    flip(path, 3)
    return path


def test_one_rotten_block_costs_its_own_messages_only(world: World) -> None:
    rotten_block(world)
    world.stop_when = lambda: world.waiting() == []
    world.run()
    assert ids_of(world) == [*range(20), *range(30, 500)]
    gaps = [(row["kind"], row["stream_type"], row["missing"]) for row in gaps_of(world, "BTC%2FUSD")]
    assert gaps == [("damaged", "trade", 10)]
    assert [path.name for path in world.quarantine.iterdir()] == [f"{IDS[0]}.db"]
    assert list(world.staging.iterdir()) == []
    assert list(Verification(world.store).findings()) == []


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE blocks SET id_min = id_min + 1 WHERE block = 7",
        "UPDATE blocks SET series = 1 WHERE block = 7",
        "UPDATE blocks SET stream_id = 1 WHERE block = 7",
        "UPDATE block_streams SET stream_id = 9 WHERE block = 51 AND stream_id = 1",
        "UPDATE block_streams SET rows = 2 WHERE block = 51 AND stream_id = 1",
        "DELETE FROM block_streams WHERE block = 51",
    ],
)
def test_a_block_that_is_not_what_the_table_says_is_archived(world: World, change: str) -> None:
    messages = [message(int(id_ == 509), id_, trade(id_)) for id_ in range(510)]
    path = make_segment(world.segments, [TRADES, UNKNOWN], messages, segment_id=IDS[0], commit_rows=10)
    with closing(sqlite3.connect(path)) as db:
        db.execute(change)
        db.commit()
    world.stop_when = lambda: world.waiting() == []
    world.run()
    assert ids_of(world) == list(range(509))
    assert gaps_of(world, "BTC%2FUSD") == gaps_of(world, "_") == []


def test_messages_that_cannot_be_salvaged_hold_up_no_gap_row(world: World) -> None:
    rotten_block(world)

    def broken(_exchange: str) -> Any:
        raise ValueError("an adapter with a fault")

    world.adapter_of = broken
    world.stop_when = lambda: world.waiting() == []
    world.run()
    assert [(row["kind"], row["missing"]) for row in gaps_of(world, "BTC%2FUSD")] == [("damaged", None)]
    assert [entry["attempts"] for entry in world.heard("segment_failed")] == [1, 2, 3, 4]
    assert [path.name for path in world.quarantine.iterdir()] == [f"{IDS[0]}.db"]


def test_an_archived_segment_that_gets_damaged_leaves_no_gap(world: World) -> None:
    path = world.seal(0)
    content = path.read_bytes()
    world.run()
    tree = world.tree()
    path.write_bytes(content)
    damage(path)
    world.stop_when = lambda: world.waiting() == []
    world.run()
    assert world.tree() == tree
    assert world.reports[-1].in_quarantine == 1


def test_no_segment_is_quarantined_while_the_store_fails(world: World) -> None:
    path = world.seal(0)
    damage(path)
    world.stop_when = lambda: world.secs > 100.0

    def fail(key: str) -> None:
        raise StoreError("no route")

    world.store.before_put = fail
    world.run()
    assert path.exists()
    assert world.heard("segments_left_waiting")
    world.store.before_put = lambda _key: None
    world.run()
    assert manifest_ids(world.tree()) == [IDS[0]]
    assert world.left() == []


@pytest.mark.usefixtures("short_search")
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_quarantine_cut_by_a_kill_is_completed_by_the_next_run(tmp_path: Path, after: bool) -> None:
    def rotten(name: str) -> World:
        world = World(tmp_path / name)
        path = rotten_block(world)
        (world.segments / f"{IDS[0]}.3.failures").touch()
        os.utime(path, (0, 0))
        return world

    whole = rotten("whole")
    whole.run()
    assert manifest_ids(whole.tree()) == [IDS[0]]
    for step in count():
        broken = rotten(str(step))
        code = in_a_child(partial(killed_run, broken, step, after))
        broken.run()
        assert broken.tree() == whole.tree(), f"killed at step {step}"
        assert broken.left() == []
        assert [path.name for path in (broken.config.data_dir / "quarantine").iterdir()] == [f"{IDS[0]}.db"]
        if code == 0:
            break
    assert step > 30, "a run has many steps"


def test_a_segment_of_an_unknown_exchange_is_quarantined(world: World) -> None:
    world.seal(0)

    def unknown(exchange: str) -> Adapter:
        raise ConfigError(["unknown"])

    world.adapter_of = unknown
    world.run()
    assert world.reports[-1].quarantined == 1
    assert list((world.config.data_dir / "staging").iterdir()) == []


def die(_exchange: str) -> Adapter:
    os._exit(9)


def test_three_crashes_quarantine_a_segment(world: World) -> None:
    world.seal(0)
    world.seal(1)
    world.adapter_of = die
    for _ in range(3):
        assert in_a_child(world.run) == 9
        assert world.reports == []
        world.after_crash = True
    world.adapter_of = lambda _exchange: ToyRowReader()
    world.run()
    assert [path.name for path in (world.config.data_dir / "quarantine").iterdir()] == [f"{IDS[0]}.db"]
    assert manifest_ids(world.tree()) == IDS[:2]
    assert world.left() == []
    assert [(entry["segment"], entry["crashed"]) for entry in world.heard("segment_interrupted")] == [(IDS[0], True)]


def test_kills_never_quarantine_a_segment(world: World) -> None:
    world.seal(0)
    world.adapter_of = die
    for _ in range(8):
        assert in_a_child(world.run) == 9
        world.stop_when = lambda: world.secs > 10_000
        world.haste = 100
    world.adapter_of = lambda _exchange: ToyRowReader()
    world.stop_when = lambda: world.waiting() == []
    world.run()
    assert manifest_ids(world.tree()) == [IDS[0]]
    assert (world.left(), world.sets()) == ([], [])
    assert world.heard("segment_failed") == []
    assert not world.quarantine.exists()


def test_a_segment_with_a_kill_comes_last(world: World) -> None:
    for number in range(3):
        world.seal(number)
    first: list[str] = [IDS[0]]
    began: list[str] = []

    def adapter_of(_exchange: str) -> ToyRowReader:
        began.append(next(iter(Begun(world.staging).found())))
        if began[-1] in first:
            os._exit(9)
        return ToyRowReader()

    world.adapter_of = adapter_of
    assert in_a_child(world.run) == 9
    assert in_a_child(world.run) == 9
    assert manifest_ids(world.tree()) == IDS[1:3], "they went up before it was tried again"
    first.clear()
    world.run()
    assert sorted(manifest_ids(world.tree())) == IDS[:3]


def test_a_segment_with_many_kills_waits_and_is_reported(world: World) -> None:
    world.seal(0)
    world.adapter_of = die
    for _ in range(MAX_KILLS):
        assert in_a_child(world.run) == 9
    world.stop_when = lambda: world.secs > KILLED_SECS / 2
    world.run()
    assert world.left() == [f"{IDS[0]}.3.kills", f"{IDS[0]}.db"], "nobody died: it was not tried"
    assert world.reports[-1].last_error == f"the archiver was killed 3 times while it worked on {IDS[0]}"
    world.stop_when = lambda: False
    assert in_a_child(world.run) == 9, "its pause ends"


def test_a_lack_of_memory_quarantines_no_segment(world: World) -> None:
    world.seal(0)
    tries = iter(range(5))

    def adapter_of(_exchange: str) -> ToyRowReader:
        if next(tries, None) is not None:
            raise MemoryError
        return ToyRowReader()

    world.adapter_of = adapter_of
    world.stop_when = lambda: world.waiting() == []
    world.run()
    assert manifest_ids(world.tree()) == [IDS[0]]
    assert world.heard("segment_failed") == []
    assert not world.quarantine.exists()


def test_an_error_while_staging_counts_one_failure(world: World) -> None:
    world.seal(0)
    tries = iter(range(2))

    def adapter_of(_exchange: str) -> ToyRowReader:
        if next(tries, None) is not None:
            raise ValueError("a fault of the adapter's")
        return ToyRowReader()

    world.adapter_of = adapter_of
    world.stop_when = lambda: world.waiting() == []
    world.run()
    assert [entry["attempts"] for entry in world.heard("segment_failed")] == [1, 2]
    assert manifest_ids(world.tree()) == [IDS[0]]
    assert not world.quarantine.exists()


def test_counts_of_the_first_version_are_forgotten(world: World) -> None:
    world.seal(0)
    (world.segments / f"{IDS[0]}.3.tries").touch()
    world.run()
    assert manifest_ids(world.tree()) == [IDS[0]]
    assert world.left() == []
    assert world.reports[-1].quarantined == 0


def test_crashes_during_uploads_do_not_count_against_the_segment(world: World) -> None:
    world.seal(0)
    (world.segments / f"{IDS[0]}.2.failures").touch()
    world.store.before_put = lambda _key: os._exit(9)
    world.after_crash = True
    for _ in range(4):
        assert in_a_child(world.run) == 9
    world.store.before_put = lambda _key: None
    world.run()
    assert manifest_ids(world.tree()) == [IDS[0]]
    assert world.reports[-1].quarantined == 0


def test_earlier_failures_of_an_archived_segment_are_forgotten(world: World) -> None:
    world.seal(0)
    (world.segments / f"{IDS[0]}.2.failures").touch()
    (world.segments / f"{IDS[4]}.2.failures").touch()
    world.run()
    assert world.left() == []
    assert manifest_ids(world.tree()) == [IDS[0]]


def test_data_of_a_newer_version_stops_the_archiver(world: World) -> None:
    path = world.seal(0)
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(NewerDataError):
        world.run()
    assert world.left() == [path.name]


def test_numbers_are_reported_about_once_a_second_and_at_the_end(world: World) -> None:
    world.segments.mkdir()
    world.stop_when = lambda: world.secs >= 10
    world.run()
    assert 9 <= len(world.reports) <= 12
    world.seal(0)
    world.run()
    archived = sum(len(content) for key, content in world.tree().items() if not key.startswith("_"))
    assert world.reports[-1] == ArchiverReport(
        archived=1,
        quarantined=0,
        in_quarantine=0,
        uploaded_objects=3,
        failed_uploads=0,
        store_tries_failed=[],
        store_state="there",
        store_known=True,
        store_away_secs=0,
        backlog_segments=0,
        backlog_objects=0,
        backlog_bytes=0,
        bytes_per_sec=None,
        backlog_since_us=None,
        last_error=None,
        eta_secs=None,
        rows=4,
        bytes=archived,
    )


def test_the_report_gives_the_backlog_and_the_measured_rate(world: World) -> None:
    sizes = [world.seal(number).stat().st_size for number in range(3)]
    world.store.before_put = lambda _key: world.sleep(1.0)
    world.run()
    busy = [report for report in world.reports if report.backlog_segments]
    sealed_us = [report.backlog_since_us for report in busy]
    assert sealed_us == sorted(sealed_us)
    assert busy[0].backlog_bytes == sum(sizes)
    known = [report for report in busy if report.bytes_per_sec and report.backlog_objects]
    assert known
    for report in known:
        assert 0 < report.eta_secs < 60
    assert world.reports[-1].eta_secs is None


@pytest.mark.parametrize(("state", "ceilings"), [("away", [1.0, 2.0, 4.0, 5.0, 5.0]), ("refusing", [5.0, 5.0, 5.0])])
def test_delays_grow_to_their_cap_with_full_jitter_or_begin_there(
    monkeypatch: pytest.MonkeyPatch, state: State, ceilings: list[float]
) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    monkeypatch.setattr("random.random", lambda: 1.0)
    delays = new_delays(state, 1.0, 5.0)
    assert [next(delays) for _ in ceilings] == ceilings


def test_a_refusing_store_is_checked_again_within_a_minute() -> None:
    delays = new_delays("refusing", 1.0, 300.0)
    assert all(30.0 <= next(delays) <= 60.0 for _ in range(100))


STEPS = ("unlink", "rename", "replace", "fsync", "mkdir")
"""Every call by which a run changes what is on disk for good."""


def killed_run(world: World, step: int, after: bool) -> None:
    """Run in a process that dies before or after its n-th step."""
    counter = iter(range(step))

    def deadly(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            last = next(counter, None) is None
            if last and not after:
                os._exit(9)
            result = real(*args, **kwargs)
            if last:
                os._exit(9)
            return result

        return call

    for name in STEPS:
        setattr(os, name, deadly(getattr(os, name)))
    world.run()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_work_cut_by_a_kill_at_any_step_is_completed_by_the_next_run(tmp_path: Path, after: bool) -> None:
    whole = World(tmp_path / "whole")
    whole.seal(0)
    whole.run()
    for step in count():
        broken = World(tmp_path / str(step))
        broken.seal(0)
        code = in_a_child(partial(killed_run, broken, step, after))
        broken.run()
        assert broken.tree() == whole.tree(), f"killed at step {step}"
        assert broken.left() == []
        assert list((broken.config.data_dir / "staging").iterdir()) == []
        if code == 0:
            break
    assert step > 30, "a run has many steps"


def test_reports_go_on_during_a_long_upload(world: World) -> None:
    world.seal(0)
    turned: list[bool] = []

    def slow(_key: str) -> None:
        if turned:
            return
        world.secs += 2
        reports, deadline = len(world.reports), time.monotonic() + 60
        while len(world.reports) == reports and time.monotonic() < deadline:
            threading.Event().wait(0.02)
        turned.append(len(world.reports) > reports)

    world.store.before_put = slow
    world.run()
    assert turned == [True]
    assert world.left() == []
