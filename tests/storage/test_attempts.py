from pathlib import Path

from collector.storage.attempts import Attempts, forget_attempts


def test_a_count_outlives_its_process(tmp_path: Path) -> None:
    segment = tmp_path / "a.db"
    assert Attempts(segment).count() == 0
    Attempts(segment).note(2)
    assert Attempts(segment).count() == 2
    assert Attempts(tmp_path / "b.db").count() == 0


def test_a_count_of_nothing_leaves_no_file(tmp_path: Path) -> None:
    attempts = Attempts(tmp_path / "a.db")
    attempts.note(0)
    attempts.note(1)
    attempts.note(0)
    assert list(tmp_path.iterdir()) == []


def test_counts_of_segments_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    (tmp_path / "a.db").touch()
    for name in ("a", "b"):
        Attempts(tmp_path / f"{name}.db").note(1)
    (tmp_path / "b.tries.new").touch()
    forget_attempts(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.db", "a.tries"]


def test_there_need_be_no_folder_to_forget_in(tmp_path: Path) -> None:
    forget_attempts(tmp_path / "none")
    assert not (tmp_path / "none").exists()
