"""A store that is away, refuses, stalls, dies or garbles: sets take the segments' place, and all goes up in the end."""

import os
import random
import shutil
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from collector.config import ArchiveConfig, SupervisorConfig
from collector.config.validation import validated
from collector.domain.errors import StoreError, StoreRefusedError
from collector.domain.records import StreamKey
from collector.processes.archiver import segment_replacement
from collector.processes.archiver.process import Archiver
from collector.processes.archiver.stager import Stager
from collector.storage.archive.manifest import decode_manifest
from collector.storage.archive.object_check import differences
from collector.storage.archive.verify import Verification
from collector.storage.store import s3_client
from collector.storage.store.directory import DirectoryStore
from tests.processes.archiver.archiver_harness import IDS, World, manifest_ids
from tests.proxy import Proxy
from tests.seaweed import RECORDER, Seaweed
from tests.storage.segment.segment_files import make_segment, message, trade

ALL = range(len(IDS))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def expected(folder: Path) -> dict[str, bytes]:
    """What is in the store when nothing happens to it."""
    whole = World(folder)
    for number in ALL:
        whole.seal(number)
    whole.run()
    return whole.tree()


def seal_all(world: World) -> World:
    for number in ALL:
        world.seal(number)
    return world


def no_route(_call: str, _key: str) -> None:
    raise StoreError("no route")


def away_until_stopped(world: World) -> None:
    """A run during which the store takes nothing; it ends once every segment has been replaced."""
    world.store.before = no_route
    world.stop_when = lambda: world.left() == []
    world.run()
    world.store.before = lambda _call, _key: None
    world.stop_when = lambda: True


def assert_complete(world: World, tree: dict[str, bytes]) -> None:
    assert world.tree() == tree
    assert (world.left(), world.sets()) == ([], [])
    assert list(Verification(world.store.inner, differences).findings()) == []


def test_while_the_store_is_away_sets_replace_segments_oldest_first(world: World) -> None:
    before = sum(path.stat().st_size for path in seal_all(world).segments.iterdir())
    away_until_stopped(world)
    assert (world.left(), world.sets(), world.tree()) == ([], IDS, {})
    replaced = world.heard("segment_replaced")
    assert [entry["segment"] for entry in replaced] == IDS
    on_disk = sum(path.stat().st_size for path in world.staging.rglob("*.*"))
    assert sum(entry["bytes_now"] for entry in replaced) == on_disk < before
    last = world.reports[-1]
    assert (last.store_state, last.backlog_segments, last.backlog_objects) == ("away", 5, 15)
    assert 0 < last.backlog_bytes < on_disk
    assert [entry["segments"] for entry in world.heard("segments_left_waiting")] == [5]


def test_a_set_that_is_larger_than_its_segment_does_not_replace_it(world: World) -> None:
    streams = [StreamKey("toy", f"S{number}", "trade") for number in range(120)]
    messages = [message(number, 1, trade(1)) for number in range(len(streams))]
    path = make_segment(world.segments, streams, messages, segment_id=IDS[0], previous_segment="")
    world.store.before = no_route
    world.stop_when = lambda: bool(world.heard("segment_kept")) and world.secs > 100
    world.run()
    assert (world.left(), world.sets()) == ([path.name], [])
    (kept,) = world.heard("segment_kept")
    assert kept["bytes"] == path.stat().st_size < kept["bytes_of_set"]
    world.store.before = lambda _call, _key: None
    world.stop_when = lambda: world.left() == []
    world.run()
    assert (world.left(), world.sets()) == ([], [])
    assert len([key for key in world.tree() if key.endswith(".parquet")]) == len(streams)


