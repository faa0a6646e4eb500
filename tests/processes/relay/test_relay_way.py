"""The way of a slice through a relay is the one that docs/ARCHITECTURE.md describes."""

import re
import sys
from pathlib import Path
from types import FrameType

from collector.processes.relay import process
from tests.bus.servers import bus_at, run
from tests.processes.relay.edge_journal import EdgeJournal, publish
from tests.processes.relay.relay_world import RelayWorld, place_where, prepared

COLLECTOR = Path(process.__file__).parents[2]
ARCHITECTURE = Path(__file__).parents[3] / "docs/ARCHITECTURE.md"


def listed() -> set[str]:
    """The rooms in docs/ARCHITECTURE.md."""
    chapter = ARCHITECTURE.read_text("utf-8").partition("On a storage host the journal has")[2].partition("\nFrom ")[0]
    return set(re.findall(r"^\| `([\w/]+\.py)`", chapter, re.MULTILINE))


def test_a_slice_passes_every_room_that_is_listed(tmp_path: Path, world: RelayWorld) -> None:
    entered: set[str] = set()

    def note(frame: FrameType, _event: str, _argument: object) -> None:
        entered.add(frame.f_code.co_filename)

    edge = EdgeJournal(tmp_path, "edge-1")
    edge.record(1_000, 20)
    edge.close()

    async def work() -> None:
        async with bus_at(world.url) as bus:
            await prepared(bus, "edge-1")
            await publish(bus, "edge-1", edge.messages())
            async with world.running():
                await place_where(bus, "edge-1", edge.is_whole)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        run(work())
        assert world.frames("edge-1") == edge.frames()
    finally:
        sys.setprofile(before)
    rooms = listed()
    assert len(rooms) == 9
    assert {str(COLLECTOR / room) for room in rooms} <= entered
