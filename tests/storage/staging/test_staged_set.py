"""Sets on the disk: whole or not there, and never taken for more than they are."""

from pathlib import Path

import pytest

from collector.domain.errors import DamagedError
from collector.storage.segment.attempts import Attempts
from collector.storage.segment.sealed_segment import open_sealed
from collector.storage.staging.build import stage
from collector.storage.staging.staged_set import (
    clear_leftovers,
    is_sound,
    make_durable,
    make_set,
    read_manifest,
    remove_set,
    require_equal,
    set_folders,
    summary_of,
    uploads_of,
    waiting_segments,
)
from tests.storage.segment.segment_files import (
    NOON_US,
    PREVIOUS_ID,
    SEGMENT_ID,
    TRADES,
    ToyRowReader,
    make_gap,
    make_segment,
    message,
    trade,
)


@pytest.fixture
def segment(tmp_path: Path) -> Path:
    gaps = [("toy", "BTC/USD", make_gap())]
    return make_segment(tmp_path / "segments", [TRADES], [message(0, id_, trade(id_)) for id_ in range(5)], gaps=gaps)


@pytest.fixture
def folder(tmp_path: Path, segment: Path) -> Path:
    with open_sealed(segment) as opened:
        make_set(
            tmp_path / "staging",
            SEGMENT_ID,
            lambda part: stage(opened, lambda _: ToyRowReader(), part, lambda: None),
        )
    return tmp_path / "staging" / SEGMENT_ID


def compare(folder: Path, segment: Path) -> None:
    make_durable(folder)
    with open_sealed(segment) as opened:
        require_equal(folder, opened, lambda: None)


def test_a_sets_files_end_with_the_manifest(folder: Path) -> None:
    *objects, manifest = uploads_of(folder)
    assert {upload.path for upload in (*objects, manifest)} == set(folder.iterdir())
    assert manifest.key == f"_manifest/date=2026-11-23/host-1-{SEGMENT_ID}.json"
    assert all(is_sound(upload) for upload in (*objects, manifest))
    size = sum(upload.info.size_bytes for upload in objects)
    assert summary_of(read_manifest(folder)) == (SEGMENT_ID, 5, 1, 2, size, NOON_US + 3_600_000_000)


def test_a_set_gets_its_name_once_it_is_whole(tmp_path: Path) -> None:
    def fail(part: Path) -> None:
        (part / "half.parquet").touch()
        assert set_folders(part.parent) == []
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        make_set(tmp_path, SEGMENT_ID, fail)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_leftovers_are_removed_and_sets_stay(folder: Path) -> None:
    staging = folder.parent
    (staging / f"{PREVIOUS_ID}.part").mkdir()
    (staging / f"{PREVIOUS_ID}.part" / "1.parquet").touch()
    (staging / f"{PREVIOUS_ID}.remains").mkdir()
    (staging / "scratch").touch()
    clear_leftovers(staging)
    assert list(staging.iterdir()) == [folder]


def test_a_segment_and_its_set_wait_as_one(tmp_path: Path, folder: Path, segment: Path) -> None:
    assert waiting_segments(tmp_path) == [SEGMENT_ID]
    segment.unlink()
    assert waiting_segments(tmp_path) == [SEGMENT_ID]
    remove_set(folder)
    assert waiting_segments(tmp_path) == []


def test_a_set_that_matches_its_segment_may_replace_it(folder: Path, segment: Path) -> None:
    compare(folder, segment)


@pytest.mark.parametrize("what", ["bytes", "a file too few", "a file too many", "another segment"])
def test_a_set_that_differs_from_its_segment_may_not_replace_it(
    tmp_path: Path, folder: Path, segment: Path, what: str
) -> None:
    path = uploads_of(folder)[0].path
    match what:
        case "bytes":
            path.write_bytes(path.read_bytes()[:-1] + b"\0")
        case "a file too few":
            path.unlink()
        case "a file too many":
            (folder / "other.parquet").touch()
        case _:
            segment = make_segment(tmp_path / "other", [TRADES], [message(0, id_, trade(id_)) for id_ in range(6)])
    with pytest.raises(DamagedError):
        compare(folder, segment)


def test_the_manifest_of_another_segment_is_damage(folder: Path) -> None:
    other = folder.rename(folder.with_name(PREVIOUS_ID))
    with pytest.raises(DamagedError, match="has the manifest of segment"):
        read_manifest(other)


def test_a_sets_failure_count_lives_as_long_as_the_set(tmp_path: Path) -> None:
    folder = tmp_path / SEGMENT_ID
    folder.mkdir()
    Attempts(folder).note(2)
    clear_leftovers(tmp_path)
    assert Attempts(folder).count() == 2
    folder.rmdir()
    clear_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == []
