"""Counts on their way from one program to the next."""

from pathlib import Path

import pytest

from collector.monitoring.handed_counts import FILE_NAME, take_counts, write_counts
from collector.monitoring.status import Status
from collector.processes.roles import report_of
from tests.supervision.made import CONFIG, ingest, known, reports, status, stream, writer


def test_counts_go_on_in_the_next_program_as_if_its_processes_were_further_incarnations(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    earlier = status()
    earlier.look(reports(ingest(pid=1, frames=100), writer(pid=2, messages=50)), known())
    # The later program's writer works already, while the earlier one still shows everything.
    earlier.look(reports(ingest(pid=1, frames=110), writer(pid=7, messages=60, undecodable=4)), known())
    write_counts(tmp_path, earlier.totals)
    later = Status("run-1", CONFIG)
    later.resume(take_counts(tmp_path, report_of))
    assert not (tmp_path / FILE_NAME).exists()
    rows = [stream(messages=8)]
    view = later.look(
        reports(ingest(pid=8, frames=5), writer(pid=7, messages=61, undecodable=4, streams=rows)), known()
    )
    totals = {role: each.total for role, each in view.roles.items()}
    assert totals["ingest:binance"].frames == 115
    assert totals["writer"].messages == 61
    assert [each.messages for each in view.roles["writer"].stream_totals()] == [8]


def test_a_file_that_is_missing_or_cut_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        take_counts(tmp_path, report_of)
    (tmp_path / "run").mkdir()
    (tmp_path / FILE_NAME).write_bytes(b'{"writer": [')
    with pytest.raises(ValueError, match="truncated"):
        take_counts(tmp_path, report_of)
