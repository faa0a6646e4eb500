"""A segment goes to the archive without a callback but the tick: no module is entered again beneath itself."""

import re
import sys
from collections.abc import Iterator
from itertools import groupby, takewhile
from pathlib import Path
from types import FrameType

import pytest

from collector.processes.archiver import process
from tests.processes.archiver.archiver_harness import IDS, World, manifest_ids

COLLECTOR = str(Path(process.__file__).parents[2])
ARCHITECTURE = Path(__file__).parents[3] / "docs/ARCHITECTURE.md"


class Stacks:
    """The modules of the recorder on the main thread's call stack, outermost first, ticks left out."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, ...]] = set()

    def note(self, frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(COLLECTOR):
            frames = list(self._frames(frame))
            if not any(found.f_code.co_name.startswith("_tick") for found in frames):
                inside = takewhile(lambda found: found.f_code.co_name != "run", frames)
                modules = [path for found in inside if (path := found.f_code.co_filename).startswith(COLLECTOR)]
                self.seen.add(tuple(path for path, _ in groupby(reversed(modules))))

    @staticmethod
    def _frames(frame: FrameType | None) -> Iterator[FrameType]:
        while frame is not None:
            yield frame
            frame = frame.f_back


@pytest.fixture
def stacks() -> Iterator[Stacks]:
    stacks = Stacks()
    yield stacks
    assert sys.getprofile() is None


def listed() -> list[str]:
    """The rooms in docs/ARCHITECTURE.md, in order."""
    chapter = (
        ARCHITECTURE.read_text("utf-8").partition("From the sealed segment to the archive")[2].partition("\n## ")[0]
    )
    return [f"{COLLECTOR}/{path}" for path in re.findall(r"^\| `([\w/]+\.py)`", chapter, re.MULTILINE)]


def test_no_module_is_entered_again_while_it_waits_for_another(tmp_path: Path, stacks: Stacks) -> None:
    world = World(tmp_path)
    for number in range(2):
        world.seal(number)
    sys.setprofile(stacks.note)
    try:
        world.run()
    finally:
        sys.setprofile(None)
    assert manifest_ids(world.tree()) == IDS[:2]
    again = [stack for stack in stacks.seen if len(set(stack)) < len(stack)]
    assert again == []


def test_the_rooms_come_in_the_order_that_the_architecture_lists(tmp_path: Path, stacks: Stacks) -> None:
    world = World(tmp_path)
    world.seal(0)
    sys.setprofile(stacks.note)
    try:
        world.run()
    finally:
        sys.setprofile(None)
    (
        loop,
        worker,
        schedule,
        stager,
        sealed,
        staged_set,
        build,
        stream_messages,
        order,
        typed_stream,
        writer,
        uploads,
        upload,
        directory,
        finished,
    ) = listed()
    ways = {
        (loop, worker, schedule),
        (loop, worker, stager, sealed),
        (loop, worker, stager, staged_set, build, stream_messages),
        (loop, worker, stager, staged_set, build, typed_stream, order),
        (loop, worker, stager, staged_set, build, typed_stream, writer),
        (loop, uploads),
        (loop, finished),
    }
    assert ways <= {stack[: len(way)] for stack in stacks.seen for way in ways}
    assert Path(upload).is_file()
    assert Path(directory).is_file()
