"""The slots of connections that may be open at once: real locks, real processes."""

import subprocess
import sys
from pathlib import Path

from collector.feed.live_slots import SLOT_WAIT_SECS, LiveSlots

HOLD = """
import sys, threading
from pathlib import Path
from collector.feed.live_slots import LiveSlots
slot = LiveSlots(Path(sys.argv[1]), int(sys.argv[2])).slot()
print(slot.take(), flush=True)
threading.Event().wait()
"""


def holder(folder: Path, count: int) -> "subprocess.Popen[bytes]":
    """Another process that tries to hold a slot; it has tried."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, folder, str(count)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_no_more_slots_are_held_than_there_are(tmp_path: Path) -> None:
    slots = LiveSlots(tmp_path / "run/connections-x", 2)
    held = [slots.slot() for _ in range(3)]

    assert [slot.take() for slot in held] == [0.0, 0.0, SLOT_WAIT_SECS]
    with held[0]:
        assert held[0].take() == 0.0
    assert held[2].take() == 0.0
    assert held[0].take() == SLOT_WAIT_SECS


def test_a_killed_process_frees_its_slot(tmp_path: Path) -> None:
    slot = LiveSlots(tmp_path, 1).slot()
    with holder(tmp_path, 1) as process:
        taken = slot.take()
        process.kill()
        process.wait()

    assert taken == SLOT_WAIT_SECS
    assert slot.take() == 0.0


def test_without_a_limit_there_is_always_a_slot_and_no_file(tmp_path: Path) -> None:
    slots = LiveSlots(tmp_path / "none", None)

    assert [slots.slot().take() for _ in range(100)] == [0.0] * 100
    assert not (tmp_path / "none").exists()


def test_slots_of_another_folder_are_others(tmp_path: Path) -> None:
    one, other = LiveSlots(tmp_path / "one", 1).slot(), LiveSlots(tmp_path / "other", 1).slot()

    assert (one.take(), other.take()) == (0.0, 0.0)