@pytest.mark.parametrize("kind", ["folder", "bucket"])
def test_a_store_away_for_a_whole_run_gets_everything_in_the_next_run(
    tmp_path: Path, request: pytest.FixtureRequest, kind: str
) -> None:
    if kind == "bucket":
        server: Seaweed = request.getfixturevalue("own_seaweed")
        bucket = server.new_bucket()
        world = seal_all(World(tmp_path / "host", lambda: server.store(bucket)))
        server.kill()
        world.stop_when = lambda: world.left() == []
        world.run()
        server.start()
        world.stop_when = lambda: True
    else:
        world = seal_all(World(tmp_path / "host"))
        away_until_stopped(world)
    assert world.sets() == IDS
    world.run()
    assert_complete(world, expected(tmp_path / "whole"))
    assert world.heard("segment_archived")[0]["segment"] == IDS[0], "the oldest first"


@pytest.mark.parametrize("replaced", [2, 5])
def test_removed_sets_are_made_again_or_reported(tmp_path: Path, replaced: int) -> None:
    world, removed = World(tmp_path / "host"), list[str]()

    def is_away(_call: str, _key: str) -> None:
        if not removed:
            raise StoreError("no route")

    def meddle_until_all_are_told() -> bool:
        replaced_ones = [entry["segment"] for entry in world.heard("segment_replaced")]
        if not removed and len(replaced_ones) >= replaced:
            removed.extend(replaced_ones)
            shutil.rmtree(world.staging)
        return len(world.heard("segment_gone")) + len(world.heard("segment_archived")) == len(IDS)

    seal_all(world)
    world.store.before, world.stop_when = is_away, meddle_until_all_are_told
    world.run()
    gone = sorted(removed)
    assert sorted(entry["segment"] for entry in world.heard("segment_gone")) == gone
    assert sorted(manifest_ids(world.tree())) == IDS
    whole = expected(tmp_path / "whole")
    kept = {key: content for key, content in whole.items() if not any(segment in key for segment in gone)}
    assert {key: content for key, content in world.tree().items() if key in kept} == kept
    told = [decode_manifest(world.tree()[key]) for key in whole if "_manifest" in key and key not in kept]
    assert [(manifest.rows, manifest.gaps) for manifest in told] == [(0, 1)] * len(gone)


def test_a_store_that_comes_back_gets_everything_and_is_logged_once(tmp_path: Path) -> None:
    world = seal_all(World(tmp_path / "host"))
    world.store.before = no_route

    def come_back() -> None:
        if world.secs > 1_000:
            world.store.before = lambda _call, _key: None

    world.on_wait, world.haste = come_back, 25
    world.stop_when = lambda: world.waiting() == []
    world.run()
    assert_complete(world, expected(tmp_path / "whole"))
    assert [entry["error"] for entry in world.heard("store_away")] == ["no route"]
    (back,) = world.heard("store_back")
    assert back["secs"] > 1_000
    assert 10 < back["tries"] < 200, "at least one a minute, and not one a second"
    assert dict(world.reports[-1].store_tries_failed)["away"] == back["tries"]
    assert world.reports[-1].store_away_secs == 0


def test_a_refusal_is_reported_at_once_and_retried_slowly(
    tmp_path: Path, own_seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in RECORDER.items():
        monkeypatch.setenv(name, value)
    bucket = own_seaweed.new_bucket()
    world = seal_all(World(tmp_path / "host", lambda: own_seaweed.store(bucket)))
    allowed = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": f"arn:aws:s3:::{bucket}"},
            {"Effect": "Allow", "Action": ["s3:PutObject", "s3:GetObject"], "Resource": f"arn:aws:s3:::{bucket}/*"},
        ],
    }

    def fix() -> None:
        if world.secs > 180 and not fixed:
            fixed.append(True)
            own_seaweed.allow(allowed)

    fixed: list[bool] = []
    world.on_wait, world.haste = fix, 25
    world.stop_when = lambda: world.waiting() == []
    world.run()
    assert "AccessDenied" in world.heard("store_refuses")[0]["error"]
    first = next(report for report in world.reports if report.last_error)
    assert (first.store_state, "AccessDenied" in first.last_error) == ("refusing", True)
    assert dict(world.reports[-1].store_tries_failed)["refusing"] >= 180 / 60
    world.store.inner = own_seaweed.store(bucket)
    assert_complete(world, expected(tmp_path / "whole"))


