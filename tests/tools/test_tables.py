"""`collector tables`: what the tables have, brought up to date by hand, and made anew."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from collector.cli import main
from collector.domain.names import manifest_key
from collector.storage.store.directory import DirectoryStore
from tests.storage.archive.old_archive import fill
from tests.storage.archive.old_archive import pruned as prune
from tests.storage.table.tabled import Tabled, segment_id

Tables = Callable[..., tuple[int, Any]]


@pytest.fixture
def tabled(tmp_path: Path) -> Tabled:
    """An archive of three days, and no tables yet."""
    found = Tabled(tmp_path)
    fill(found.deleting, tmp_path / "made")
    return found


@pytest.fixture
def tables(tabled: Tabled, capsys: pytest.CaptureFixture[str]) -> Tables:
    """Runs the command; its exit code, and what it printed as JSON."""

    def run(*options: str) -> tuple[int, Any]:
        code = main(["tables", f"{tabled.folder}/archive", "--catalog", tabled.options.catalog, "--json", *options])
        return code, json.loads(capsys.readouterr().out)

    return run


def test_without_tables_there_are_none(tables: Tables) -> None:
    code, said = tables()
    assert (code, said["tables"], said["unusable"]) == (0, [], {})


def test_an_update_commits_what_is_archived_and_says_what_each_table_has(tabled: Tabled, tables: Tables) -> None:
    code, said = tables("--update")
    assert code == 0
    found = {one["data_type"]: one for one in said["tables"]}
    assert {name: (one["files"], one["rows"]) for name, one in found.items()} == {
        "book_delta": (6, 18),
        "gap": (1, 1),
        "trade": (6, 18),
    }
    assert found["trade"]["metadata"] == tabled.table().metadata_location
    assert set(found["trade"]["last_segments"]) == {"host-1", "host-2"}
    assert tabled.files() == tabled.wanted()
    assert tables("--update")[1]["tables"] == said["tables"], "there was nothing more"


def test_after_a_prune_an_update_takes_the_files_out(tabled: Tabled, tables: Tables) -> None:
    tables("--update")
    prune(tabled.deleting)
    assert tables("--update")[0] == 0
    assert tabled.files() == tabled.wanted()


def test_a_rebuild_makes_the_tables_anew_beside_a_recorder_that_keeps_them(tabled: Tabled, tables: Tables) -> None:
    tabled.look()
    before = tabled.table().metadata.table_uuid
    assert tables("--rebuild")[0] == 0
    assert tabled.table().metadata.table_uuid != before
    assert tabled.files() == tabled.wanted()
    tabled.look()
    assert tabled.files() == tabled.wanted()


def test_a_manifest_that_cannot_be_used_is_named_and_the_others_are_done(tabled: Tabled, tables: Tables) -> None:
    key = manifest_key("host-1", segment_id(30))
    path = tabled.folder / "archive" / key
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"{")
    code, said = tables("--update")
    assert code == 1
    assert "not a manifest" in said["unusable"][key]
    assert {one["data_type"]: one["files"] for one in said["tables"]} == {"book_delta": 6, "gap": 1, "trade": 6}


def test_people_see_rows_and_addresses(tabled: Tabled, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tables", f"{tabled.folder}/archive", "--catalog", tabled.options.catalog, "--update"]) == 0
    said = capsys.readouterr().out
    assert "3 tables" in said
    assert "18 rows in 6 files" in said
    assert tabled.table().metadata_location in said


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ([], "table.catalog is not set"),
        (["--catalog", "postgres://there"], "does not begin with sqlite"),
        (["--catalog", "sqlite:///relative.db"], "names no file"),
        (["--catalog", "sqlite:////nowhere/tables.db"], "unable to open database file"),
    ],
)
def test_a_catalog_that_cannot_be_used_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], reason: str
) -> None:
    DirectoryStore(tmp_path / "archive").check()
    assert main(["tables", f"{tmp_path}/archive", *options]) == 2
    said = capsys.readouterr().err
    assert reason in said
    assert said.count("\n") == 1


def test_without_pyiceberg_the_command_that_installs_it_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyiceberg", None)
    for name in [name for name in sys.modules if name.startswith(("pyiceberg.", "collector.storage.table."))]:
        monkeypatch.delitem(sys.modules, name)
    assert main(["tables", f"{tmp_path}/archive", "--catalog", f"sqlite:///{tmp_path}/tables.db"]) == 2
    said = capsys.readouterr().err
    assert 'pip install "market-data-collector[iceberg]"' in said
    assert said.count("\n") == 1
