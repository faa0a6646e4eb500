"""What keeps Iceberg tables from being made is said before anything is recorded, and a check asks their catalog."""

import importlib.util
from pathlib import Path

import pytest
from msgspec.structs import replace

from collector.config import ArchiveConfig, Config, TableConfig
from collector.domain.errors import ConfigError
from collector.supervision import table_check
from collector.supervision.preflight import require_usable
from tests.storage.table.tabled import Tabled


def with_tables(folder: Path, **table: str) -> Config:
    """A recorder in that folder."""
    return Config(data_dir=folder, table=TableConfig(**{"catalog": f"sqlite:///{folder}/tables.db", **table}))  # type: ignore[arg-type]


def test_a_recorder_without_what_keeps_tables_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ConfigError, match=r"table.catalog: needs pyiceberg: pip install .*\[iceberg\]"):
        require_usable(with_tables(tmp_path))
    require_usable(Config(data_dir=tmp_path))


def test_tables_in_the_archive_are_refused_and_those_of_a_whole_bucket_need_a_place(tmp_path: Path) -> None:
    inside = with_tables(tmp_path, warehouse=(tmp_path / "archive/tables").as_uri())
    with pytest.raises(ConfigError, match="must lie beside the archive"):
        require_usable(inside)
    bucket = replace(with_tables(tmp_path), archive=ArchiveConfig(url="s3://bucket"))
    with pytest.raises(ConfigError, match="which is a whole bucket: name another"):
        require_usable(bucket)
    assert list(table_check.setting_problems(with_tables(tmp_path, catalog="rest+http://there"))) == []


@pytest.mark.parametrize("name", ["a#b", "a?b"])
def test_a_folder_whose_name_readers_would_cut_off_is_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    with pytest.raises(ConfigError, match=r"archive.url: .* has # or . in its path"):
        require_usable(with_tables(folder))
    with pytest.raises(ConfigError, match=r"table.warehouse: .* has # or . in its path"):
        require_usable(with_tables(tmp_path, warehouse=folder.as_uri()))
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(ConfigError, match=r"archive.url: .* has # or . in its path"):
        require_usable(with_tables(tmp_path / "link"))


def test_a_check_asks_the_catalog_and_makes_no_file(tmp_path: Path) -> None:
    config = with_tables(tmp_path)
    assert list(table_check.problems(config)) == []
    assert list(tmp_path.iterdir()) == []
    tabled = Tabled(tmp_path)
    tabled.segment(0)
    tabled.look()
    assert list(table_check.problems(config)) == []
    (tmp_path / "tables.db").write_bytes(b"no database at all, for sure")
    (problem,) = table_check.problems(config)
    assert "file is not a database" in problem
    (problem,) = table_check.problems(with_tables(tmp_path, catalog="sqlite:////not/there/tables.db"))
    assert "/not/there is no folder in which files can be made" in problem
    assert list(table_check.problems(Config(data_dir=tmp_path))) == []


def test_a_check_says_where_the_tables_would_be(tmp_path: Path) -> None:
    (line,) = table_check.lines(with_tables(tmp_path))
    assert line == f"tables    sqlite:///{tmp_path}/tables.db, below {tmp_path.as_uri()}/archive-tables"
    assert list(table_check.lines(Config(data_dir=tmp_path))) == []


def test_a_rest_catalog_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    (problem,) = table_check.problems(with_tables(tmp_path, catalog="rest+http://127.0.0.1:1"))
    assert "\n" not in problem
    assert problem.startswith("table.catalog rest+http://127.0.0.1:1")
