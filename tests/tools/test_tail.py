"""What `collector tail` prints."""

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector import cli
from collector.storage.locks import supervisor_lock
from collector.tools.tail import Recording
from tests.conftest import Lines
from tests.read.recorded_world import RecordedWorld, binance_frames, trade_ids


@pytest.fixture(scope="module")
def recorded_dir(recorded: Lines, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with an open segment."""
    world = RecordedWorld(tmp_path_factory.mktemp("tailed") / "data")
    world.receive(binance_frames(recorded)[:300])
    world.commit()
    return world.data_dir


@pytest.fixture
def data_dir(recorded_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The one of the settings, in which a recorder runs."""
    monkeypatch.setenv("COLLECTOR_DATA_DIR", str(recorded_dir))
    lock = supervisor_lock(recorded_dir)
    assert lock.try_acquire()
    with lock:
        yield recorded_dir


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = cli.main(["tail", "binance", "BTCUSDT", *arguments])
    return code, *capsys.readouterr()


def test_the_newest_messages_stand_in_columns(
    data_dir: Path, recorded: Lines, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = said(capsys, "trade", "-n", "5")
    head, *rows = out.splitlines()
    assert (code, err) == (0, "")
    assert head.split()[:5] == ["received", "(UTC)", "trade_id", "price", "size"]
    assert [row.split()[2] for row in rows] == trade_ids(binance_frames(recorded)[:300])[-5:]
    assert len({row.index(".", 24) for row in rows}) == 1, "decimal points stand below each other"
    assert "\x1b" not in out


def test_a_book_shows_how_much_changed_and_the_best_of_it(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head, row = said(capsys, "book_delta", "-n", "1")[1].splitlines()
    assert "best bid" in head
    assert row.split()[2] == "change"
    assert max(map(len, (head, row))) <= 100


def test_json_has_the_stream_and_every_column_of_its_files(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = json.loads(said(capsys, "book_delta", "-n", "1", "--json")[1])
    assert [row["exchange"], row["symbol"], row["data_type"]] == ["binance", "BTCUSDT", "book_delta"]
    assert row["received_at"].endswith("Z")
    assert len(row["bid_prices"]) == len(row["bid_sizes"])


def test_of_a_stream_that_is_not_there_it_says_which_are(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(capsys, "agg_trade")
    assert (code, out) == (2, "")
    assert err.startswith("error: there is no agg_trade of binance BTCUSDT; there is binance BTCUSDT book_delta")
    assert said(capsys, "trades")[2].startswith("error: 'trades' is no data type; there are agg_trade, book_delta")
    assert said(capsys, "gap")[2] == "error: the gap ledger is shown by collector gaps\n"


def test_it_says_when_nothing_records(recorded_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording, lock = Recording(recorded_dir, goes_on=True), supervisor_lock(recorded_dir)
    recording.look()
    recording.look()
    assert capsys.readouterr().err == f"note: no recorder is running on {recorded_dir}: waiting for one\n"
    assert lock.try_acquire()
    with lock:
        recording.look()
        recording.look()
    assert capsys.readouterr().err == "note: a recorder is running again\n"


def test_following_ends_when_nobody_reads_any_more(
    data_dir: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = os.pipe()
    with os.fdopen(theirs, "w", encoding="utf-8") as pipe, os.fdopen(ours, encoding="utf-8") as reader:
        monkeypatch.setattr("sys.stdout", pipe)
        codes = list[int]()
        command = ["tail", "binance", "BTCUSDT", "trade", "-n", "2", "--follow", "--json"]
        follower = threading.Thread(target=lambda: codes.append(cli.main(command)))
        follower.start()
        assert [reader.readline()[:12] for _ in range(2)] == ['{"exchange":'] * 2
        reader.close()
        follower.join(60)
    assert codes == [0]
