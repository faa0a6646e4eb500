"""A configuration reaches a running child as a file."""

import stat
from pathlib import Path

import msgspec
import pytest

from collector.config import Config, FeedConfig, HttpConfig
from collector.config.handed_on import newest_number, read_config, remove_configs, write_config
from collector.config.values import Secret


def test_a_configuration_is_read_as_it_was_written_and_only_its_owner_may(tmp_path: Path) -> None:
    feed = FeedConfig(exchange="kraken", symbols=("BTC/USD", "*EUR", "top:5"), exclude=("X*",), lines=2)
    config = Config(data_dir=tmp_path, feed=(feed,), http=HttpConfig(token=Secret("planted-planted-")))
    write_config(tmp_path, 7, config)
    assert read_config(tmp_path, 7) == config
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["config-7.json"]
    assert stat.S_IMODE((tmp_path / "run" / "config-7.json").stat().st_mode) == 0o600


def test_a_draft_that_a_killed_supervisor_left_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config-1.json.new").write_bytes(b"{")
    write_config(tmp_path, 1, Config(data_dir=tmp_path))
    assert read_config(tmp_path, 1) == Config(data_dir=tmp_path)


def test_the_newest_number_is_found_and_older_files_go(tmp_path: Path) -> None:
    assert newest_number(tmp_path) == 0
    for number in (1, 2, 10):
        write_config(tmp_path, number, Config(data_dir=tmp_path))
    (tmp_path / "run" / "config-x.json").write_bytes(b"")
    assert newest_number(tmp_path) == 10
    remove_configs(tmp_path, 10)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["config-10.json", "config-x.json"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"feed": 1}', b'{"feed": [{"lines": "two"}]}'])
def test_a_file_of_another_form_is_refused(tmp_path: Path, content: bytes) -> None:
    write_config(tmp_path, 1, Config(data_dir=tmp_path))
    (tmp_path / "run" / "config-1.json").write_bytes(content)
    with pytest.raises(msgspec.MsgspecError):
        read_config(tmp_path, 1)
