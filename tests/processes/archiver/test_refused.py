"""A store that takes everything but one key: what belongs to that key waits alone, and says so."""

from collections.abc import Callable
from pathlib import Path

import pytest

from collector.domain.errors import StoreError, StoreRefusedError
from tests.processes.archiver.archiver_harness import IDS, World, manifest_ids
from tests.processes.archiver.test_outage import assert_complete, expected, seal_all
from tests.seaweed import RECORDER, Seaweed


def refusing(part: str, segment_id: str, error: type[StoreError] = StoreRefusedError) -> Callable[[str], None]:
    def refuse(key: str) -> None:
        if part in key and segment_id in key:
            raise error(f"{key}: 403")

    return refuse


def assert_it_never_looked_away(world: World) -> None:
    assert [name for name in ("store_away", "store_refuses", "store_back") if world.heard(name)] == []
    assert {report.store_state for report in world.reports} == {"there"}


@pytest.mark.parametrize("error", [StoreRefusedError, StoreError])
@pytest.mark.parametrize("part", ["data_type=gap", "_manifest"])
def test_a_key_the_store_never_takes_delays_its_own_segment_alone(
    tmp_path: Path, part: str, error: type[StoreError]
) -> None:
    world = seal_all(World(tmp_path / "host", concurrency=4))
    world.store.before_put = refusing(part, IDS[1], error)
    world.stop_when = lambda: world.secs > 2_000
    world.haste = 25
    world.run()
    assert (world.waiting(), world.left(), world.sets()) == ([IDS[1]], [], [IDS[1]]), "the set took its segment's place"
    assert manifest_ids(world.tree()) == [IDS[0], *IDS[2:]]
    there = [key for key in world.tree() if IDS[1] in key]
    assert len(there) == (2 if part == "data_type=gap" else 3), "its other objects went up"
    assert_it_never_looked_away(world)
    assert 10 < world.reports[-1].failed_uploads < 200, "at least one a minute, and not one a second"
    (line,) = world.heard("archiving_held_up")
    last = world.reports[-1]
    assert line["error"] == last.last_error
    assert (part in last.last_error, IDS[1] in last.last_error, last.backlog_segments) == (True, True, 1)

    world.store.before_put = lambda _key: None
    world.stop_when = lambda: world.waiting() == []
    world.run()
    assert world.reports[-1].last_error is None
    assert_complete(world, expected(tmp_path / "whole"))


def test_a_denied_prefix_delays_only_its_own_segments(
    tmp_path: Path, own_seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in RECORDER.items():
        monkeypatch.setenv(name, value)
    bucket = own_seaweed.new_bucket()
    objects = f"arn:aws:s3:::{bucket}"
    may = [
        {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": objects},
        {"Effect": "Allow", "Action": ["s3:PutObject", "s3:GetObject"], "Resource": f"{objects}/*"},
    ]
    deny = {"Effect": "Deny", "Action": ["s3:PutObject"], "Resource": f"{objects}/exchange=toy/data_type=gap/*"}
    own_seaweed.allow({"Version": "2012-10-17", "Statement": [*may, deny]})
    world = World(tmp_path / "host", lambda: own_seaweed.store(bucket), concurrency=4)
    wait_until_allowed(world)
    seal_all(world)

    def fix() -> None:
        if world.secs > 120 and not fixed:
            fixed.append(len(manifest_ids(world.tree())))
            own_seaweed.allow({"Version": "2012-10-17", "Statement": may})

    fixed: list[int] = []
    world.on_wait, world.haste = fix, 25
    world.stop_when = lambda: world.waiting() == []
    world.run()
    assert fixed == [0], "each segment has a ledger"
    assert_it_never_looked_away(world)
    errors = {report.last_error for report in world.reports} - {None}
    assert all("AccessDenied" in error and "data_type=gap" in error for error in errors)
    assert [entry["segment"] for entry in world.heard("segment_replaced")] != []
    assert_complete(world, expected(tmp_path / "whole"))


def wait_until_allowed(world: World) -> None:
    """The server reads a policy a little after it was told to."""
    while True:
        try:
            world.store.inner.check()
        except StoreRefusedError:
            continue
        return


def test_deferred_segments_do_not_keep_others_from_being_staged(tmp_path: Path) -> None:
    world = World(tmp_path / "host")
    ids = [f"20261123T12{minute:02}00Z-4f2a9c" for minute in range(12)]
    for segment_id in ids:
        world.seal(0, segment_id=segment_id)

    def refuse(key: str) -> None:
        if any(segment_id in key for segment_id in ids[:6]):
            raise StoreRefusedError(f"{key}: 403")

    world.store.before_put = refuse
    world.run()
    assert manifest_ids(world.tree()) == ids[6:]
    assert world.waiting() == ids[:6]


def test_a_refused_request_about_one_segment_delays_it_alone(tmp_path: Path) -> None:
    world = seal_all(World(tmp_path / "host"))

    def refuse(call: str, key: str) -> None:
        if call == "read" and IDS[1] in key:
            raise StoreRefusedError(f"{key}: 403")

    world.store.before = refuse
    world.run()
    assert (world.waiting(), world.left()) == ([IDS[1]], [f"{IDS[1]}.db"])
    assert_it_never_looked_away(world)
    assert IDS[1] in world.reports[-1].last_error
    world.store.before = lambda _call, _key: None
    world.run()
    assert_complete(world, expected(tmp_path / "whole"))


def test_a_file_taken_at_the_second_try_is_no_longer_reported(tmp_path: Path) -> None:
    world = seal_all(World(tmp_path / "host"))
    failures = iter(range(1))

    def fail_once(key: str) -> None:
        if "data_type=gap" in key and next(failures, None) is not None:
            raise StoreError(f"{key}: SlowDown")

    world.store.before_put = fail_once
    world.stop_when = lambda: world.waiting() == []
    world.run()
    assert len(world.heard("archiving_held_up")) == 1
    assert_it_never_looked_away(world)
    assert_complete(world, expected(tmp_path / "whole"))