def test_a_stalled_connection_delays_nothing_else(
    tmp_path: Path, seaweed: Seaweed, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_client, "CONNECT_TIMEOUT_SECS", 0.5)
    monkeypatch.setattr(s3_client, "READ_TIMEOUT_SECS", 0.5)
    with Proxy(seaweed.port) as wire:
        wire.silent = True
        world = seal_all(
            World(tmp_path / "host", lambda: seaweed.store(bucket, endpoint_url=wire.endpoint_url), concurrency=4)
        )

        def speak() -> None:
            wire.silent = wire.silent and world.left() != []

        world.on_wait = speak
        world.stop_when = lambda: world.waiting() == []
        world.run()
    assert [entry["segment"] for entry in world.heard("segment_replaced")] == IDS
    assert len(world.heard("store_away")) == len(world.heard("store_back")) == 1
    world.store.inner = seaweed.store(bucket)
    assert_complete(world, expected(tmp_path / "whole"))


def test_a_server_killed_during_uploads_holds_each_file_once(tmp_path: Path, own_seaweed: Seaweed) -> None:
    bucket = own_seaweed.new_bucket()
    world = seal_all(World(tmp_path / "host", lambda: own_seaweed.store(bucket), concurrency=4))
    puts, kill_at, lock, dead = iter(range(1_000)), {3, 6, 9, 13, 17}, threading.Lock(), threading.Event()

    def kill(_key: str) -> None:
        with lock:
            if next(puts) in kill_at:
                own_seaweed.kill()
                dead.set()

    def start() -> None:
        # In this thread, for the server dies with the one that started it.
        with lock:
            if dead.is_set():
                own_seaweed.start()
                dead.clear()

    world.store.before_put, world.on_wait = kill, start
    world.stop_when = lambda: world.waiting() == []
    world.run()
    assert next(puts) > max(kill_at)
    assert_complete(world, expected(tmp_path / "whole"))


def test_bytes_changed_on_the_wire_are_refused_and_uploaded_again(
    tmp_path: Path, seaweed: Seaweed, bucket: str
) -> None:
    garbles = [True]

    def garble(block: bytes) -> bytes:
        return block.replace(b"PAR1", b"PAR2") if garbles else block

    with Proxy(seaweed.port, garble) as wire:
        world = seal_all(World(tmp_path / "host", lambda: seaweed.store(bucket, endpoint_url=wire.endpoint_url)))

        def fix() -> None:
            if world.secs > 100:
                garbles.clear()

        world.on_wait, world.haste = fix, 25
        world.stop_when = lambda: world.waiting() == []
        world.run()
    assert world.heard("archiving_held_up")
    assert world.reports[-1].last_error is None
    world.store.inner = seaweed.store(bucket)
    assert_complete(world, expected(tmp_path / "whole"))


def test_while_the_store_is_away_one_upload_is_tried_at_a_time(tmp_path: Path) -> None:
    world = seal_all(World(tmp_path / "host", concurrency=8))
    under_way, most, lock = Counter[str](), Counter[str](), threading.Lock()

    def fail(call: str, _key: str) -> None:
        with lock:
            under_way["tries"] += 1
            if world.heard("segment_replaced"):
                most["away"] = max(most["away"], under_way["tries"])
                most["tries"] += 1
        threading.Event().wait(0.002)
        with lock:
            under_way["tries"] -= 1
        raise StoreError(call)

    world.store.before = fail
    world.stop_when = lambda: most["tries"] > 20
    world.run()
    assert most["away"] == 1


