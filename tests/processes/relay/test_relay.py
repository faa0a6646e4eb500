"""A relay between a real server and a real folder: every frame of every edge arrives once, whatever happens between."""

import asyncio
from pathlib import Path

import pytest

from collector.bus import names
from collector.bus.bodies import Compressor
from collector.bus.bus import FullError
from collector.bus.slices import SliceHead, decode_slice, encode_slice
from collector.processes.disk_space import Space
from collector.processes.relay.knowledge import place_of as place_of_source
from collector.processes.relay.restore import restored
from collector.storage.journal import format as journal_format
from collector.storage.journal.files import journal_files
from collector.storage.journal.head import header_at
from collector.storage.journal.relayed import LINES_OF_SLOT
from tests.bus.servers import NatsServer, bus_at, run, until
from tests.processes.relay.edge_journal import FEED, IDENTITY, SECOND_NS, EdgeJournal, publish
from tests.processes.relay.relay_world import RelayWorld, emptied, place_of, place_where, prepared


def test_frames_arrive_as_the_edge_received_them_and_the_stream_is_emptied(tmp_path: Path, world: RelayWorld) -> None:
    edge = EdgeJournal(tmp_path, "edge-1")
    edge.record(1_000, 60)
    edge.close()

    async def work() -> None:
        async with bus_at(world.url) as bus:
            await prepared(bus, "edge-1")
            await publish(bus, "edge-1", edge.messages())
            async with world.running():
                await place_where(bus, "edge-1", edge.is_whole)
                await emptied(bus, "edge-1")

    run(work())
    assert world.frames("edge-1") == edge.frames()
    assert len(journal_files(world.folder)) > 1
    assert {chunk.header.identity.feed for chunk in world.chunks() if chunk.source} == {"f@edge-1"}
    assert (world.report.holes, world.report.lost, world.report.late) == (0, 0, 0)
    assert world.report.slices == len(edge.messages())
    assert world.notices[-1].kind == "appended"


def test_a_missing_slice_is_asked_for_and_nothing_behind_it_is_taken_before(tmp_path: Path, world: RelayWorld) -> None:
    edge = EdgeJournal(tmp_path, "edge-1")
    edge.record(1_000, 60)
    edge.close()
    messages = edge.messages()

    async def work() -> None:
        async with bus_at(world.url) as bus:
            await prepared(bus, "edge-1")
            async with world.running():
                await publish(bus, "edge-1", messages[:4] + messages[5:])
                place = await place_where(bus, "edge-1", lambda place: place.hole)
                assert max(file.offset for file in place.files) == decode_slice(messages[4])[0].start
                await publish(bus, "edge-1", edge.messages(place))
                await place_where(bus, "edge-1", edge.is_whole)

    run(work())
    assert world.frames("edge-1") == edge.frames()
    assert world.report.holes == 1
    assert [source.holes for source in world.report.sources] == [1]
    assert "slices_missing" in world.events


def test_what_is_broken_on_its_way_is_asked_for_again(tmp_path: Path, world: RelayWorld) -> None:
    edge = EdgeJournal(tmp_path, "edge-1")
    edge.record(1_000, 40)
    edge.close()
    messages = edge.messages()
    broken = bytearray(messages[2])
    broken[-9] ^= 1

    async def work() -> None:
        async with bus_at(world.url) as bus:
            await prepared(bus, "edge-1")
            async with world.running():
                for message in (b"anything", b'\x0c\0\0\0{"edge":"\xff"}', bytes(broken)):
                    await publish(bus, "edge-1", [*messages[:2], message, *messages[3:]])
                    await place_where(bus, "edge-1", lambda place: place.hole)
                await publish(bus, "edge-1", messages)
                await place_where(bus, "edge-1", edge.is_whole)

    run(work())
    assert world.frames("edge-1") == edge.frames()


def test_slices_that_were_cut_elsewhere_bring_only_what_is_new(tmp_path: Path, world: RelayWorld) -> None:
    edge = EdgeJournal(tmp_path, "edge-1")
    edge.record(1_000, 60)
    edge.close()
    sent = edge.messages()
    edge.slice_bytes = 1_100

    async def work() -> None:
        async with bus_at(world.url) as bus:
            await prepared(bus, "edge-1")
            async with world.running():
                await publish(bus, "edge-1", sent[:3])
                await publish(bus, "edge-1", edge.messages())
                await place_where(bus, "edge-1", edge.is_whole)

    run(work())
    assert world.frames("edge-1") == edge.frames()
    starts = {chunk.source.start for chunk in world.chunks() if chunk.source}
    assert starts - {decode_slice(message)[0].start for message in edge.messages()}
    assert world.report.holes == 0


