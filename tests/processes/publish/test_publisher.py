"""The publisher of a feed's journal, with servers and a storage host in memory that fail in every way."""

import asyncio
import random
from pathlib import Path

import pytest

from collector.bus.bus import BusError, FullError
from collector.bus.names import PLACES, place_key
from collector.bus.places import EdgePlace
from collector.bus.slices import SliceHead
from collector.processes.publish.journal_slices import JournalSlices
from collector.storage.journal.files import journal_files
from collector.storage.journal.writer import JournalWriter
from tests.processes.publish.fake_bus import EDGE, FEED
from tests.processes.publish.publish_harness import IDENTITY, PublishHarness, kept_files

pytestmark = pytest.mark.usefixtures("closed_journals")


def same_bytes(harness: PublishHarness, seen: dict[str, bytes]) -> None:
    assert {file_id: bytes(data) for file_id, data in harness.relay.files.items()} == seen


def test_storage_gets_every_byte_and_files_behind_it_are_removed_but_the_newest(tmp_path: Path) -> None:
    harness = PublishHarness(tmp_path)

    async def work() -> None:
        journal = harness.journal()
        for _ in range(10):
            harness.append(journal, 20)
            await harness.turn()
        journal.close()
        await harness.settle(lambda: harness.is_there() and len(journal_files(harness.folder)) == 1)

    with kept_files(harness) as seen:
        asyncio.run(work())
    same_bytes(harness, seen)
    assert len(seen) > 4
    last = harness.relay.heads[-1]
    assert (last.ended, last.is_last) == (True, True)
    report = harness.report()
    assert (report.lag_bytes, report.unpublished_bytes, report.rewinds, report.last_error) == (0, 0, 0, None)
    assert report.bytes == sum(map(len, seen.values()))
    assert report.journal_bytes == journal_files(harness.folder)[0][1].stat().st_size


@pytest.mark.parametrize("seed", range(8))
def test_whatever_is_lost_refused_or_not_confirmed_storage_gets_every_byte_once(tmp_path: Path, seed: int) -> None:
    harness, chance = PublishHarness(tmp_path), random.Random(seed)

    async def work() -> None:
        journal = harness.journal()
        for _ in range(25):
            harness.append(journal, chance.randint(0, 30), chance.randint(1, 400))
            fault = chance.randint(0, 13)
            harness.bus.swallowed += fault == 0
            harness.bus.unconfirmed += fault == 1
            harness.bus.refusal = {2: FullError("full"), 3: BusError("late")}.get(fault)
            harness.bus.is_connected = fault != 4
            harness.bus.connection += fault == 5
            if fault == 6:
                harness.bus.lose_stores()
            if fault == 9:
                harness.bus.has_stream, harness.bus.messages = False, []
            if fault == 10:
                harness.bus.keys = None
            if fault == 7:
                harness.publisher.close()
                harness.new_publisher()
            if fault == 8:
                journal.close()
                journal = harness.journal()
            for _ in range(chance.randint(0, 30)):
                await harness.turn()
                if chance.random() < 0.5:
                    await harness.relay.step()
        harness.bus.refusal, harness.bus.is_connected = None, True
        journal.close()
        await harness.settle()

    with kept_files(harness) as seen:
        asyncio.run(work())
    same_bytes(harness, seen)


def test_one_look_takes_every_file_and_what_is_appended_meanwhile_waits_for_the_next(tmp_path: Path) -> None:
    harness = PublishHarness(tmp_path, in_flight_bytes=1 << 20, slice_bytes=20_000)
    journal = harness.journal()
    harness.append(journal, 300)
    slices = JournalSlices(
        harness.folder, EdgePlace("ab"), [], SliceHead(EDGE, FEED, "ab", "", 0, 0, 0), "binance", 20_000
    )
    found = []
    while (one := slices.next()) is not None:
        found.append(one)
        harness.append(journal, 1)
    assert len(journal_files(harness.folder)) > 5
    assert found[-1][0].number == journal.number
    assert not slices.is_at_end
    again = list(iter(slices.next, None))
    assert len(again) == 1, "what was appended meanwhile"
    assert list(iter(slices.next, None)) == []
    assert slices.is_at_end
    slices.close()
    journal.close()


def test_two_ingests_side_by_side_are_published_in_order_of_receipt(tmp_path: Path) -> None:
    harness = PublishHarness(tmp_path)

    async def work() -> None:
        one = harness.journal(1 << 20)
        harness.append(one, 5)
        two = JournalWriter(harness.folder, IDENTITY, 2, 1 << 20, lambda: harness.now_ns, continues=one.writer_id)
        for _ in range(5):
            harness.append(one, 3)
            harness.append(two, 3)
        one.close()
        two.close()
        await harness.settle()

    with kept_files(harness) as seen:
        asyncio.run(work())
    same_bytes(harness, seen)
    times = [head.newest_ns for head in harness.relay.heads if head.newest_ns]
    assert times == sorted(times)
    assert len(times) > 8


