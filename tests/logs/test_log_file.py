"""The rotated log file, with real files and real processes."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from collector import logs
from collector.logs.log_file import LogFile, LogFileWriter

ROOT = Path(__file__).parents[2]
DEADLINE_SECS = 60.0
LINE = b"x" * 99 + b"\n"


def write(file: LogFile, lines: int) -> LogFileWriter:
    writer = LogFileWriter(file)
    for _ in range(lines):
        writer.write(LINE)
    return writer


def sizes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in folder.iterdir()}


def test_a_full_file_is_renamed_and_the_oldest_goes(tmp_path: Path) -> None:
    write(LogFile(tmp_path / "recorder.log", limit_bytes=1_000, files=3), 45)
    assert sizes(tmp_path) == {"recorder.log": 500, "recorder.log.1": 1_000, "recorder.log.2": 1_000}


def test_a_writer_follows_when_another_one_rotated(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "recorder.log", limit_bytes=1_000, files=3)
    first, second = write(file, 5), write(file, 6)
    first.write(LINE)
    assert sizes(tmp_path) == {"recorder.log": 200, "recorder.log.1": 1_000}
    second.close()
    first.close()


def test_a_removed_file_is_made_again(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "run" / "recorder.log")
    writer = write(file, 1)
    file.path.unlink()
    writer.write(LINE)
    assert file.path.read_bytes() == LINE


def test_standard_output_leads_to_the_newest_file(tmp_path: Path) -> None:
    standard = os.open(os.devnull, os.O_WRONLY)
    writer = write(LogFile(tmp_path / "recorder.log", (standard,), limit_bytes=1_000, files=2), 11)
    os.write(standard, b"killed\n")
    assert (tmp_path / "recorder.log").read_bytes() == LINE + b"killed\n"
    writer.close()
    os.close(standard)


def test_a_full_disk_drops_the_line_and_the_next_one_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    dropped = logs.dropped()
    log = logs.setup("writer", "run-1", "json", "info", file=LogFile(Path("/dev/full")))
    for _ in range(3):
        log.info("segment_opened")
    assert logs.flush(DEADLINE_SECS)
    assert logs.dropped() - dropped == 3


def test_a_file_that_cannot_be_renamed_stays_within_its_limit(tmp_path: Path) -> None:
    (tmp_path / "recorder.log.1" / "in the way").mkdir(parents=True)
    writer = write(LogFile(tmp_path / "recorder.log", limit_bytes=1_000, files=2), 10)
    with pytest.raises(OSError, match=r"recorder\.log"):
        writer.write(LINE)
    assert (tmp_path / "recorder.log").stat().st_size == 1_000
    (tmp_path / "recorder.log.1" / "in the way").rmdir()
    (tmp_path / "recorder.log.1").rmdir()
    writer.write(LINE)
    assert sizes(tmp_path) == {"recorder.log": 100, "recorder.log.1": 1_000}


def test_processes_sharing_a_file_lose_no_line_and_rotate_only_full_files(tmp_path: Path) -> None:
    path = tmp_path / "recorder.log"
    code = f"""
        import sys
        from pathlib import Path
        from collector.logs import log_file
        writer = log_file.LogFileWriter(log_file.LogFile(Path({str(path)!r}), limit_bytes=20_000, files=40))
        for number in range(2_000):
            writer.write(b'{{"process":' + sys.argv[1].encode() + b',"number":' + str(number).encode() + b'}}\\n')
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    children = [subprocess.Popen([*command, str(number)], cwd=ROOT) for number in range(3)]
    assert [child.wait(DEADLINE_SECS) for child in children] == [0, 0, 0]
    lines = [line for file in tmp_path.iterdir() for line in file.read_bytes().splitlines(keepends=True)]
    assert sorted((line["process"], line["number"]) for line in map(json.loads, lines)) == [
        (process, number) for process in range(3) for number in range(2_000)
    ]
    # How many files there are depends on how many lines go to a full file while one process renames it.
    rotated = [size for name, size in sizes(tmp_path).items() if name != path.name]
    assert rotated
    assert min(rotated) > 20_000 - max(map(len, lines))
