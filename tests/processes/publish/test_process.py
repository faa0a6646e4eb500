"""The process that publishes a feed's journal, with a real NATS server."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from collector.bus.bus import BusError
from collector.bus.names import PLACES
from collector.processes.async_work import Wakes
from collector.processes.context import SystemClock
from collector.processes.publish import process, publisher
from tests.bus.servers import NatsServer, bus_at, run, until
from tests.processes.publish.fake_bus import EDGE, FEED, FakeRelay
from tests.processes.publish.publish_harness import PublishHarness, kept_files

pytestmark = pytest.mark.usefixtures("closed_journals")


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    server = NatsServer(tmp_path_factory.mktemp("nats"))
    try:
        yield server.start()
    finally:
        server.remove()


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "LOOK_SECS", 0.05)


class Relay(FakeRelay):
    """Takes slices from real servers."""

    async def follow(self, url: str) -> None:
        """Take slices until cancelled; after any error from the first one that the stream holds."""
        async with bus_at(url) as bus:
            self.bus = bus  # type: ignore[assignment]
            while True:
                try:
                    await bus.make_bucket(PLACES)
                    await self._read()
                except BusError:
                    await asyncio.sleep(0.05)

    async def _read(self) -> None:
        async for messages in self.bus.read(EDGE, FEED):
            for message in messages:
                self.take_message(message.data)
            await self.tell()


class Life:
    """The process, and the storage host beside it."""

    def __init__(self, folder: Path, server: NatsServer) -> None:
        self.harness = PublishHarness(folder, rewind_secs=0.3)
        self.server = server
        self.relay = Relay(self.harness.bus)
        self.stopping = False
        self.harness.stop_when = lambda: self.stopping

    async def live(self, work: Callable[[], "asyncio.Future[None]"]) -> None:
        """Let both work, and the process end once that is done."""
        context = replace(self.harness.context(f"publish:{FEED}"), clock=SystemClock())
        wakes = Wakes(context)
        storage = asyncio.create_task(self.relay.follow(self.server.url))
        try:
            async with bus_at(self.server.url) as bus:
                publishing = asyncio.create_task(process.publish(context, wakes, bus))
                await asyncio.wait({publishing, asyncio.ensure_future(work())}, return_when=asyncio.FIRST_COMPLETED)
                self.stopping = True
                wakes.ring()
                await publishing
            await until(self.is_there)
        finally:
            storage.cancel()

    def is_there(self) -> bool:
        self.harness.relay = self.relay
        return self.harness.is_there()


def test_a_stop_publishes_the_journal_to_its_end(tmp_path: Path, server: NatsServer) -> None:
    life = Life(tmp_path, server)

    async def work() -> None:
        journal = life.harness.journal()
        life.harness.append(journal, 300)
        journal.close()

    with kept_files(life.harness) as seen:
        run(life.live(lambda: asyncio.ensure_future(work())))
    assert {file_id: bytes(data) for file_id, data in life.relay.files.items()} == seen
    assert life.relay.heads[-1].is_last
    assert "journal_left_waiting" not in life.harness.events


def test_a_killed_server_and_deleted_stores_lose_nothing(tmp_path: Path, server: NatsServer) -> None:
    life = Life(tmp_path, server)

    async def work() -> None:
        journal = life.harness.journal(50_000)
        for fault in ("none", "kill", "delete", "delete", "none"):
            life.harness.append(journal, 200, 1_000)
            await asyncio.sleep(0.1)
            if fault != "none":
                server.kill()
                if fault == "delete":
                    server.delete_store()
                server.start()
        journal.close()
        await until(life.is_there)

    with kept_files(life.harness) as seen:
        run(life.live(lambda: asyncio.ensure_future(work())))
    assert {file_id: bytes(data) for file_id, data in life.relay.files.items()} == seen


def test_a_stop_without_servers_leaves_the_rest_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "AWAY_SECS", 0.1)
    harness = PublishHarness(tmp_path)
    journal = harness.journal()
    harness.append(journal, 50)
    journal.close()
    dead = NatsServer(tmp_path / "dead")

    async def work() -> None:
        context = replace(harness.context(f"publish:{FEED}"), clock=SystemClock())
        async with bus_at(dead.url) as bus:
            await process.publish(context, Wakes(context), bus)

    run(work())
    dead.remove()
    assert "journal_left_waiting" in harness.events