def test_servers_that_lost_everything_cost_nothing(tmp_path: Path, world: RelayWorld, nats_server: NatsServer) -> None:
    edge = EdgeJournal(tmp_path, "edge-1")
    edge.record(1_000, 60)
    edge.close()
    messages = edge.messages()

    async def work() -> None:
        async with bus_at(world.url) as bus:
            await prepared(bus, "edge-1")
            async with world.running():
                await publish(bus, "edge-1", messages[:5])
                await place_where(bus, "edge-1", lambda place: len(place.files) > 0)
                await asyncio.to_thread(nats_server.kill)
                nats_server.delete_store()
                await asyncio.to_thread(nats_server.start)
                await prepared(bus, "edge-1")
                await publish(bus, "edge-1", messages[8:])
                place = await place_where(bus, "edge-1", lambda place: place.hole)
                await publish(bus, "edge-1", edge.messages(place))
                await place_where(bus, "edge-1", edge.is_whole)

    run(work())
    assert world.frames("edge-1") == edge.frames()


def test_a_full_stream_is_emptied_by_what_is_dropped_too(tmp_path: Path, world: RelayWorld) -> None:
    edge = EdgeJournal(tmp_path, "edge-1")
    edge.record(1_000, 60)
    edge.close()
    messages = edge.messages()

    async def work() -> None:
        async with bus_at(world.url, stream_max_bytes=3_000) as bus:
            await prepared(bus, "edge-1")
            behind_hole = messages[3]
            with pytest.raises(FullError):
                await publish(bus, "edge-1", [behind_hole] * 100)
            async with world.running():
                for message in messages:
                    while True:
                        try:
                            await publish(bus, "edge-1", [message])
                        except FullError:
                            await asyncio.sleep(0.02)
                        else:
                            break
                await place_where(bus, "edge-1", edge.is_whole)

    run(work())
    assert world.frames("edge-1") == edge.frames()


