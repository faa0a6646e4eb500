import os
from pathlib import Path

import pytest

from collector.storage.segment.attempts import KILLS, Attempts, Begun, counted, forget_attempts, forget_counts


def test_a_count_outlives_its_process(tmp_path: Path) -> None:
    segment = tmp_path / "a.db"
    assert Attempts(segment).count() == 0
    Attempts(segment).note(2)
    assert Attempts(segment).count() == 2
    assert Attempts(tmp_path / "b.db").count() == 0


def test_a_count_of_zero_leaves_no_file(tmp_path: Path) -> None:
    attempts = Attempts(tmp_path / "a.db")
    for count in (0, 1, 3, 2, 0):
        attempts.note(count)
        assert attempts.count() == count
    assert list(tmp_path.iterdir()) == []


def test_a_file_with_another_name_is_not_counted(tmp_path: Path) -> None:
    for name in ("a.x.failures", "a..failures", "a.-1.failures", "a.1.2.failures", "a.².failures"):
        (tmp_path / name).touch()
    attempts = Attempts(tmp_path / "a.db")
    assert attempts.count() == 0
    attempts.note(2)
    assert attempts.count() == 2


def test_a_count_is_changed_by_renaming_an_empty_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = Attempts(tmp_path / "a.db")
    attempts.note(1)
    monkeypatch.setattr(os, "write", lambda *_given: pytest.fail("written"))
    for count in (2, 1):
        attempts.note(count)
    (path,) = tmp_path.iterdir()
    assert (path.name, path.stat().st_size) == ("a.1.failures", 0)


def test_counts_of_segments_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    (tmp_path / "a.db").touch()
    for name in ("a", "b"):
        Attempts(tmp_path / f"{name}.db").note(1)
    forget_attempts(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.1.failures", "a.db"]


def test_forgetting_needs_no_folder(tmp_path: Path) -> None:
    forget_attempts(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_failures_and_kills_are_counted_apart_and_forgotten_together(tmp_path: Path) -> None:
    segment = tmp_path / "a.db"
    Attempts(segment).note(1)
    Attempts(segment, KILLS).note(2)
    assert (Attempts(segment).count(), Attempts(segment, KILLS).count()) == (1, 2)
    assert counted(tmp_path, KILLS) == {"a"}
    forget_counts(segment)
    assert list(tmp_path.iterdir()) == []


def test_begun_work_is_found_until_it_is_forgotten(tmp_path: Path) -> None:
    begun = Begun(tmp_path)
    assert begun.found() == []
    for name in ("b", "a"):
        begun.note(name)
    assert begun.found() == ["a", "b"]
    for name in ("b", "a", "a"):
        begun.forget(name)
    assert list(tmp_path.iterdir()) == []
