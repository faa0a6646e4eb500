"""A frame goes from the socket to the journal without a callback: no module is entered again beneath itself."""

import re
import sys
import threading
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from types import FrameType

import pytest
from websockets.frames import Opcode

from collector.processes.ingest import line_reader, session
from collector.storage.journal.format import RecordKind
from tests.feed.servers import Server, wire
from tests.processes.ingest.ingest_harness import LIMITS, PlainAdapter, Recording, wait_for

COLLECTOR = str(Path(line_reader.__file__).parents[2])
ARCHITECTURE = Path(__file__).parents[3] / "docs/ARCHITECTURE.md"


class Stacks:
    """The modules of the recorder on the call stack of each line's thread, below its reader, outermost first."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, ...]] = set()

    def note(self, frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and threading.current_thread().name.startswith("line "):
            modules = [path for path in self._paths(frame) if path.startswith(COLLECTOR)]
            reader = modules.index(line_reader.__file__) if line_reader.__file__ in modules else len(modules)
            self.seen.add(tuple(path for path, _ in groupby(modules[reader:])))

    @staticmethod
    def _paths(frame: FrameType | None) -> list[str]:
        paths = []
        while frame is not None:
            paths.append(frame.f_code.co_filename)
            frame = frame.f_back
        return paths[::-1]


@pytest.fixture
def stacks() -> Iterator[Stacks]:
    stacks = Stacks()
    threading.setprofile(stacks.note)
    yield stacks
    threading.setprofile(None)
    assert sys.getprofile() is None


def test_no_module_is_entered_again_while_it_waits_for_another(tmp_path: Path, server: Server, stacks: Stacks) -> None:
    limits = LIMITS._replace(messages_per_sec=1_000)
    recording = Recording(tmp_path, server.url, adapter=PlainAdapter(limits=limits, messages=("subscribe",)))
    old = server.accept(wire(b"BTCUSDT 1"), wire(b"error"), wire(b"shutdown"))
    new = server.accept(wire(b"BTCUSDT 2"), wire(b"ack"))
    wait_for(lambda: old.receive().opcode == Opcode.CLOSE)
    old.hang_up()
    wait_for(lambda: recording.records(RecordKind.DISCONNECT))
    new.hang_up()
    server.refuse("503 Service Unavailable")
    server.accept(wire(b"BTCUSDT 3"))
    wait_for(lambda: b"BTCUSDT 3" in recording.frames())
    recording.stop()

    listed = re.findall(
        r"^\| `([\w/]+\.py)`", ARCHITECTURE.read_text("utf-8").partition("## One frame's way")[2], re.MULTILINE
    )
    sock, connection, session_room, gate, writer = (f"{COLLECTOR}/{path}" for path in listed[:5])
    assert (line_reader.__file__, session_room, connection, sock) in stacks.seen
    assert (line_reader.__file__, session_room, gate, writer) in stacks.seen
    lives = [stack for stack in stacks.seen if session.__file__ in stack]
    assert [stack for stack in lives if len(set(stack)) < len(stack)] == []