def test_an_idle_archiver_notices_that_the_store_is_back(tmp_path: Path) -> None:
    world = World(tmp_path / "host")
    world.segments.mkdir(parents=True)

    class Remote(DirectoryStore):
        url = "s3://bucket"

    world.store.inner = Remote(tmp_path / "remote")
    looks: list[str] = []

    def look(call: str, _key: str) -> None:
        looks.append(call)
        if len(looks) < 4:
            raise StoreRefusedError("the policy says no")

    world.store.before = look
    world.stop_when = lambda: world.heard("store_back") != []
    world.run()
    assert looks[:4] == ["check"] * 4
    assert [entry["error"] for entry in world.heard("store_refuses")] == ["the policy says no"]
    assert [entry["tries"] for entry in world.heard("store_back")] == [3]


def test_uploads_run_as_many_at_once_as_configured(tmp_path: Path) -> None:
    world, together = seal_all(World(tmp_path / "host", concurrency=3)), threading.Barrier(3)
    met: list[str] = []

    def meet(key: str) -> None:
        if len(met) < 3 and not key.startswith("_manifest"):
            together.wait(60)
            met.append(key)

    world.store.before_put = meet
    world.run()
    assert len(met) >= 3
    assert_complete(world, expected(tmp_path / "whole"))


def test_a_manifest_is_uploaded_after_all_its_objects_are_confirmed(tmp_path: Path) -> None:
    world = seal_all(World(tmp_path / "host", concurrency=8))
    confirmed, early, lock = set[str](), list[str](), threading.Lock()
    inner = world.store.inner
    generator = random.Random(3)

    class Watched(DirectoryStore):
        def put(self, key: str, source: Path, sha256: str) -> None:
            threading.Event().wait(generator.random() / 50)
            if key.startswith("_manifest"):
                segment = key.removesuffix(".json")[-len(IDS[0]) :]
                with lock:
                    early.extend([key] * (sum(segment in name for name in confirmed) != 3))
            super().put(key, source, sha256)

        def head(self, key: str) -> Any:
            held = super().head(key)
            with lock:
                confirmed.add(key)
            return held

    assert isinstance(inner, DirectoryStore)
    world.store.inner = Watched(tmp_path / "host" / "archive")
    world.run()
    assert early == []
    assert_complete(world, expected(tmp_path / "whole"))


def test_every_fourth_file_belongs_to_the_newest_segment(world: World) -> None:
    seal_all(world)
    away_until_stopped(world)
    world.store.puts.clear()
    world.run()
    puts = [next(number for number in ALL if IDS[number] in key) for key in world.store.puts]
    assert puts[:8] == [0, 0, 0, 4, 0, 1, 1, 4]


def test_few_segments_are_staged_ahead_while_the_store_is_there(tmp_path: Path) -> None:
    world = World(tmp_path / "host")
    for minute in range(12):
        world.seal(0, segment_id=f"20261123T12{minute:02}00Z-4f2a9c")
    sets: list[int] = []
    world.store.before_put = lambda _key: sets.append(len(world.sets()))
    world.run()
    assert 1 < max(sets) <= 6, "four, one for the newest, and one being made"
    assert world.waiting() == []


@pytest.mark.parametrize("stays_away", [False, True])
def test_with_upload_on_stop_a_stop_waits_for_the_store(tmp_path: Path, stays_away: bool) -> None:
    world = seal_all(World(tmp_path / "host", upload_on_stop=True))
    world.store.before = no_route

    class TimeIsUpError(Exception):
        """What a kill at the deadline looks like here."""

    def later() -> None:
        if world.secs > 20 and stays_away:
            raise TimeIsUpError
        if world.secs > 20:
            world.store.before = lambda _call, _key: None

    world.on_wait = later
    if stays_away:
        with pytest.raises(TimeIsUpError):
            world.run()
        assert world.waiting() == IDS
    else:
        world.run()
        assert_complete(world, expected(tmp_path / "whole"))


def test_without_upload_on_stop_a_stop_logs_what_is_left(world: World) -> None:
    seal_all(world)
    world.store.before = no_route
    world.run()
    assert world.secs == 0.0
    (line,) = world.heard("segments_left_waiting")
    assert (line["segments"], line["error"]) == (5, "no route")
    assert world.waiting() == IDS


