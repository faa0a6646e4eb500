"""Looking after the tree of day files: verify, prune, restore, certify, and what a later generation leaves behind."""

import json
from pathlib import Path

import pytest

import collector.read
from collector import cli
from collector.compaction.day import Trees
from collector.compaction.survey import Dates
from collector.storage.archive.object_check import differences
from collector.storage.archive.verify import Verification
from collector.storage.store.deleting import DeletingDirectoryStore
from collector.storage.store.directory import DirectoryStore
from tests.compaction.compaction_archive import (
    BOOK,
    FIRST,
    IDS,
    SECOND,
    TRADES,
    add_late,
    compact,
    compacted_trees,
    counting_manifests,
    day_objects,
    prune,
    replace_first,
)


@pytest.fixture
def trees(tmp_path: Path) -> Trees:
    """An archive of two days, and its day files."""
    return compacted_trees(tmp_path)


@pytest.fixture
def two_generations(trees: Trees, tmp_path: Path) -> Trees:
    """The same, after a late trade of the first day."""
    add_late(trees.archive, tmp_path / "made")
    compact(trees)
    return trees


def ids(tmp_path: Path) -> list[int]:
    archive = collector.read.open(tmp_path / "archive")
    table = archive.trades("BTCUSDT", gaps="ignore", host="host-1", kinds=None).arrow()
    return [int(one) for one in table["trade_id"].to_pylist()]


def verify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    code = cli.main(["verify", str(tmp_path / "archive-daily"), "--deep"])
    return code, capsys.readouterr().out.splitlines()


