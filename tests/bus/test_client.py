"""The client of the NATS servers against a real one."""

import asyncio
import signal
import time
from pathlib import Path

import pytest

from collector.bus.bus import BusError, ChangedError, FullError, MissingError, StreamState
from collector.bus.client import NatsBus
from collector.bus.names import PLACES
from tests.bus.servers import NatsServer, bus_at, options_of, run, until


async def connected(bus: NatsBus) -> NatsBus:
    await until(lambda: bus.is_connected)
    return bus


async def store(bus: NatsBus, feed: str, *messages: bytes) -> list[int]:
    return [await (await bus.publish("edge", feed, message)) for message in messages]


async def read(bus: NatsBus, feed: str, count: int, first: int = 1) -> list[bytes]:
    found: list[bytes] = []
    async for messages in bus.read("edge", feed, first):
        found += [message.data for message in messages]
        if len(found) >= count:
            return found
    raise AssertionError("the reader of a stream ended")


def test_what_was_published_is_read_in_order_from_the_first_sequence(nats_server: NatsServer) -> None:
    async def work() -> None:
        async with bus_at(nats_server.url) as bus:
            await connected(bus)
            await bus.make_stream("edge", "a.b")
            sent = [bytes([n]) * 1000 for n in range(100)]
            assert await store(bus, "a.b", *sent) == list(range(1, 101))
            assert await read(bus, "a.b", 100) == sent
            assert await read(bus, "a.b", 40, first=61) == sent[60:]
            assert ("edge", "a.b") in await bus.streams()

    run(work())


def test_a_message_says_when_the_servers_stored_it(nats_server: NatsServer) -> None:
    async def work() -> None:
        async with bus_at(nats_server.url) as bus:
            await connected(bus)
            await bus.make_stream("edge", "timed")
            since_ns = time.time_ns()
            await store(bus, "timed", b"1")
            until_ns = time.time_ns()
            async for messages in bus.read("edge", "timed"):
                if messages:
                    assert since_ns <= messages[0].at_ns <= until_ns
                    return

    run(work())


def test_purging_keeps_the_newest_message(nats_server: NatsServer) -> None:
    async def work() -> None:
        async with bus_at(nats_server.url) as bus:
            await connected(bus)
            await bus.make_stream("edge", "purged")
            await store(bus, "purged", b"1", b"2", b"3")
            await bus.purge("edge", "purged", 1)
            assert await read(bus, "purged", 2) == [b"2", b"3"]
            await bus.purge("edge", "purged", 3)
            state = await bus.state("edge", "purged")
            assert state == StreamState(1, state.bytes, 3, 3)

    run(work())


def test_keys_are_set_found_and_watched(nats_server: NatsServer) -> None:
    async def work() -> None:
        async with bus_at(nats_server.url) as bus:
            await connected(bus)
            await bus.make_bucket(PLACES)
            assert (await bus.get(PLACES, "e.f"), await bus.get_all(PLACES)) == (None, {})
            first = await bus.put(PLACES, "e.f", b"one")
            assert await bus.put(PLACES, "e.f", b"two") == first + 1
            await bus.put(PLACES, "g=2E.h", b"three")
            found = await bus.get(PLACES, "e.f")
            assert found is not None
            assert (found.value, found.revision) == (b"two", first + 1)
            assert {key: entry.value for key, entry in (await bus.get_all(PLACES)).items()} == {
                "e.f": b"two",
                "g=2E.h": b"three",
            }
            seen: list[bytes] = []
            async for entries in bus.watch(PLACES):
                if not seen:
                    await bus.put(PLACES, "e.f", b"four")
                seen += [entry.value for entry in entries]
                if b"four" in seen:
                    break
            assert seen == [b"two", b"three", b"four"]
            await bus.delete(PLACES, "e.f")
            assert await bus.get(PLACES, "e.f") is None
            revision = await bus.put(PLACES, "e.f", b"five", after=0)
            for stale in (0, first):
                with pytest.raises(ChangedError):
                    await bus.put(PLACES, "e.f", b"six", after=stale)
            assert await bus.put(PLACES, "e.f", b"seven", after=revision) > revision

    run(work())


def test_a_stream_that_is_there_gets_the_settings_that_it_should_have(nats_server: NatsServer) -> None:
    async def work() -> None:
        for size in (8 << 20, 8 << 20, 1 << 20):
            async with bus_at(nats_server.url, stream_max_bytes=size) as bus:
                await connected(bus)
                await bus.make_stream("edge", "resized")
        async with bus_at(nats_server.url) as bus:
            await connected(bus)
            with pytest.raises(FullError):
                await store(bus, "resized", *[b"x" * 100_000] * 20)

    run(work())


def test_a_stream_that_is_not_there_is_missing(nats_server: NatsServer) -> None:
    async def work() -> None:
        async with bus_at(nats_server.url) as bus:
            await connected(bus)
            for call in (
                store(bus, "none", b"x"),
                read(bus, "none", 1),
                bus.state("edge", "none"),
                bus.get("none", "k"),
            ):
                with pytest.raises(MissingError):
                    await call

    run(work())


def test_whatever_is_under_way_fails_when_the_server_dies_and_works_when_it_is_back(nats_server: NatsServer) -> None:
    async def work() -> None:
        async with bus_at(nats_server.url) as bus:
            await connected(bus)
            await bus.make_stream("edge", "killed")
            await store(bus, "killed", b"before")
            reading = asyncio.create_task(read(bus, "killed", 2))
            await asyncio.sleep(0)
            nats_server.send(signal.SIGSTOP)
            ack = await bus.publish("edge", "killed", b"x")
            nats_server.kill()
            for failing in (ack, reading):
                with pytest.raises(BusError):
                    await failing
            await until(lambda: not bus.is_connected)
            assert bus.last_error
            with pytest.raises(BusError):
                await bus.publish("edge", "killed", b"y")
            nats_server.start()
            await until(lambda: bus.connection == 2)
            await store(bus, "killed", b"after")
            assert await read(bus, "killed", 2) == [b"before", b"after"]

    run(work())


def test_the_client_waits_for_a_server_that_begins_later_and_goes_to_one_that_lives(tmp_path: Path) -> None:
    late, dead = NatsServer(tmp_path / "late"), NatsServer(tmp_path / "dead")

    async def work() -> None:
        tried: set[str] = set()
        bus = NatsBus(
            options_of(dead.url, late.url), "test", lambda: 0.5, lambda _is_up, text: tried.add(text.partition(": ")[0])
        )
        async with bus:
            await until(lambda: {dead.url, late.url} <= tried)
            late.start()
            await connected(bus)
            assert bus.last_error is None

    try:
        run(work())
    finally:
        late.remove()
        dead.remove()


def test_a_client_can_be_left_at_any_moment_of_its_beginning(nats_server: NatsServer) -> None:
    async def work() -> None:
        for moment in range(12):
            async with bus_at(nats_server.url):
                await asyncio.sleep(moment / 2_000)

    run(work())
