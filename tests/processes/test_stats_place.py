"""Where a child of a program that takes over reports, with a real lock."""

import os
from pathlib import Path

from collector.processes.stats_place import BESIDE, STATS, StatsPlace
from collector.reports import Report
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
