"""One relay alone takes a feed, however many storage hosts were given it."""

from pathlib import Path

from collector.bus import names
from collector.bus.client import NatsBus
from collector.processes.relay.taker import QUIET_SECS, Taker, taker_of
from tests.bus.servers import NatsServer, bus_at, run, until
from tests.processes.relay.edge_journal import FEED, EdgeJournal, publish
from tests.processes.relay.relay_world import RelayWorld, place_where, prepared


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def taker_on(folder: Path, bus: NatsBus, clock: Clock) -> Taker:
    return Taker(bus, FEED, taker_of(folder), folder.name, clock, lambda: None)


def test_a_second_storage_host_takes_nothing_until_the_first_ends(
    tmp_path: Path, world: RelayWorld, nats_server: NatsServer
) -> None:
    edge = EdgeJournal(tmp_path, "edge-1")
    edge.record(1_000, 40)
    second = RelayWorld(tmp_path / "second", nats_server.url)

    async def work() -> None:
        async with bus_at(world.url) as bus:
            await prepared(bus, "edge-1")
            async with world.running():
                await publish(bus, "edge-1", edge.messages()[:2])
                await until(lambda: world.report.slices == 2)
                async with second.running():
                    await until(lambda: second.report.refused)
                    await publish(bus, "edge-1", edge.messages()[2:])
                    await until(lambda: world.report.slices == len(edge.messages()))
                    assert "and that of " in second.report.refused
                    assert (second.report.slices, world.report.refused) == (0, "")
            edge.close()
            async with second.running():
                await publish(bus, "edge-1", edge.messages())
                await place_where(bus, "edge-1", edge.is_whole)
                await until(lambda: not second.report.refused)

    run(work())
    assert ("feed_taken_elsewhere" in second.events, "feed_taken_elsewhere" in world.events) == (True, False)
    assert second.frames("edge-1") == edge.frames()


def test_a_taker_that_is_gone_without_a_word_is_waited_for(tmp_path: Path, nats_server: NatsServer) -> None:
    clock = Clock()

    async def work() -> None:
        async with bus_at(nats_server.url) as bus:
            await until(lambda: bus.is_connected)
            first, second = (taker_on(tmp_path / name, bus, clock) for name in ("one", "two"))
            assert await first.holds()
            assert not await second.holds()
            clock.now += QUIET_SECS - 1
            assert await first.holds()
            clock.now += 2
            assert not await second.holds()
            clock.now += QUIET_SECS - 1
            assert not await second.holds()
            assert "that of one takes it" in second.trouble
            clock.now += 1
            assert await second.holds()
            assert not second.trouble
            assert not await first.holds()
            assert not first.is_ours
            await second.leave()
            assert await first.holds()

    run(work())


def test_the_next_relay_on_a_data_directory_need_not_wait(tmp_path: Path, nats_server: NatsServer) -> None:
    clock = Clock()

    async def work() -> None:
        async with bus_at(nats_server.url) as bus:
            await until(lambda: bus.is_connected)
            killed = taker_on(tmp_path, bus, clock)
            assert await killed.holds()
            after = taker_on(tmp_path, bus, clock)
            assert await after.holds()
            assert not await killed.holds()

    run(work())


def test_a_key_without_meaning_holds_nobody_up_for_ever(tmp_path: Path, nats_server: NatsServer) -> None:
    clock = Clock()

    async def work() -> None:
        async with bus_at(nats_server.url) as bus:
            await until(lambda: bus.is_connected)
            await bus.make_bucket(names.PLACES)
            await bus.put(names.PLACES, names.taker_key(FEED), b"\xff")
            taker = taker_on(tmp_path, bus, clock)
            assert not await taker.holds()
            clock.now += QUIET_SECS
            assert await taker.holds()

    run(work())