def test_any_exception_of_the_store_counts_against_the_store_alone(world: World) -> None:
    seal_all(world)

    def odd(_call: str, _key: str) -> None:
        raise RecursionError("maximum recursion depth exceeded")

    world.store.before = odd
    for _ in range(5):
        world.run()
    assert world.waiting() == IDS
    assert not world.quarantine.exists()
    assert world.heard("segment_failed") == []
    assert "RecursionError" in world.reports[-1].last_error
    world.store.before = lambda _call, _key: None
    world.run()
    assert world.waiting() == []


def test_check_store_survives_any_exception(world: World) -> None:
    uploads = Archiver(world.context(), world.store, world.adapter_of)._uploads

    def odd(_call: str, _key: str) -> None:
        raise KeyError("ContentLength")

    world.store.before = odd
    uploads.check_store()
    uploads.turn(60.0)
    assert [entry["error"] for entry in world.heard("store_away")] == ["KeyError: 'ContentLength'"]


@pytest.mark.parametrize("which", ["manifest.json", "*.parquet"])
def test_a_set_that_cannot_be_opened_is_deferred_alone(world: World, which: str) -> None:
    seal_all(world)
    away_until_stopped(world)
    unread = min((world.staging / IDS[1]).glob(which))
    kept = unread.rename(world.config.data_dir / "kept")
    # Stands for a file that may not be read: root reads every other.
    unread.symlink_to(unread.name)
    world.events.clear()
    world.run()
    assert world.waiting() == [IDS[1]], "the others went up, and the stop did not wait"
    assert [IDS[1] in entry["error"] for entry in world.heard("archiving_held_up")] == [True]
    assert [entry["segments"] for entry in world.heard("segments_left_waiting")] == [1]
    assert world.reports[-1].backlog_segments == 1
    assert IDS[1] in world.reports[-1].last_error
    assert world.reports[-1].store_state == "there"

    world.events.clear()
    until = world.secs + 300.0

    def fix() -> None:
        if world.secs >= until and unread.is_symlink():
            kept.rename(unread)

    world.on_wait = fix
    world.stop_when = lambda: world.waiting() == []
    world.run()
    assert len(world.heard("archiving_held_up")) == 1
    assert world.reports[-1].last_error is None
    assert world.reports[-1].backlog_segments == 0


@pytest.mark.parametrize("stalled", ["put", "read"])
def test_a_stop_does_not_wait_for_a_silent_store(world: World, stalled: str) -> None:
    """Whether files are on their way up, or the store is asked about a segment."""
    seal_all(world)
    world.config = replace(world.config, supervisor=SupervisorConfig(stop_timeout_secs=3.0))
    world.monotonic = time.monotonic  # type: ignore[method-assign]
    over = threading.Event()

    def stall(call: str, _key: str) -> None:
        if call == stalled:
            over.wait(300)

    world.store.before = stall
    try:
        world.run()
    finally:
        over.set()
    assert world.waiting() == IDS
    (line,) = world.heard("segments_left_waiting")
    assert line["error"] == "the store has answered nothing for 1.0 seconds"


def rot(folder: Path, what: str) -> None:
    """Let one file of a set rot."""
    path = folder / "manifest.json" if "manifest" in what else min(folder.glob("*.parquet"))
    if "gone" in what:
        path.unlink()
    else:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0xFF
        path.write_bytes(content)


ROT = ["an object is gone", "an object has changed", "the manifest is gone", "the manifest has changed"]


@pytest.mark.parametrize("what", ROT)
def test_a_damaged_set_without_a_segment_is_quarantined(world: World, what: str) -> None:
    seal_all(world)
    away_until_stopped(world)
    rot(world.staging / IDS[2], what)
    world.run()
    assert (world.waiting(), world.sets()) == ([], [])
    assert [path.name for path in world.quarantine.iterdir()] == [IDS[2]]
    assert (world.reports[-1].quarantined, world.reports[-1].in_quarantine) == (1, 1)
    assert [entry["segment"] for entry in world.heard("set_damaged")] == [IDS[2]]
    found = [finding for finding in Verification(world.store.inner, differences).findings() if finding.kind != "orphan"]
    # Without its manifest nobody knows which segment it followed.
    assert found == []
    held = [content for key, content in world.tree().items() if key.startswith("_manifest") and IDS[2] in key]
    assert b'"rows": 0' in held[0]
    assert (b'"symbol": "BTC/USD"' in held[0]) == ("object" in what)