def test_storage_that_is_away_for_hours_is_not_sent_anything_twice(tmp_path: Path) -> None:
    harness = PublishHarness(tmp_path)

    async def work() -> None:
        journal = harness.journal()
        harness.append(journal, 200)
        for _ in range(400):
            await harness.turn()
            harness.sleep(30.0)
        assert harness.bus.sent == len(harness.bus.messages) < 40
        assert harness.report().lag_bytes == sum(path.stat().st_size for _, path in journal_files(harness.folder))
        await harness.settle()
        journal.close()

    asyncio.run(work())
    assert harness.report().rewinds == 0


def test_the_last_slices_before_a_quiet_time_are_sent_again_if_the_servers_lost_them(tmp_path: Path) -> None:
    harness = PublishHarness(tmp_path)

    async def work() -> None:
        journal = harness.journal()
        harness.append(journal, 10)
        await harness.settle()
        harness.append(journal, 10)
        while harness.report().unpublished_bytes:
            await harness.turn()
        harness.bus.messages.clear()
        await harness.settle()
        journal.close()

    asyncio.run(work())
    assert harness.report().rewinds == 1


def test_a_stream_that_somebody_deleted_is_made_again(tmp_path: Path) -> None:
    harness = PublishHarness(tmp_path)

    async def work() -> None:
        journal = harness.journal()
        harness.append(journal, 10)
        await harness.settle()
        harness.bus.has_stream, harness.bus.messages = False, []
        harness.append(journal, 10)
        journal.close()
        await harness.settle()

    asyncio.run(work())
    assert harness.bus.has_stream


def test_a_hole_is_filled_at_once_and_then_with_more_and_more_patience(tmp_path: Path) -> None:
    harness = PublishHarness(tmp_path)

    async def work() -> None:
        journal = harness.journal()
        harness.append(journal, 20)
        await harness.settle()
        harness.relay.has_hole = True
        harness.append(journal, 1)
        begun = harness.secs
        while harness.secs < begun + 70:
            await harness.turn()
            await harness.relay.tell()
        journal.close()

    asyncio.run(work())
    assert harness.report().rewinds == 5, "after 0, 4, 12, 28 and 60 seconds"


def test_a_full_stream_is_tried_seldom_and_memory_stays_bounded(tmp_path: Path) -> None:
    harness = PublishHarness(tmp_path)

    async def work() -> None:
        journal = harness.journal()
        await harness.turn()
        harness.bus.refusal = FullError("the stream is full")
        harness.append(journal, 1_000)
        for _ in range(2_000):
            await harness.turn()
        assert harness.bus.sent < 100, "100 seconds of 5"
        report = harness.report()
        assert harness.events.count("nats_refused") == 2, "once a minute"
        assert report.last_error == "the stream is full"
        assert report.failures == harness.bus.sent
        harness.bus.refusal = None
        await harness.settle()
        assert harness.report().last_error is None
        journal.close()

    asyncio.run(work())


def test_servers_that_make_no_stream_are_asked_seldom_and_the_process_rests_meanwhile(tmp_path: Path) -> None:
    harness = PublishHarness(tmp_path)

    async def work() -> None:
        harness.bus.refusal = BusError("no suitable peers")
        journal = harness.journal()
        harness.append(journal, 100)
        waits = []
        for _ in range(200):
            harness.publisher.notice()
            await harness.publisher.turn()
            waits.append(harness.publisher.wait_secs())
            harness.sleep(waits[-1])
        assert sum(wait == 0 for wait in waits) < 20
        assert harness.secs > 100
        harness.bus.refusal = None
        await harness.settle()
        journal.close()

    asyncio.run(work())


def test_without_servers_nothing_is_read_and_nothing_waits_in_memory(tmp_path: Path) -> None:
    harness = PublishHarness(tmp_path)

    async def work() -> None:
        harness.bus.is_connected = False
        journal = harness.journal()
        harness.append(journal, 100)
        for _ in range(100):
            await harness.turn()
        assert harness.publisher.wait_secs() == 1.0
        assert harness.report().unpublished_bytes == harness.report().lag_bytes > 10_000
        harness.bus.is_connected = True
        await harness.settle()
        journal.close()

    asyncio.run(work())


