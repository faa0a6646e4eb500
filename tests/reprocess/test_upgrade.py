"""What the real writer and archiver of an older version did not understand, a later one reads as if it had recorded it."""

import tarfile
from pathlib import Path

import pytest

import collector.read
from collector.domain.records import UNDECODED
from collector.exchanges import registry
from collector.exchanges.binance import Binance
from collector.reprocess.job import Job
from collector.reprocess.scope import Scope
from collector.storage.archive.object_check import differences
from collector.storage.archive.verify import Verification
from collector.storage.staging.file_names import object_file_name
from collector.storage.staging.staged_set import read_manifest
from collector.storage.store.directory import DirectoryStore
from tests.conftest import Lines
from tests.read.recorded_world import Frame, RecordedWorld, binance_frames, trade_ids
from tests.storage.archive.archive_files import put_manifest

FRAMES = 600


class OlderBinance(Binance):
    """A version that has not learned the channel of trades."""

    channels = tuple(channel for channel in Binance.channels if "trade" not in channel.rules)  # type: ignore[assignment] # fewer


def recorded_by(adapter: Binance, folder: Path, frames: list[Frame]) -> DirectoryStore:
    """An archive of two segments."""
    world = RecordedWorld(folder)
    world.adapter_of = lambda _exchange: adapter
    for part in (frames[: FRAMES // 2], frames[FRAMES // 2 :]):
        world.receive(part)
        world.seal()
        world.archive()
    return DirectoryStore(folder / "archive")


@pytest.fixture(scope="module")
def frames(recorded: Lines) -> list[Frame]:
    return binance_frames(recorded, FRAMES)


@pytest.fixture(scope="module")
def again(frames: list[Frame], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive of the older version, read again whole."""
    folder = tmp_path_factory.mktemp("older")
    store = recorded_by(OlderBinance(), folder, frames)
    with pytest.raises(collector.read.QuestionError, match="there is no trade of BTCUSDT"):
        collector.read.open(folder / "archive").trades("BTCUSDT")
    job = Job(store, DirectoryStore(folder / "again"), Scope(whole=True), registry.adapter)
    assert [result.problem for result in job.read(job.look(lambda: None), lambda: None)] == [None, None]
    return folder / "again"


def test_every_trade_is_there_and_no_gap_stands_in_its_way(again: Path, frames: list[Frame]) -> None:
    archive = collector.read.open(again)
    assert archive.trades("BTCUSDT").arrow()["trade_id"].to_pylist() == trade_ids(frames)
    left = archive.gaps(status="unrepairable").arrow()
    assert "undecodable" not in left["kind"].to_pylist()


def test_rows_are_those_that_the_later_version_would_have_stored(
    again: Path, frames: list[Frame], tmp_path: Path
) -> None:
    at_once = collector.read.open(Path(recorded_by(Binance(), tmp_path, frames).url.removeprefix("file://")))
    later = collector.read.open(again)
    for data_type in ("trade", "book_delta", "book_ticker"):
        wanted = at_once.rows(data_type, "BTCUSDT", gaps="ignore").arrow()
        assert wanted.num_rows
        assert later.rows(data_type, "BTCUSDT", gaps="ignore").arrow().equals(wanted)
    assert list(Verification(DirectoryStore(again), differences).findings()) == []


def test_what_version_1_of_the_columns_wrote_is_rewritten_and_verifies(tmp_path: Path) -> None:
    with tarfile.open(Path(__file__).parents[1] / "fixtures/data_dir_v1.tar.xz") as left:
        left.extractall(tmp_path, filter="data")
    (folder,) = (tmp_path / "data/staging").iterdir()
    manifest = read_manifest(folder)
    assert manifest.schema_version == 1
    store = DirectoryStore(tmp_path / "archive")
    for entry in manifest.objects:
        store.put(entry.key, folder / object_file_name(entry.key), entry.sha256)
    put_manifest(store, tmp_path, manifest)
    job = Job(store, DirectoryStore(tmp_path / "again"), Scope(), registry.adapter)
    (result,) = job.read(job.look(lambda: None), lambda: None)
    assert sorted(entry.key for entry in result.objects) == [entry.key for entry in manifest.objects]
    before, after = collector.read.open(tmp_path / "archive"), collector.read.open(tmp_path / "again")
    for row in before.streams().to_pylist():
        stream = {name: row[name] for name in ("data_type", "symbol", "exchange")}
        if row["data_type"] != UNDECODED:
            found = after.rows(**stream, gaps="ignore").arrow()
            assert found.equals(before.rows(**stream, gaps="ignore").arrow())
    assert after.gaps().arrow().equals(before.gaps().arrow())
    assert list(Verification(DirectoryStore(tmp_path / "again"), differences).findings()) == []