def test_two_edges_keep_their_own_lines_and_what_comes_an_hour_late_is_marked(
    tmp_path: Path, world: RelayWorld
) -> None:
    edges = [EdgeJournal(tmp_path, name) for name in ("edge-1", "edge-2")]
    for edge in edges:
        edge.record(1_000, 30)
    edges[0].record(5_000, 30)
    edges[0].close()

    async def work() -> None:
        async with bus_at(world.url) as bus:
            await prepared(bus, "edge-1", "edge-2")
            await publish(bus, "edge-1", edges[0].messages())
            async with world.running():
                await place_where(bus, "edge-1", edges[0].is_whole)
            async with world.running():
                await publish(bus, "edge-2", edges[1].messages())
                await until(lambda: world.report.slices == len(edges[1].messages()))
            edges[1].close()
            async with world.running():
                await publish(bus, "edge-2", edges[1].messages(await place_of(bus, "edge-2")))
                await place_where(bus, "edge-2", edges[1].is_whole)

    run(work())
    assert [world.frames(edge.name) for edge in edges] == [edge.frames() for edge in edges]
    of_edges = [(chunk, chunk.source) for chunk in world.chunks() if chunk.source and chunk.source.newest_ns]
    late = {(source.edge, chunk.records[0].received_ns < 2_000 * SECOND_NS, source.late) for chunk, source in of_edges}
    assert late == {("edge-1", True, False), ("edge-1", False, False), ("edge-2", True, True)}
    slots = {chunk.source.edge: chunk.source.slot for chunk in world.chunks() if chunk.source}
    assert sorted(slots.values()) == [0, 1]
    for chunk, source in of_edges:
        assert {record.line // LINES_OF_SLOT for record in chunk.records} <= {slots[source.edge]}


def test_backlogs_of_several_edges_are_merged_by_time(tmp_path: Path, world: RelayWorld) -> None:
    edges = [EdgeJournal(tmp_path, name) for name in ("edge-1", "edge-2")]
    for edge in edges:
        edge.record(1_000, 200)
        edge.close()

    async def work() -> None:
        async with bus_at(world.url) as bus:
            await prepared(bus, "edge-1", "edge-2")
            for edge in edges:
                await publish(bus, edge.name, edge.messages())
            async with world.running():
                for edge in edges:
                    await place_where(bus, edge.name, edge.is_whole)

    run(work())
    newest_ns = 0
    for at_ns in [chunk.source.newest_ns for chunk in world.chunks() if chunk.source and chunk.source.newest_ns]:
        assert at_ns > newest_ns - 40 * SECOND_NS
        newest_ns = max(newest_ns, at_ns)
    assert world.report.late == 0


def test_a_ninth_edge_waits_and_the_report_says_so(tmp_path: Path, world: RelayWorld) -> None:
    edges = [EdgeJournal(tmp_path, f"edge-{number}") for number in range(9)]
    for edge in edges:
        edge.record(1_000, 3)
        edge.close()

    async def work() -> None:
        async with bus_at(world.url) as bus:
            await prepared(bus, *(edge.name for edge in edges))
            for edge in edges[:8]:
                await publish(bus, edge.name, edge.messages())
            async with world.running():
                for edge in edges[:8]:
                    await place_where(bus, edge.name, edge.is_whole)
                await publish(bus, "edge-8", edges[8].messages())
                await until(lambda: world.report.refused)
                assert (await bus.state("edge-8", FEED)).messages == len(edges[8].messages())

    run(work())
    assert world.report.refused == (
        "edge-8: 8 edges bring this feed already; it is taken once one of them was silent for 7 days"
    )
    assert world.frames("edge-8") == []


def test_a_stream_that_brings_no_slice_takes_no_slot(tmp_path: Path, world: RelayWorld) -> None:
    edge = EdgeJournal(tmp_path, "late")
    edge.record(1_000, 3)
    edge.close()
    strangers = [f"a-stranger-{number}" for number in range(9)]

    async def work() -> None:
        async with bus_at(world.url) as bus:
            await prepared(bus, *strangers)
            for stranger in strangers:
                await publish(bus, stranger, [b"anything", *edge.messages()[:1]])
            async with world.running():
                await prepared(bus, "late")
                await publish(bus, "late", edge.messages())
                await place_where(bus, "late", edge.is_whole)
                await until(lambda: world.report.sources)

    run(work())
    assert [(source.edge, source.slot) for source in world.report.sources] == [("late", 0)]
    assert world.report.refused == ""
    assert world.frames("late") == edge.frames()


def test_two_hosts_of_one_name_are_told_apart_and_the_report_says_so(tmp_path: Path, world: RelayWorld) -> None:
    first, second = EdgeJournal(tmp_path / "a", "edge-1"), EdgeJournal(tmp_path / "b", "edge-1")
    second.epoch = "other"
    for edge in (first, second):
        edge.record(1_000, 3)
    begun = first.messages()
    first.record(1_010, 3)
    for edge in (first, second):
        edge.close()

    async def work() -> None:
        async with bus_at(world.url) as bus:
            await prepared(bus, "edge-1")
            await publish(bus, "edge-1", [*begun, *second.messages(), *first.messages()])
            async with world.running():
                await until(lambda: world.report.refused)

    run(work())
    assert world.report.refused == "edge-1: two hosts have this host_name, and only one of them is taken"


def test_an_edge_goes_on_where_it_was_once_another_host_of_its_name_is_silent(
    tmp_path: Path, world: RelayWorld
) -> None:
    first, second = EdgeJournal(tmp_path / "a", "edge-1"), EdgeJournal(tmp_path / "b", "edge-1")
    second.epoch = "other"
    for edge in (first, second):
        edge.record(1_000, 3)
    begun = first.messages()
    first.record(1_010, 20)
    unwanted = first.messages()
    first.record(1_100, 20)
    second.close()
    first.close()

    async def work() -> None:
        async with bus_at(world.url) as bus:
            await prepared(bus, "edge-1")
            await publish(bus, "edge-1", [*begun, *second.messages()])
            async with world.running():
                await place_where(bus, "edge-1", second.is_whole)
                await publish(bus, "edge-1", unwanted[len(begun) :])
            async with world.running():
                later = first.messages()[len(unwanted) :]
                await publish(bus, "edge-1", later)
                place = await place_where(bus, "edge-1", lambda place: place.hole and place.epoch == first.epoch)
                await publish(bus, "edge-1", first.messages(place))
                await place_where(bus, "edge-1", first.is_whole)

    run(work())
    assert sorted(world.frames("edge-1")) == sorted([*first.frames(), *second.frames()])
    assert world.report.lost == 0


def test_a_journal_of_a_newer_program_is_left_to_one(world: RelayWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as newer:
        newer.setattr(journal_format, "VERSION", journal_format.VERSION + 1)
        head = journal_format.encode_header("id", "w", 1, 1, IDENTITY, sources=())
    slice_head = SliceHead("edge-1", FEED, "x", "id", 1, 0, len(head))

    async def work() -> None:
        async with bus_at(world.url) as bus:
            await prepared(bus, "edge-1")
            await publish(bus, "edge-1", [encode_slice(slice_head, Compressor().compressed(head))])
            async with world.running():
                await until(lambda: world.report.refused)

    run(work())
    assert "newer than this program" in world.report.refused
    assert (world.report.slices, world.frames("edge-1")) == (0, [])


def test_a_journal_file_that_somebody_removed_is_begun_anew_with_what_is_known(
    tmp_path: Path, world: RelayWorld
) -> None:
    edge = EdgeJournal(tmp_path, "edge-1")
    edge.record(1_000, 40)
    edge.close()
    messages = edge.messages()
    world.with_journal(file_bytes=1 << 20)

    async def work() -> None:
        async with bus_at(world.url) as bus:
            await prepared(bus, "edge-1")
            async with world.running():
                await publish(bus, "edge-1", messages[:5])
                end = decode_slice(messages[4])[0].end
                await place_where(bus, "edge-1", lambda place: any(file.offset == end for file in place.files))
                journal_files(world.folder)[-1][1].unlink()
                await until(lambda: "journal_removed" in world.events)
                await publish(bus, "edge-1", messages[5:])
                place = await place_where(bus, "edge-1", edge.is_whole)
        assert place_of_source(restored(world.folder)["edge-1"], has_hole=False) == place

    run(work())
    sizes = [len(data) for data in (world.frames("edge-1"), edge.frames())]
    assert 0 < sizes[0] < sizes[1]
    assert world.frames("edge-1") == edge.frames()[-sizes[0] :]


def test_a_short_disk_takes_nothing_and_loses_nothing(tmp_path: Path, world: RelayWorld) -> None:
    edge = EdgeJournal(tmp_path, "edge-1")
    edge.record(1_000, 20)
    edge.close()
    free = [0]
    world.with_journal(min_free_bytes=1 << 20)

    async def work() -> None:
        async with bus_at(world.url) as bus:
            await prepared(bus, "edge-1")
            await publish(bus, "edge-1", edge.messages())
            async with world.running(measure=lambda _folder: Space(free[0], 0, 1)):
                await until(lambda: world.report.refused and world.report.sources and world.report.sources[0].pending)
                assert (world.report.refused, world.report.slices) == ("min_free_bytes", 0)
                free[0] = 1 << 30
                await place_where(bus, "edge-1", edge.is_whole)

    run(work())
    assert world.frames("edge-1") == edge.frames()
    assert [event for event in world.events if event.startswith("relay_")] == ["relay_paused", "relay_resumed"]


def test_an_edge_that_lost_a_file_says_so_and_the_record_too(tmp_path: Path, world: RelayWorld) -> None:
    edge = EdgeJournal(tmp_path, "edge-1")
    edge.record(1_000, 60)
    edge.close()
    messages = edge.messages()
    files = journal_files(edge.folder)

    async def work() -> None:
        async with bus_at(world.url) as bus:
            await prepared(bus, "edge-1")
            async with world.running():
                await publish(bus, "edge-1", messages[:2])
                place = await place_where(bus, "edge-1", lambda place: len(place.files) > 0)
                files[0][1].unlink()
                await publish(bus, "edge-1", edge.messages(place, lost=True))
                await place_where(bus, "edge-1", edge.is_whole)

    run(work())
    lost = [chunk.source.number for chunk in world.chunks() if chunk.source and chunk.source.lost]
    assert lost == [2]
    assert world.report.lost == 1
    assert [source.lost for source in world.report.sources] == [1]


def test_each_file_begins_with_what_is_there_of_every_edge(tmp_path: Path, world: RelayWorld) -> None:
    edge = EdgeJournal(tmp_path, "edge-1")
    edge.record(1_000, 60)
    edge.close()

    async def work() -> None:
        async with bus_at(world.url) as bus:
            await prepared(bus, "edge-1")
            await publish(bus, "edge-1", edge.messages())
            async with world.running():
                place = await place_where(bus, "edge-1", edge.is_whole)
                while (files := journal_files(world.folder))[:-1]:
                    files[0][1].unlink()
            async with world.running():
                await bus.delete(names.PLACES, names.place_key("edge-1", FEED))
                await publish(bus, "edge-1", edge.messages())
                again = await place_where(bus, "edge-1", edge.is_whole)
                await until(lambda: world.report.copies >= len(edge.messages()))
                assert again == place

    run(work())
    header = header_at(journal_files(world.folder)[-1][1])
    assert header is not None
    assert header.sources is not None
    assert world.report.slices == 0
