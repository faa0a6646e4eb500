"""The process of a relay, from its settings to its stop."""

import errno
import resource
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace as replaced
from pathlib import Path

import pytest
from msgspec.structs import replace

from collector.bus.client import NatsBus
from collector.config import Config, FeedConfig
from collector.config.model import NatsConfig
from collector.processes.async_work import Wakes
from collector.processes.journals import open_relay_journal
from collector.processes.relay import process
from collector.processes.relay.intake import Intake
from collector.reports import Report
from collector.storage.journal.relayed import Source
from collector.storage.journal.writer import JournalWriter
from tests.bus.servers import bus_at, run, until
from tests.processes.process_harness import ProcessHarness
from tests.processes.relay.edge_journal import EdgeJournal, publish
from tests.processes.relay.relay_world import RelayWorld, place_where, prepared

START_NS = 1_700_000_000_000_000_000


def test_the_process_takes_slices_until_it_is_told_to_stop(tmp_path: Path, world: RelayWorld) -> None:
    edge = EdgeJournal(tmp_path, "edge-1")
    edge.record(1_000, 20)
    edge.close()
    world.config = replace(world.config, nats=NatsConfig(urls=(world.url,), replicas=1))
    thread = threading.Thread(target=process.main, args=(world.context(),), daemon=True)

    async def work() -> None:
        async with bus_at(world.url) as bus:
            await prepared(bus, "edge-1")
            await publish(bus, "edge-1", edge.messages())
            thread.start()
            await place_where(bus, "edge-1", edge.is_whole)
            world.is_stopping = True

    run(work())
    thread.join(60)
    assert not thread.is_alive()
    assert world.frames("edge-1") == edge.frames()
    assert world.report.is_connected


def test_a_journal_that_takes_nothing_more_is_tried_again(tmp_path: Path, world: RelayWorld) -> None:
    edge = EdgeJournal(tmp_path, "edge-1")
    edge.record(1_000, 60)
    edge.close()
    world.with_journal(file_bytes=1 << 20)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    async def work() -> None:
        async with bus_at(world.url) as bus:
            await prepared(bus, "edge-1")
            async with world.running():
                await until(lambda: world.report.is_connected)
                resource.setrlimit(resource.RLIMIT_FSIZE, (6_000, limits[1]))
                await publish(bus, "edge-1", edge.messages())
                await until(lambda: "relay_paused" in world.events)
                resource.setrlimit(resource.RLIMIT_FSIZE, limits)
                await place_where(bus, "edge-1", edge.is_whole)

    try:
        run(work())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert world.frames("edge-1") == edge.frames()
    assert (world.report.lost, [chunk.damage for chunk in world.chunks() if chunk.damage]) == (0, [])


def test_a_fault_of_a_reader_ends_the_process(world: RelayWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_bus: NatsBus, _edge: str, _feed: str) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(NatsBus, "read", broken)

    async def work() -> None:
        async with bus_at(world.url) as bus:
            await prepared(bus, "edge-1")
            await world.relay(bus_at(world.url)).run(Wakes(world.context()))

    with pytest.raises(ZeroDivisionError):
        run(work())


def test_a_disk_without_room_for_a_file_is_waited_for(tmp_path: Path) -> None:
    feed = FeedConfig(name="f", exchange="binance")
    harness = ProcessHarness(Config(data_dir=tmp_path, feed=(feed,)), START_NS)
    harness.stop_when = lambda: False
    reports: list[Report] = []
    fulls = [OSError(errno.ENOSPC, "full"), OSError(errno.EDQUOT, "full")]

    def open_(
        config: Config, feed: FeedConfig, now_ns: Callable[[], int], sources: Callable[[], Sequence[Source]]
    ) -> JournalWriter:
        if fulls:
            raise fulls.pop()
        return open_relay_journal(config, feed, now_ns, sources)

    journal = process.begin_journal(harness.context("relay:f", reports.append), feed, Intake(lambda: 0, 0), open_)
    assert journal is not None
    assert (len(reports), harness.events) == (2, ["no_room_for_journal"])
    journal.close()


def test_any_other_error_of_the_disk_ends_the_process(tmp_path: Path) -> None:
    feed = FeedConfig(name="f", exchange="binance")
    harness = ProcessHarness(Config(data_dir=tmp_path, feed=(feed,)), START_NS)
    context = replaced(harness.context("relay:f"), stopping=lambda: False)
    (tmp_path / "journal").write_bytes(b"no folder")
    with pytest.raises(OSError, match="journal"):
        process.begin_journal(context, feed, Intake(lambda: 0, 0))
