"""Where a child of a program that takes over reports, with a real lock."""

import os
from pathlib import Path

from collector.processes.stats_place import BESIDE, STATS, StatsPlace, newest_reports
from collector.reports import Report
from collector.stats_files import stats_file
from collector.storage.locks import supervisor_lock


def written(data_dir: Path) -> list[str]:
    return sorted(str(path.relative_to(data_dir)) for path in (data_dir / "run").glob("stats*/*.json"))


def test_it_reports_beside_until_the_lock_names_its_supervisor(tmp_path: Path) -> None:
    lock = supervisor_lock(tmp_path)
    assert lock.try_acquire()
    place = StatsPlace(tmp_path, "writer", succeeds=True)
    place.file().write(Report())
    assert written(tmp_path) == [f"{BESIDE}/writer.json"]
    lock.sign(os.getppid())
    place.file().write(Report())
    assert written(tmp_path) == [f"{BESIDE}/writer.json", f"{STATS}/writer.json"]
    lock.sign(1)
    (tmp_path / STATS / "writer.json").unlink()
    place.file().write(Report())
    assert written(tmp_path) == [f"{BESIDE}/writer.json", f"{STATS}/writer.json"], "it stays there"
    lock.release()


def test_a_child_of_the_supervisor_that_holds_the_lock_asks_nobody(tmp_path: Path) -> None:
    StatsPlace(tmp_path, "writer", succeeds=False).file().write(Report())
    assert written(tmp_path) == [f"{STATS}/writer.json"]


def test_the_newest_report_of_each_process_is_read_and_of_two_ingests_that_of_the_lock_holder(tmp_path: Path) -> None:
    for folder, at_us in ((STATS, 10), (BESIDE, 20)):
        for role in ("ingest:a", "writer"):
            stats_file(tmp_path / folder, role).write(Report(role=role, updated_us=at_us))
    stats_file(tmp_path / BESIDE, "repair").write(Report(role="repair", updated_us=5))
    stats_file(tmp_path / BESIDE, "archiver").write(Report(role="archiver", updated_us=1))
    stats_file(tmp_path / STATS, "archiver").write(Report(role="archiver", updated_us=2))
    found = {role: report.updated_us for role, report in newest_reports(tmp_path).items()}
    assert found == {"ingest:a": 10, "writer": 20, "repair": 5, "archiver": 2}
