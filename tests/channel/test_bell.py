"""Bells wake whoever waits for their descriptors."""

import gc
import os
import select
import threading

from collector.channel.bell import Bell, RingingEvent
from tests.descriptors import open_files


def is_readable(what: Bell | RingingEvent, wait_secs: float = 0.0) -> bool:
    return bool(select.select([what], [], [], wait_secs)[0])


def test_a_ring_is_heard_until_it_is_cleared() -> None:
    bell = Bell()
    assert not is_readable(bell)
    bell.ring()
    assert is_readable(bell)
    assert is_readable(bell)
    bell.clear()
    assert not is_readable(bell)
    bell.close()


def test_no_number_of_rings_blocks_the_ringer_and_one_clear_takes_them_all_back() -> None:
    bell = Bell()
    for _ in range(100_000):
        bell.ring()
    assert is_readable(bell)
    bell.clear()
    assert not is_readable(bell)
    bell.close()


def test_a_ringing_event_wakes_who_waits_for_its_descriptor_and_who_waits_for_itself() -> None:
    event = RingingEvent()
    woken = []
    waiting = [
        threading.Thread(target=lambda: woken.append(is_readable(event, 60.0))),
        threading.Thread(target=lambda: woken.append(event.wait(60.0))),
    ]
    for thread in waiting:
        thread.start()
    event.set()
    for thread in waiting:
        thread.join(60.0)
    assert woken == [True, True]
    assert is_readable(event), "it stays readable"


def test_a_ringing_event_that_nobody_holds_gives_its_descriptors_back() -> None:
    event = RingingEvent()
    inode = os.fstat(event.fileno()).st_ino
    assert f"pipe:[{inode}]" in open_files()
    del event
    gc.collect()
    assert f"pipe:[{inode}]" not in open_files()