@pytest.mark.parametrize("what", ROT)
def test_a_damaged_set_whose_files_the_store_holds_is_confirmed(tmp_path: Path, what: str) -> None:
    world = seal_all(World(tmp_path / "host"))
    away_until_stopped(world)
    kept = [path.read_bytes() for path in sorted((world.staging / IDS[2]).iterdir())]
    names = [path.name for path in sorted((world.staging / IDS[2]).iterdir())]
    world.run()
    (world.staging / IDS[2]).mkdir()
    for name, content in zip(names, kept, strict=True):
        (world.staging / IDS[2] / name).write_bytes(content)
    rot(world.staging / IDS[2], what)
    world.run()
    assert_complete(world, expected(tmp_path / "whole"))
    assert not world.quarantine.exists()


@pytest.mark.parametrize("what", ROT)
def test_a_damaged_set_beside_its_segment_is_made_again(
    tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = seal_all(World(tmp_path / "host"))
    monkeypatch.setattr(segment_replacement, "remove_segment", lambda _path: None)
    world.store.before = no_route
    world.stop_when = lambda: world.heard("segment_replaced") != []
    world.run()
    monkeypatch.undo()
    world.store.before = lambda _call, _key: None
    world.stop_when = lambda: True
    assert world.sets()[0] == IDS[0]
    rot(world.staging / IDS[0], what)
    world.run()
    assert_complete(world, expected(tmp_path / "whole"))
    assert not world.quarantine.exists()


@pytest.mark.parametrize("times", [1, 2])
def test_a_damaged_set_never_replaces_its_segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """It is made once more; one that is unlike its segment again stays beside it, until the store has it."""
    world = seal_all(World(tmp_path / "host"))
    real, spoiled = Stager.require_lasting, iter(range(times))

    def spoil(stager: Stager, segment: Path, folder: Path) -> None:
        if segment.stem == IDS[0] and next(spoiled, None) is not None:
            rot(folder, "an object has changed")
        real(stager, segment, folder)

    monkeypatch.setattr(Stager, "require_lasting", spoil)
    world.store.before = no_route
    world.stop_when = lambda: len(world.heard("segment_replaced")) == len(IDS) + 1 - times
    world.run()
    assert world.left() == ([] if times == 1 else [f"{IDS[0]}.db"])
    assert [entry["segment"] for entry in world.heard("segment_not_replaced")] == [IDS[0]] * times
    world.store.before = lambda _call, _key: None
    world.stop_when = lambda: True
    world.run()
    assert_complete(world, expected(tmp_path / "whole"))
    assert not world.quarantine.exists()


def test_while_the_disk_refuses_a_set_its_segment_stays(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    path = world.seal(0)
    real, failures = os.fsync, iter(range(3))

    def fail(fd: int) -> None:
        if ".parquet" in str(Path(f"/proc/self/fd/{fd}").readlink()) and next(failures, None) is not None:
            assert path.exists()
            raise OSError(28, "No space left on device")
        real(fd)

    monkeypatch.setattr(os, "fsync", fail)
    away_until_stopped(world)
    assert len(world.heard("segment_replaced")) == 1
    assert world.heard("segment_failed") == []
    assert "cannot be replaced" in world.heard("archiving_held_up")[0]["error"]


def test_the_connection_pool_has_one_for_each_upload_at_once() -> None:
    with pytest.raises(ValueError, match="concurrency"):
        validated(ArchiveConfig, {"concurrency": s3_client.MAX_CONNECTIONS + 1})
