"""A frame leaves an edge without a callback: no module is entered again beneath itself."""

import asyncio
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from types import FrameType

import pytest

from collector.processes.async_work import Wakes
from collector.processes.context import SystemClock
from collector.processes.publish import process
from tests.processes.publish.fake_bus import FEED, as_bus
from tests.processes.publish.publish_harness import PublishHarness

pytestmark = pytest.mark.usefixtures("closed_journals")

COLLECTOR = str(Path(process.__file__).parents[2])
ARCHITECTURE = Path(__file__).parents[3] / "docs/ARCHITECTURE.md"


def listed() -> list[str]:
    """The rooms in docs/ARCHITECTURE.md, in order."""
    chapter = ARCHITECTURE.read_text("utf-8").partition("\n## From an edge to the servers")[2].partition("\n## ")[0]
    return [f"{COLLECTOR}/{path}" for path in re.findall(r"^\| `([\w/]+\.py)`", chapter, re.MULTILINE)]


def modules_of(frame: FrameType | None) -> Iterator[str]:
    """The recorder's modules on a stack, innermost first."""
    while frame is not None:
        if frame.f_code.co_filename.startswith(COLLECTOR):
            yield frame.f_code.co_filename
        frame = frame.f_back


def test_the_rooms_come_in_the_order_that_the_architecture_lists(tmp_path: Path) -> None:
    harness, seen = PublishHarness(tmp_path), set[tuple[str, ...]]()
    journal = harness.journal()
    harness.append(journal, 100)
    journal.close()

    def note(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call":
            seen.add(tuple(path for path, _ in groupby(reversed(list(modules_of(frame))))))

    context = replace(harness.context(f"publish:{FEED}"), clock=SystemClock())
    sys.setprofile(note)
    try:
        asyncio.run(process.publish(context, Wakes(context), as_bus(harness.bus)))
    finally:
        sys.setprofile(None)
    *rooms, client = listed()
    loop, publisher, slices, sending = rooms
    assert client == f"{COLLECTOR}/bus/client.py"
    assert (loop, publisher, slices) in seen
    assert (loop, publisher, sending) in seen
    assert (loop, publisher, sending, f"{COLLECTOR}/bus/bodies.py") in seen
    assert [stack for stack in seen if len(set(stack)) < len(stack)] == []
