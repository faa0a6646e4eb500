"""A relay that is killed at any step goes on with exactly what comes next."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from collector.bus.client import NatsBus
from collector.processes.async_work import Wakes
from collector.storage.journal import writer
from collector.storage.journal.writer import JournalWriter
from tests.bus.servers import bus_at, run
from tests.processes.relay.edge_journal import EdgeJournal, publish
from tests.processes.relay.relay_world import RelayWorld, place_where, prepared

DEADLINE_SECS = 60


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def after(count: int, call: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, but the process is dead as it returns for the so manieth time."""
    calls = 0

    def counted(*given: Any, **named: Any) -> Any:
        nonlocal calls
        found = call(*given, **named)
        calls += 1
        if calls >= count:
            die()
        return found

    return counted


def awaited_after(count: int, call: Callable[..., Any]) -> Callable[..., Any]:
    calls = 0

    async def counted(*given: Any, **named: Any) -> Any:
        nonlocal calls
        found = await call(*given, **named)
        calls += 1
        if calls >= count:
            die()
        return found

    return counted


def torn(fd: int, pieces: list[bytes], position: int) -> int:
    """Half of a record is written when the process dies."""
    if len(pieces) > 1:
        data = b"".join(pieces)
        os.pwrite(fd, data[: len(data) * 9 // 10], position)
        die()
    return os.pwritev(fd, pieces, position)


STEPS: dict[str, Callable[[int], None]] = {
    "appended": lambda count: setattr(JournalWriter, "append_relayed", after(count, JournalWriter.append_relayed)),
    "torn": lambda _count: setattr(writer, "_write_whole", torn),
    "durable": lambda count: setattr(JournalWriter, "sync", after(count + 1, JournalWriter.sync)),
    "told": lambda count: setattr(NatsBus, "put", awaited_after(count, NatsBus.put)),
    "purged": lambda count: setattr(NatsBus, "purge", awaited_after(count, NatsBus.purge)),
}


def killed_at(world: RelayWorld, step: str, count: int) -> None:
    """Run a relay in a process of its own, which dies at that step."""
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(DEADLINE_SECS)
            STEPS[step](count)
            asyncio.run(world.relay(bus_at(world.url)).run(Wakes(world.context())))
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.mark.parametrize("step", STEPS)
def test_a_relay_killed_at_any_step_goes_on_with_what_comes_next(tmp_path: Path, world: RelayWorld, step: str) -> None:
    edges = [EdgeJournal(tmp_path, name) for name in ("edge-1", "edge-2")]
    for edge in edges:
        edge.record(1_000, 60)
        edge.close()

    async def send() -> None:
        async with bus_at(world.url) as bus:
            await prepared(bus, *(edge.name for edge in edges))
            for edge in edges:
                await publish(bus, edge.name, edge.messages())

    async def finish() -> None:
        async with bus_at(world.url) as bus, world.running():
            for edge in edges:
                await place_where(bus, edge.name, edge.is_whole)

    run(send())
    for count in (1, 3) if step == "appended" else (1, 2):
        killed_at(world, step, count)
    run(finish())
    assert [world.frames(edge.name) for edge in edges] == [edge.frames() for edge in edges]
    assert [chunk.damage for chunk in world.chunks() if chunk.damage] == []
    ends: dict[str, int] = {}
    for chunk in world.chunks():
        if chunk.source is not None:
            assert chunk.source.start == ends.get(chunk.source.file_id, 0)
            ends[chunk.source.file_id] = chunk.source.end