def test_verify_compares_day_files_with_the_archive_beside_them(
    trees: Trees, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, lines = verify(tmp_path, capsys)
    assert (code, lines[0]) == (0, f"compared with the rows of {trees.archive.url}")


@pytest.mark.usefixtures("trees")
def test_verify_says_if_a_day_file_has_not_the_rows_of_what_it_replaces(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "archive" / f"_manifest/date={FIRST}/host-1-{IDS[0]}.json"
    manifest = json.loads(path.read_text("utf-8"))
    (entry,) = [one for one in manifest["objects"] if one["data_type"] == "trade"]
    entry["rows"] += 1
    path.write_text(json.dumps(manifest), "utf-8")
    code, lines = verify(tmp_path, capsys)
    assert code == 1
    (line,) = [line for line in lines if line.startswith("rows ")]
    assert line.endswith("it has 8 rows, but those it replaces 9")


@pytest.mark.usefixtures("trees")
def test_verify_says_if_a_segment_is_not_replaced_as_it_is_said_to_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = next((tmp_path / "archive-daily").rglob(f"_manifest/date={FIRST}/host-1-*.json"))
    manifest = json.loads(path.read_text("utf-8"))
    manifest["segments"][0]["dates"] = []
    path.write_text(json.dumps(manifest), "utf-8")
    assert any(f"segment {IDS[0]} whole, which it does not" in line for line in verify(tmp_path, capsys)[1])
    (tmp_path / "archive" / f"_manifest/date={FIRST}/host-1-{IDS[0]}.json").unlink()
    assert any("which the archive does not have" in line for line in verify(tmp_path, capsys)[1])


@pytest.mark.usefixtures("trees")
def test_verify_says_that_there_is_nothing_to_compare_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "archive").rename(tmp_path / "elsewhere")
    code, lines = verify(tmp_path, capsys)
    assert code == 0
    assert lines[0].startswith("not compared with the rows of the archive")


def test_what_a_later_generation_left_is_named_and_removed_on_request(
    two_generations: Trees, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, lines = verify(tmp_path, capsys)
    assert (code, lines[0].split(":")[0]) == (0, "1 day files of earlier generations")
    before = len(list((tmp_path / "archive-daily").rglob("*.parquet")))
    assert cli.main(["compact", str(tmp_path / "archive"), "--remove-superseded", "--dry-run"]) == 0
    assert len(list((tmp_path / "archive-daily").rglob("*.parquet"))) == before
    assert cli.main(["compact", str(tmp_path / "archive"), "--remove-superseded"]) == 0
    assert f"{FIRST}: 1 day files of earlier generations removed" in capsys.readouterr().out
    assert len(list((tmp_path / "archive-daily").rglob("*.parquet"))) == before - 1
    assert list(Verification(two_generations.daily).findings()) == []
    assert ids(tmp_path) == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 20, 21]
    assert cli.main(["compact", str(tmp_path / "archive"), "--remove-superseded", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["superseded"] == []


@pytest.mark.usefixtures("trees")
def test_nothing_goes_where_the_manifest_that_counts_cannot_be_read(tmp_path: Path) -> None:
    add_late(DirectoryStore(tmp_path / "archive"), tmp_path / "made")
    compact(Trees(DirectoryStore(tmp_path / "archive"), DirectoryStore(tmp_path / "archive-daily")))
    max((tmp_path / "archive-daily").rglob(f"_manifest/date={FIRST}/host-1-*.json")).write_text("{", "utf-8")
    before = len(list((tmp_path / "archive-daily").rglob("*.parquet")))
    assert cli.main(["compact", str(tmp_path / "archive"), "--remove-superseded"]) == 2
    assert len(list((tmp_path / "archive-daily").rglob("*.parquet"))) == before


def test_an_archive_of_segments_has_nothing_superseded(trees: Trees, tmp_path: Path) -> None:
    before = list(trees.archive.keys(""))
    assert cli.main(["compact", str(tmp_path / "x"), "--daily", str(tmp_path / "archive"), "--remove-superseded"]) == 2
    assert list(trees.archive.keys("")) == before


def prune_compacted(tmp_path: Path, *arguments: str) -> int:
    return cli.main(["prune", str(tmp_path / "archive"), "--older-than", "1d", "--compacted", *arguments])


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """A year after both days."""
    monkeypatch.setattr("collector.tools.prune.time_ns", lambda: 1_827_000_000_000_000_000)


@pytest.mark.usefixtures("later")
def test_hour_files_go_where_day_files_have_their_rows_and_stay_where_they_have_not(
    trees: Trees, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    late = add_late(trees.archive, tmp_path / "made")
    assert prune_compacted(tmp_path) == 0
    assert f"{FIRST}: kept 1 object with rows that no day file has" in capsys.readouterr().out
    left = [key for key in trees.archive.keys("exchange=") if "data_type=gap" not in key]
    assert left == [entry.key for entry in late.objects]
    assert ids(tmp_path) == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 20, 21]
    assert list(Verification(trees.archive).findings()) == []


@pytest.mark.usefixtures("later")
def test_hour_files_stay_where_the_day_file_is_damaged(trees: Trees, tmp_path: Path) -> None:
    (entry,) = day_objects(trees.daily, TRADES, SECOND)
    (tmp_path / "archive-daily" / entry.key).write_bytes(b"")
    assert prune_compacted(tmp_path) == 0
    kept = [key for key in trees.archive.keys("exchange=") if "data_type=gap" not in key]
    assert {key.split("/")[1:4:2][0] + key.split("/")[3] for key in kept} == {f"data_type=tradedate={SECOND}"}


def test_day_files_are_restored_as_a_tree_of_their_own(two_generations: Trees, tmp_path: Path) -> None:
    target = tmp_path / "restored"
    arguments = [
        "restore",
        two_generations.daily.url,
        str(target),
        "--from",
        FIRST,
        "--to",
        SECOND,
        "--data-type",
        "trade",
    ]
    assert cli.main(arguments) == 0
    found = DirectoryStore(target)
    assert list(Verification(found).findings()) == []
    manifests = counting_manifests(found)
    assert {(one.generation, len(one.segments)) for one in manifests} == {(2, 0), (1, 0)}
    opened = collector.read.open(target)
    assert opened.trades("BTCUSDT", host="host-1", gaps="ignore", kinds=None).arrow().num_rows == 9


@pytest.mark.usefixtures("later")
def test_old_days_are_pruned_from_the_tree_of_day_files_too(two_generations: Trees, tmp_path: Path) -> None:
    assert cli.main(["prune", two_generations.daily.url, "--older-than", "1d"]) == 0
    assert [key for key in two_generations.daily.keys("exchange=") if "data_type=gap" not in key] == []
    assert list(Verification(DeletingDirectoryStore(tmp_path / "archive-daily")).findings()) == []


def test_day_files_are_certified_as_an_archive_of_their_own(
    two_generations: Trees, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "certificates"
    assert cli.main(["certify", two_generations.daily.url, "--out", str(out)]) == 0
    assert cli.main(["certify", "--check", str(out), two_generations.daily.url]) == 0, "also files that were kept"
    (path,) = out.glob(f"*/data_type=trade/*/date={FIRST}.json")
    found = json.loads(path.read_text("utf-8"))["certificate"]
    assert [(one["host"], one["rows"], one["found"]) for one in found["objects"]] == [
        ("host-1", 9, "whole"), ("host-2", 2, "whole"),
    ]  # fmt: skip
    capsys.readouterr()
    assert cli.main(["compact", str(tmp_path / "archive"), "--remove-superseded"]) == 0
    assert cli.main(["certify", "--check", str(out), two_generations.daily.url]) == 0


def test_a_day_is_made_anew_from_hour_files_that_were_replaced(trees: Trees, tmp_path: Path) -> None:
    replace_first(trees.archive, tmp_path)
    (result,) = compact(trees, Dates(FIRST, FIRST))
    assert (result.host, result.generation, result.refused) == ("host-1", 2, [])
    assert ids(tmp_path) == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 20, 21]
    (book,) = day_objects(trees.daily, BOOK, FIRST)
    assert book.rows == 5
    assert list(Verification(trees.daily, differences).findings()) == []
    assert compact(trees) == []


def test_a_replaced_segment_of_a_day_that_is_not_asked_for_is_left(trees: Trees, tmp_path: Path) -> None:
    replace_first(trees.archive, tmp_path)
    assert compact(trees, Dates(SECOND, SECOND)) == []


def test_a_day_stays_if_hour_files_were_replaced_and_others_are_gone(trees: Trees, tmp_path: Path) -> None:
    prune(tmp_path / "archive", SECOND)
    replace_first(trees.archive, tmp_path)
    (result,) = compact(trees)
    (reason,) = result.refused
    assert reason.startswith(f"segment {IDS[0]} has other files now than its day files were made of, and not all")


@pytest.mark.usefixtures("later")
def test_replaced_hour_files_are_not_pruned_as_if_day_files_had_their_rows(trees: Trees, tmp_path: Path) -> None:
    replace_first(trees.archive, tmp_path)
    assert prune_compacted(tmp_path) == 0
    kept = [key for key in trees.archive.keys("exchange=") if "data_type=gap" not in key]
    assert [key.rpartition("/")[2] for key in kept] == [f"host-1-{IDS[0]}.parquet"]


def test_verify_says_if_hour_files_were_replaced(
    trees: Trees, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replace_first(trees.archive, tmp_path)
    code, lines = verify(tmp_path, capsys)
    assert code == 1
    assert any(f"segment {IDS[0]} has other files now than those it was made of" in line for line in lines)


def test_a_day_file_that_is_lost_is_made_again_from_its_hour_files(trees: Trees, tmp_path: Path) -> None:
    (entry,) = day_objects(trees.daily, TRADES, FIRST)
    (tmp_path / "archive-daily" / entry.key).unlink()
    (result,) = compact(trees)
    assert (result.date, result.generation, result.files) == (FIRST, 2, 1)
    assert ids(tmp_path) == [1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 20, 21]
    assert list(Verification(trees.daily, differences).findings()) == []
    assert compact(trees) == []


def test_a_day_file_that_is_lost_with_its_hour_files_is_named(trees: Trees, tmp_path: Path) -> None:
    prune(tmp_path / "archive", SECOND)
    (entry,) = day_objects(trees.daily, TRADES, FIRST)
    (tmp_path / "archive-daily" / entry.key).unlink()
    (result,) = compact(trees)
    assert result.refused == [f"{entry.key} is not there, nor is all that it was made of"]


def test_a_day_file_that_was_pruned_is_not_lost(trees: Trees, tmp_path: Path) -> None:
    prune(tmp_path / "archive-daily", SECOND)
    assert compact(trees) == []


def test_no_generation_is_made_over_day_files_whose_manifest_is_lost_with_their_hour_files(
    trees: Trees, tmp_path: Path
) -> None:
    prune(tmp_path / "archive", SECOND)
    (path,) = (tmp_path / "archive-daily").rglob(f"_manifest/date={FIRST}/host-1-*.json")
    content = path.read_bytes()
    path.unlink()
    refused = [one for one in compact(trees) if one.refused]
    assert [one.host for one in refused] == ["host-1"]
    assert "may be all that is left of pruned files, and no manifest names it" in refused[0].refused[0]
    path.write_bytes(content)
    assert compact(trees) == []
