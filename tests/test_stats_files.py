import errno
import json
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.processes.roles import report_of
from collector.reports import ArchiverReport, IngestReport, LineReport, Report, StreamNumbers, WriterReport
from collector.stats_files import StatsFile, clear_stats, last_signs, read_object, read_reports, stats_file

REPORT = WriterReport(role="writer", pid=7, messages=12, streams=[StreamNumbers("binance", "BTCUSDT", "trade", gaps=3)])


def read(folder: Path) -> dict[str, Report]:
    return read_reports(folder, report_of)


def test_a_processs_report_is_read_under_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "stats"
    ingest = IngestReport(feed="binance.v2", frames=3, lines=[LineReport(line=0, plan=1, streams=2)])
    assert stats_file(folder, "writer").write(REPORT)
    assert stats_file(folder, "ingest:binance.v2").write(ingest)
    assert read(folder) == {"writer": REPORT, "ingest:binance.v2": ingest}


def test_a_report_is_readable_json(tmp_path: Path) -> None:
    stats_file(tmp_path, "archiver").write(ArchiverReport(pid=7, archived=2, store_tries_failed=[("away", 3)]))
    content = json.loads((tmp_path / "archiver.json").read_bytes())
    assert (content["pid"], content["archived"], content["store_tries_failed"]) == (7, 2, [["away", 3]])


def test_a_newer_report_replaces_the_one_before(tmp_path: Path) -> None:
    stats = stats_file(tmp_path, "writer")
    stats.write(WriterReport(messages=1))
    stats.write(WriterReport(messages=2))
    assert read(tmp_path) == {"writer": WriterReport(messages=2)}
    assert [path.name for path in tmp_path.iterdir()] == ["writer.json"]


def test_a_missing_folder_has_no_reports(tmp_path: Path) -> None:
    assert read(tmp_path / "none") == {}


def test_torn_empty_and_foreign_files_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "ingest:torn.json").write_bytes(b'{"frames":1')
    (tmp_path / "ingest:empty.json").write_bytes(b"")
    (tmp_path / "ingest:list.json").write_bytes(b"[1]")
    (tmp_path / "ingest:bytes.json").write_bytes(b'{"feed":"\xff"}')
    (tmp_path / "ingest:text.json").write_bytes(b'{"frames":"many"}')
    (tmp_path / "ingest:folder.json").mkdir()
    (tmp_path / "writer.json.77.new").write_bytes(b"{}")
    stats_file(tmp_path, "writer").write(REPORT)
    assert read(tmp_path) == {"writer": REPORT}


def test_a_report_of_another_version_is_read_as_far_as_the_names_agree(tmp_path: Path) -> None:
    (tmp_path / "archiver.json").write_bytes(b'{"pid":7,"archived":2,"tables":["trades"]}')
    (tmp_path / "relay.json").write_bytes(b'{"pid":8,"published":5}')
    assert read(tmp_path) == {"archiver": ArchiverReport(pid=7, archived=2), "relay": Report(pid=8)}


@given(st.binary(max_size=30))
@settings(max_examples=50)
def test_no_file_content_stops_the_reader(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("stats") / "writer.json"
    path.write_bytes(content)
    assert isinstance(read_object(path), dict | None)


def test_a_reader_never_sees_half_a_report(tmp_path: Path) -> None:
    stats, done = stats_file(tmp_path, "writer"), threading.Event()
    stats.write(WriterReport())

    def write() -> None:
        for number in range(500):
            stats.write(WriterReport(messages=number, commits=[(number, number)] * 2_000))
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    seen = []
    while not done.is_set():
        report = read(tmp_path)["writer"]
        assert isinstance(report, WriterReport)
        assert set(report.commits) <= {(report.messages, report.messages)}
        seen.append(report.messages)
    thread.join()
    assert seen == sorted(seen)


def test_a_report_is_replaced_in_place_on_a_full_disk(tmp_path: Path) -> None:
    path = tmp_path / "writer.json"
    stats = StatsFile(path)
    assert stats.write({"messages": 100})
    (tmp_path / f"writer.json.{os.getpid()}.new").mkdir()
    assert stats.write({"messages": 2})
    assert read_object(path) == {"messages": 2}


def test_a_failed_write_keeps_the_previous_report(tmp_path: Path) -> None:
    path = tmp_path / "writer.json"
    stats = StatsFile(path)
    assert stats.write({"messages": 1})
    (tmp_path / f"writer.json.{os.getpid()}.new").mkdir()
    assert not stats.write({"streams": "x" * 100_000})
    assert read_object(path) == {"messages": 1}


def test_clear_stats_removes_the_reports_of_an_earlier_run(tmp_path: Path) -> None:
    stats_file(tmp_path, "writer").write(REPORT)
    (tmp_path / "archiver.json.77.new").write_bytes(b"{")
    clear_stats(tmp_path)
    assert list(tmp_path.iterdir()) == []
    clear_stats(tmp_path / "none")


def test_a_failed_write_still_updates_the_files_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = stats_file(tmp_path, "writer")
    assert file.write({"pid": 1})
    os.utime(tmp_path / "writer.json", ns=(1, 1))
    assert last_signs(tmp_path) == {"writer": 1}

    def full(_path: Path, _content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert not file.write({"pid": 1, "streams": "x" * 100_000})
    assert last_signs(tmp_path)["writer"] > 1
