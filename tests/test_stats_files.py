import errno
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.stats_files import StatsFile, clear_stats, last_signs, read_object, read_stats, stats_file

REPORT = {"role": "writer", "pid": 7, "messages": 12, "streams": [{"symbol": "BTCUSDT", "last_received_us": None}]}


def test_what_a_process_wrote_is_read_under_its_role(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "stats"
    assert stats_file(folder, "writer").write(REPORT)
    assert stats_file(folder, "ingest:binance.v2").write({"frames": 3})
    assert read_stats(folder) == {"writer": REPORT, "ingest:binance.v2": {"frames": 3}}


def test_a_newer_report_replaces_the_one_before(tmp_path: Path) -> None:
    stats = stats_file(tmp_path, "writer")
    stats.write({"messages": 1})
    stats.write({"messages": 2})
    assert read_stats(tmp_path) == {"writer": {"messages": 2}}
    assert [path.name for path in tmp_path.iterdir()] == ["writer.json"]


def test_a_missing_folder_holds_no_numbers(tmp_path: Path) -> None:
    assert read_stats(tmp_path / "none") == {}


def test_a_torn_an_empty_and_a_foreign_file_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "ingest:torn.json").write_bytes(b'{"frames":1')
    (tmp_path / "ingest:empty.json").write_bytes(b"")
    (tmp_path / "ingest:list.json").write_bytes(b"[1]")
    (tmp_path / "ingest:bytes.json").write_bytes(b'{"a":"\xff"}')
    (tmp_path / "ingest:folder.json").mkdir()
    (tmp_path / "writer.json.77.new").write_bytes(b"{}")
    stats_file(tmp_path, "writer").write(REPORT)
    assert read_stats(tmp_path) == {"writer": REPORT}


@given(st.binary(max_size=30))
@settings(max_examples=50)
def test_no_content_stops_the_reader(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("stats") / "writer.json"
    path.write_bytes(content)
    assert isinstance(read_object(path), dict | None)


def test_a_reader_never_sees_half_a_report(tmp_path: Path) -> None:
    stats, done = stats_file(tmp_path, "writer"), threading.Event()
    stats.write({"n": 0, "filler": []})

    def write() -> None:
        for number in range(500):
            stats.write({"n": number, "filler": [number] * 2_000})
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    seen = []
    while not done.is_set():
        report = read_stats(tmp_path)["writer"]
        assert set(report["filler"]) <= {report["n"]}
        seen.append(report["n"])
    thread.join()
    assert seen == sorted(seen)


def test_a_full_disk_takes_numbers_in_place_of_those_before(tmp_path: Path) -> None:
    path = tmp_path / "writer.json"
    stats = StatsFile(path)
    assert stats.write({"messages": 100})
    (tmp_path / f"writer.json.{os.getpid()}.new").mkdir()
    assert stats.write({"messages": 2})
    assert read_object(path) == {"messages": 2}


def test_a_disk_that_refuses_keeps_the_numbers_before(tmp_path: Path) -> None:
    path = tmp_path / "writer.json"
    stats = StatsFile(path)
    assert stats.write({"messages": 1})
    (tmp_path / f"writer.json.{os.getpid()}.new").mkdir()
    assert not stats.write({"streams": "x" * 100_000})
    assert read_object(path) == {"messages": 1}


def test_an_earlier_run_leaves_no_numbers_behind(tmp_path: Path) -> None:
    stats_file(tmp_path, "writer").write(REPORT)
    (tmp_path / "archiver.json.77.new").write_bytes(b"{")
    clear_stats(tmp_path)
    assert list(tmp_path.iterdir()) == []
    clear_stats(tmp_path / "none")


def test_a_process_that_cannot_write_its_numbers_still_gives_a_sign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = stats_file(tmp_path, "writer")
    assert file.write({"pid": 1})
    os.utime(tmp_path / "writer.json", ns=(1, 1))
    assert last_signs(tmp_path) == {"writer": 1}

    def full(_path: Path, _content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert not file.write({"pid": 1, "streams": "x" * 100_000})
    assert last_signs(tmp_path)["writer"] > 1
