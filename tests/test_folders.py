import os
from pathlib import Path

import pytest

from collector.folders import matching


def test_matching_paths_come_sorted(tmp_path: Path) -> None:
    for name in ("b.json", "a.json", "c.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in matching(tmp_path, "*.json")] == ["a.json", "b.json"]


def test_a_folder_that_does_not_exist_has_no_paths(tmp_path: Path) -> None:
    assert matching(tmp_path / "none", "*") == []


def test_a_folder_removed_while_it_is_listed_has_no_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "a.json").touch()
    scandir = os.scandir

    def removed_first(path: str) -> object:
        (folder / "a.json").unlink()
        folder.rmdir()
        return scandir(path)

    monkeypatch.setattr(os, "scandir", removed_first)
    assert matching(folder, "*") == []
    assert not folder.exists()
