"""Publishers on two edges and a relay, with a real server between that is killed and loses its disk: nothing is lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace as replaced
from pathlib import Path

import pytest
from msgspec.structs import replace

from collector.config.model import EdgeConfig
from collector.processes.async_work import Wakes
from collector.processes.journals import journal_folder
from collector.processes.publish import publisher
from collector.processes.publish.process import publish
from collector.storage.journal.files import journal_files
from tests.bus.servers import NatsServer, bus_at, run, until
from tests.processes.relay.edge_journal import FEED, EdgeJournal, frames_in
from tests.processes.relay.relay_world import RelayWorld


class Edge(EdgeJournal):
    """An edge whose own publisher sends its journal."""

    def __init__(self, folder: Path, name: str, world: RelayWorld) -> None:
        edge = EdgeConfig(slice_bytes=2_000, in_flight_bytes=20_000, rewind_secs=0.3)
        self._config = replace(world.config, data_dir=folder / name, host_name=name, edge=edge)
        super().__init__(journal_folder(self._config, FEED).parent, FEED, file_bytes=20_000)
        self.name = name
        self._world = world
        self._is_stopping = False
        self.sent: list[bytes] = []

    @asynccontextmanager
    async def publishing(self) -> AsyncIterator[None]:
        context = replaced(
            self._world.context(), role=f"publish:{FEED}", config=self._config, report=lambda _report: None,
            stopping=lambda: self._is_stopping,
        )  # fmt: skip
        wakes = Wakes(context)
        async with bus_at(self._world.url) as bus:
            task = asyncio.create_task(publish(context, wakes, bus))
            try:
                yield
            finally:
                self._is_stopping = True
                wakes.ring()
                await task

    def record_more(self, since_secs: int, count: int) -> None:
        """Append records, and note their frames: the files go once storage has them."""
        self.record(since_secs, count)
        for secs in range(since_secs, since_secs + count):
            self.sent += [f"{self.name} frame {secs} {part} {'.' * 60}".encode() for part in "ab"]


def is_there(world: RelayWorld, edges: list[Edge]) -> bool:
    chunks = world.chunks()
    return all(frames_in(chunks, edge.name) == edge.sent for edge in edges)


async def all_there(world: RelayWorld, edges: list[Edge]) -> None:
    while not is_there(world, edges):  # noqa: ASYNC110 -- the condition is what stands on disk
        await asyncio.sleep(0.2)


def fail(server: NatsServer, fault: str) -> None:
    if fault != "relay":
        server.kill()
        if fault == "delete":
            server.delete_store()
        server.start()


def test_two_edges_arrive_whole_over_kills_and_lost_disks_and_their_journals_go(
    tmp_path: Path, world: RelayWorld, nats_server: NatsServer
) -> None:
    edges = [Edge(tmp_path, name, world) for name in ("edge-1", "edge-2")]

    async def work() -> None:
        async with AsyncExitStack() as publishers:
            for edge in edges:
                await publishers.enter_async_context(edge.publishing())
            for since_secs, fault in ((1_000, "relay"), (1_200, "kill"), (1_400, "delete")):
                async with world.running():
                    for edge in edges:
                        edge.record_more(since_secs, 200)
                    await asyncio.to_thread(fail, nats_server, fault)
                    await all_there(world, edges)
            for edge in edges:
                edge.close()
            async with world.running():
                await until(lambda: all(len(journal_files(edge.folder)) == 1 for edge in edges))

    run(work())
    assert is_there(world, edges)
    assert world.report.lost == 0


@pytest.mark.parametrize("is_running", [True, False])
def test_an_edge_whose_journal_files_somebody_removed_loses_nothing_that_it_records_from_then_on(
    tmp_path: Path, world: RelayWorld, monkeypatch: pytest.MonkeyPatch, *, is_running: bool
) -> None:
    monkeypatch.setattr(publisher, "PLACE_SECS", 0.05)
    monkeypatch.setattr(publisher, "LOOK_SECS", 0.05)
    edge = Edge(tmp_path, "edge-1", world)

    async def work() -> None:
        async with world.running():
            async with edge.publishing():
                edge.record_more(1_000, 200)
                edge.close()
                await all_there(world, [edge])
                await until(lambda: len(journal_files(edge.folder)) == 1)
                if is_running:
                    begin_anew(edge)
                    await all_there(world, [edge])
            if not is_running:
                begin_anew(edge)
                async with edge.publishing():
                    await all_there(world, [edge])
            await until(lambda: world.report.lost == 1)

    run(work())
    edge.close()


def begin_anew(edge: Edge) -> None:
    """All files of a journal are removed, and numbers begin at 1 again; the name of its epoch stays."""
    for _, path in journal_files(edge.folder):
        path.unlink()
    edge.open()
    edge.record_more(2_000, 20)
