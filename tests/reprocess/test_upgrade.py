"""What the real writer and archiver of an older version did not understand, a later one reads as if it had recorded it."""

from pathlib import Path

import pytest

import collector.read
from collector.domain.records import ROW_TYPES
from collector.exchanges import registry
from collector.exchanges.binance import Binance
from collector.reprocess.job import Job
from collector.reprocess.scope import Scope
from collector.storage.archive.object_check import differences
from collector.storage.archive.verify import Verification
from collector.storage.store.directory import DirectoryStore
from tests.conftest import Lines
from tests.read.recorded_world import Frame, RecordedWorld, binance_frames, trade_ids

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
        assert data_type in ROW_TYPES
        wanted = at_once.rows(data_type, "BTCUSDT", gaps="ignore").arrow()
        assert wanted.num_rows
        assert later.rows(data_type, "BTCUSDT", gaps="ignore").arrow().equals(wanted)
    assert list(Verification(DirectoryStore(again), differences).findings()) == []