def test_a_file_that_storage_awaits_and_that_is_gone_is_told_as_lost(tmp_path: Path) -> None:
    harness = PublishHarness(tmp_path)

    async def work() -> None:
        journal = harness.journal(1 << 20)
        harness.append(journal, 20)
        await harness.settle()
        harness.append(journal, 20)
        journal.close()
        later = harness.journal()
        (_, path), *_ = journal_files(harness.folder)
        path.unlink()
        harness.append(later, 5)
        harness.publisher.close()
        harness.new_publisher()
        await harness.settle()
        later.close()

    asyncio.run(work())
    assert [head.lost for head in harness.relay.heads if head.lost] == [True]


def test_a_file_that_is_gone_before_anything_of_it_was_published_is_told_as_lost(tmp_path: Path) -> None:
    harness = PublishHarness(tmp_path)

    async def work() -> None:
        journal = harness.journal(1 << 20)
        harness.append(journal, 20)
        await harness.settle()
        journal.close()
        harness.publisher.close()
        unseen = harness.journal()
        harness.append(unseen, 20)
        unseen.close()
        gone = journal_files(harness.folder)[-1][1]
        later = harness.journal()
        harness.append(later, 5)
        gone.unlink()
        harness.new_publisher()
        await harness.settle()
        later.close()

    asyncio.run(work())
    assert [head.number for head in harness.relay.heads if head.lost] == [3]


def test_a_damaged_record_is_told_with_its_bytes_and_what_follows_is_sent(tmp_path: Path) -> None:
    harness = PublishHarness(tmp_path)

    async def work() -> None:
        journal = harness.journal(1 << 20)
        harness.append(journal, 10)
        at = journal.position
        harness.append(journal, 10)
        journal.close()
        _, path = journal_files(harness.folder)[0]
        data = bytearray(path.read_bytes())
        data[at + 50] ^= 1
        path.write_bytes(data)
        await harness.settle()
        damaged = [head for head in harness.relay.heads if head.damage]
        assert [(head.start, head.end - head.start) for head in damaged] == [(at, 24 + 8 + 100)]

    asyncio.run(work())


def test_a_lost_journal_begins_another_epoch_and_what_storage_told_of_the_old_one_does_not_count(
    tmp_path: Path,
) -> None:
    harness = PublishHarness(tmp_path)

    async def work() -> None:
        journal = harness.journal()
        harness.append(journal, 20)
        await harness.settle()
        first = harness.relay.epoch
        journal.close()
        for path in harness.folder.iterdir():
            path.unlink()
        journal = harness.journal()
        harness.append(journal, 20)
        harness.publisher.close()
        harness.new_publisher()
        harness.relay.files, harness.relay.places, harness.relay.epoch = {}, {}, ""
        await harness.settle()
        assert harness.relay.epoch not in {"", first}
        journal.close()

    asyncio.run(work())


def test_a_record_longer_than_the_servers_take_comes_in_parts(tmp_path: Path) -> None:
    harness = PublishHarness(tmp_path)
    harness.bus.most_bytes = 3_000

    async def work() -> None:
        journal = harness.journal(1 << 20)
        journal.append_frames(harness.now_ns, 0, [random.Random(1).randbytes(50_000)], (), 1)
        harness.append(journal, 5)
        journal.close()
        harness.bus.unconfirmed = 1
        await harness.settle()
        assert max(map(len, harness.bus.messages)) <= 3_000

    with kept_files(harness) as seen:
        asyncio.run(work())
    same_bytes(harness, seen)


def test_slices_too_long_for_another_server_are_cut_again(tmp_path: Path) -> None:
    harness = PublishHarness(tmp_path)

    async def work() -> None:
        journal = harness.journal(1 << 20)
        await harness.turn()
        journal.append_frames(harness.now_ns, 0, [random.Random(1).randbytes(20_000)], (), 1)
        journal.close()
        harness.bus.refusal = BusError("no leader")
        for _ in range(10):
            await harness.turn()
        harness.bus.refusal, harness.bus.most_bytes, harness.bus.connection = None, 3_000, 2
        await harness.settle()
        assert max(map(len, harness.bus.messages)) <= 3_000

    asyncio.run(work())


def test_a_place_that_cannot_be_read_changes_nothing(tmp_path: Path) -> None:
    harness = PublishHarness(tmp_path)

    async def work() -> None:
        journal = harness.journal()
        harness.append(journal, 20)
        await harness.settle()
        await harness.bus.put(PLACES, place_key(EDGE, FEED), b"?")
        for _ in range(100):
            await harness.turn()
        await harness.settle()
        journal.close()

    asyncio.run(work())
    assert "place_unreadable" in harness.events
