from pathlib import Path

import pytest

from collector.domain.errors import ConfigError
from collector.storage.archive.restore_target import destination


def below(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_target_is_made_and_holds_only_restored_files(tmp_path: Path) -> None:
    with destination(tmp_path / "a" / "dest", []) as (store, scratch):
        assert scratch.parent == tmp_path / "a" / "dest"
        assert store.url == scratch.parent.as_uri()
    assert below(tmp_path / "a" / "dest") == ["_incoming"]


def test_leftovers_of_a_killed_restore_are_removed(tmp_path: Path) -> None:
    (tmp_path / "_restore-killed" / "tmp").mkdir(parents=True)
    (tmp_path / "_restore-killed" / "tmp" / "object").write_bytes(b"half")
    (tmp_path / "_restore.lock").touch()
    with destination(tmp_path, []) as (_, scratch):
        assert below(tmp_path) == ["_incoming", scratch.name, "_restore.lock"]
    assert below(tmp_path) == ["_incoming"]


def test_files_of_a_running_restore_are_left_alone(tmp_path: Path) -> None:
    with destination(tmp_path, []) as (_, scratch):
        (scratch / "object").touch()
        with pytest.raises(ConfigError, match="another restore is writing there"), destination(tmp_path, []):
            pass
        assert (scratch / "object").exists()
        assert below(tmp_path) == ["_incoming", scratch.name, "_restore.lock"]
    with destination(tmp_path, []):
        pass


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/nowhere", "/proc/self/fdinfo"])
def test_a_target_that_cannot_be_written_gives_one_line(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    with (
        pytest.raises(ConfigError, match=r"name a folder that can be written") as told,
        destination(tmp_path / place, []),
    ):
        pass
    assert len(told.value.problems) == 1
    assert below(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"mine"


@pytest.mark.parametrize("name", ["exchange=toy", "_incoming", "_restore.lock", "_restore-x"])
def test_a_folder_with_a_link_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "mine").touch()
    (tmp_path / "dest").mkdir()
    (tmp_path / "dest" / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError), destination(tmp_path / "dest", []):
        pass
    assert below(tmp_path / "elsewhere") == ["mine"]
    assert below(tmp_path / "dest") == [name]
