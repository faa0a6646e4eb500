from pathlib import Path

import pytest

from collector.storage.durable import sync_disk, write_durably


def test_a_replaced_file_holds_the_old_or_the_new_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_durably(path, b"old")

    def dies(_path: Path) -> None:
        raise OSError("no power")

    with monkeypatch.context() as patch:
        patch.setattr("collector.storage.durable.sync", dies)
        with pytest.raises(OSError, match="no power"):
            write_durably(path, b"new")
    assert path.read_bytes() == b"old"
    write_durably(path, b"new")
    assert path.read_bytes() == b"new"
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


def test_a_whole_disk_is_synced_by_any_path_on_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"new")
    sync_disk(tmp_path)
    sync_disk(tmp_path / "file")
    with pytest.raises(FileNotFoundError):
        sync_disk(tmp_path / "absent")
