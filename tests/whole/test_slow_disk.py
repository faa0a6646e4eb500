"""A disk on which each wait takes seconds costs delay, and nothing else."""

from collections.abc import Callable
from pathlib import Path

from tests.whole.running import Recorder, wait_for
from tests.whole.slow_disk import SlowDisk

NOWHERE = "ws://127.0.0.1:9"


def pid_of(recorder: Recorder, role: str) -> int:
    """The process of that role that was started last."""
    started = wait_for(lambda: [line for line in recorder.logged("process_started") if line["child"] == role])
    return int(started[-1]["pid"])


def test_an_idle_writer_waits_for_the_disk_only_a_few_times_and_thrice_for_a_new_segment(
    tmp_path: Path, recorder: Callable[..., Recorder]
) -> None:
    disk = SlowDisk(tmp_path / "slow")
    recorded = recorder(NOWHERE, environment=disk.environment).start()
    writer = pid_of(recorded, "writer")
    wait_for(lambda: recorded.alive() and recorded.logged("segment_opened"))
    making = disk.count(writer)
    assert sum(making.values()) <= 3, making
    assert recorded.stop() == 0
    assert sum(disk.count(writer).values()) <= 12
