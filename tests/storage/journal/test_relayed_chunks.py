"""What a relay appended is read as its edges wrote it: byte for byte, in order, and from wherever a reader begins."""

from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from collector.storage.journal.files import journal_path
from collector.storage.journal.format import FeedIdentity, RecordKind, decode_header, frames_of, parse_records
from collector.storage.journal.journal_file import Chunk
from collector.storage.journal.position import Position
from collector.storage.journal.reader import JournalReader
from collector.storage.journal.relayed import IN_HEAD, IN_SLICE, LINES_OF_SLOT, RelayedHead, Source, SourceFile
from collector.storage.journal.relayed_chunks import RelayedChunks
from collector.storage.journal.tail import Tails
from collector.storage.journal.writer import JournalWriter
from tests.storage.journal.dead_journals import let_go

IDENTITY = FeedIdentity("f", "binance", ("BTCUSDT",), ("trade",))
NO_STREAMS = FeedIdentity("f", "binance", (), ())


class EdgeFile(NamedTuple):
    """The bytes of an edge's journal file, its id, and where its head and each of its records end."""

    data: bytes
    file_id: str
    ends: list[int]


@pytest.fixture
def edge_file(tmp_path: Path) -> EdgeFile:
    journal = JournalWriter(tmp_path / "edge", IDENTITY, 1, 1 << 20, lambda: 5)
    for at in range(10, 16):
        journal.append_frames(at, at % 3, [b"frame %d" % at, b"binary"], [1], connection=2)
    journal.close()
    data = (tmp_path / "edge" / "000000000001.journal").read_bytes()
    header = decode_header(data)
    assert header is not None
    records = parse_records(data[header.header_bytes :], header.header_bytes).records
    return EdgeFile(data, header.file_id, [header.header_bytes, *(record.end for record in records)])


class Relay:
    """Appends parts of an edge's file, as a relay does."""

    def __init__(self, folder: Path, file_bytes: int = 1 << 20, slot: int = 2) -> None:
        self._sources: tuple[Source, ...] = ()
        self._slot = slot
        self._head_in = 0
        self._head_at = IN_SLICE
        self.journal = JournalWriter(folder, NO_STREAMS, 1, file_bytes, lambda: 7, sources=lambda: self._sources)

    def append(self, edge: EdgeFile, start: int, end: int, **told: object) -> None:
        def head_in(number: int) -> RelayedHead:
            at = IN_SLICE if start == 0 else self._head_at if number == self._head_in else IN_HEAD
            given = {"file_id": edge.file_id, "start": start, "end": end, "head_at": at, **told}
            return RelayedHead(edge="e", slot=self._slot, epoch="x", number=1, **given)  # type: ignore[arg-type]

        body = b"" if "damage" in told else edge.data[start:end]
        at = self.journal.append_relayed(100, self._slot, head_in, body)
        if start == 0:
            self._head_in, self._head_at = self.journal.number, at
        head = edge.data[: edge.ends[0]]
        file = SourceFile(edge.file_id, 1, end, ended=False, head=head)
        self._sources = (Source("e", self._slot, "x", (file,), 0, 0, 0),)


def chunks(folder: Path, *, known: Position | None = None, afresh: bool = False) -> Iterator[Chunk]:
    reader = JournalReader(folder, "f", {} if known is None else {known.file_id: known})
    apart = RelayedChunks(partial(journal_path, folder))
    while (chunk := reader.read()) is not None:
        yield from (RelayedChunks(partial(journal_path, folder)) if afresh else apart).apart(chunk)
    reader.close()


def frames(found: list[Chunk]) -> list[bytes]:
    records = [record for chunk in found for record in chunk.records if record.kind is RecordKind.FRAMES]
    return [frame.data for record in records for frame in frames_of(record)]


SENT = [text for at in range(10, 16) for text in (b"frame %d" % at, b"binary")]


@pytest.mark.parametrize("file_bytes", [1 << 20, 1])
@pytest.mark.parametrize("afresh", [False, True])
def test_each_slice_is_a_chunk_with_the_head_of_its_file(
    tmp_path: Path, edge_file: EdgeFile, file_bytes: int, *, afresh: bool
) -> None:
    relay = Relay(tmp_path / "f", file_bytes)
    ends = [0, *edge_file.ends[1::2]]
    for start, end in pairwise(ends):
        relay.append(edge_file, start, end)
    relay.journal.close()
    found = list(chunks(tmp_path / "f", afresh=afresh))
    of_edge = [chunk for chunk in found if chunk.source is not None]
    assert frames(found) == SENT
    assert [chunk.source.end for chunk in of_edge if chunk.source] == ends[1:]
    assert {(chunk.header.identity.feed, chunk.header.file_id, chunk.is_last) for chunk in of_edge} == {
        ("f@e", edge_file.file_id, False)
    }
    lines = [record.line for chunk in of_edge for record in chunk.records if record.kind is RecordKind.FRAMES]
    assert lines == [2 * LINES_OF_SLOT + at % 3 for at in range(10, 16)]
    assert all(record.end == chunk.position.offset for chunk in of_edge for record in chunk.records)
    assert found[-1].position.ended
    assert found[-1].header.identity == NO_STREAMS


def test_a_frame_stands_where_its_offset_says(tmp_path: Path, edge_file: EdgeFile) -> None:
    relay = Relay(tmp_path / "f", file_bytes=1)
    relay.append(edge_file, 0, edge_file.ends[3])
    relay.append(edge_file, edge_file.ends[3], edge_file.ends[-1])
    relay.journal.close()
    found = []
    for chunk in chunks(tmp_path / "f"):
        data = (tmp_path / "f" / f"{chunk.position.number:012}.journal").read_bytes()
        for record in chunk.records:
            if record.kind is RecordKind.FRAMES:
                found += [data[frame.offset : frame.offset + len(frame.data)] for frame in frames_of(record)]
    assert found == SENT


def test_a_reader_goes_on_behind_every_slice(tmp_path: Path, edge_file: EdgeFile) -> None:
    relay = Relay(tmp_path / "f")
    relay.append(edge_file, 0, edge_file.ends[2])
    relay.append(edge_file, edge_file.ends[2], edge_file.ends[4])
    relay.append(edge_file, edge_file.ends[4], edge_file.ends[-1], ended=True, is_last=True)
    relay.journal.close()
    whole = list(chunks(tmp_path / "f"))
    for index, chunk in enumerate(whole[:-1], 1):
        assert frames(list(chunks(tmp_path / "f", known=chunk.position))) == frames(whole[index:])
    assert whole[2].is_last


def test_what_an_edge_found_damaged_is_damaged_here(tmp_path: Path, edge_file: EdgeFile) -> None:
    relay = Relay(tmp_path / "f")
    relay.append(edge_file, 0, edge_file.ends[2])
    relay.append(edge_file, edge_file.ends[2], edge_file.ends[3], damage="record fails its checksum")
    relay.append(edge_file, edge_file.ends[3], edge_file.ends[-1])
    relay.journal.close()
    found = list(chunks(tmp_path / "f"))
    size_bytes = edge_file.ends[3] - edge_file.ends[2]
    assert found[1].damage == (edge_file.ends[2], size_bytes, "record fails its checksum")
    assert found[1].header.file_id == edge_file.file_id
    assert frames(found) == SENT[:4] + SENT[6:]


def test_a_file_without_a_readable_head_is_damaged_and_known_by_its_id(tmp_path: Path, edge_file: EdgeFile) -> None:
    relay = Relay(tmp_path / "f")
    relay.append(edge_file, 0, 500, damage="the header fails its checksum", ended=True)
    relay.journal.close()
    first = next(iter(chunks(tmp_path / "f")))
    assert (first.header.file_id, first.header.writer_id, first.header.identity.feed) == (edge_file.file_id, "", "f@e")
    assert first.damage == (0, 500, "the header fails its checksum")


def test_a_damaged_relayed_record_is_damage_of_this_hosts_file_and_the_next_is_read(
    tmp_path: Path, edge_file: EdgeFile
) -> None:
    relay = Relay(tmp_path / "f")
    relay.append(edge_file, 0, edge_file.ends[2])
    damaged_at = relay.journal.position + 60
    relay.append(edge_file, edge_file.ends[2], edge_file.ends[4])
    relay.append(edge_file, edge_file.ends[4], edge_file.ends[-1])
    relay.journal.close()
    path = tmp_path / "f" / "000000000001.journal"
    data = bytearray(path.read_bytes())
    data[damaged_at] ^= 1
    path.write_bytes(data)
    found = list(chunks(tmp_path / "f"))
    assert frames(found) == SENT[:4] + SENT[8:]
    assert [chunk.header.identity.feed for chunk in found if chunk.damage] == ["f"]


def test_a_torn_relayed_record_is_a_torn_tail_though_whole_records_are_in_it(
    tmp_path: Path, edge_file: EdgeFile
) -> None:
    relay = Relay(tmp_path / "f")
    relay.append(edge_file, 0, edge_file.ends[2])
    relay.append(edge_file, edge_file.ends[2], edge_file.ends[-1])
    let_go([relay.journal])
    path = tmp_path / "f" / "000000000001.journal"
    path.write_bytes(path.read_bytes()[:-5])
    found = list(chunks(tmp_path / "f"))
    assert frames(found) == SENT[:4]
    assert [chunk.damage for chunk in found] == [None, None]
    assert not Tails().goes_on(path, found[0].position.offset)


@pytest.mark.parametrize("is_closed", [True, False])
def test_a_damaged_last_record_is_damage_if_the_relay_closed_the_file(
    tmp_path: Path, edge_file: EdgeFile, *, is_closed: bool
) -> None:
    relay = Relay(tmp_path / "f")
    relay.append(edge_file, 0, edge_file.ends[-1])
    damaged_at = relay.journal.position - 30
    if is_closed:
        relay.journal.close()
    else:
        let_go([relay.journal])
    path = tmp_path / "f" / "000000000001.journal"
    data = bytearray(path.read_bytes())
    data[damaged_at] ^= 1
    path.write_bytes(data)
    found = list(chunks(tmp_path / "f"))
    assert frames(found) == []
    assert [chunk.header.identity.feed for chunk in found if chunk.damage] == (["f"] if is_closed else [])


def test_records_whose_head_is_gone_are_damage(tmp_path: Path, edge_file: EdgeFile) -> None:
    relay = Relay(tmp_path / "f")
    relay.append(edge_file, edge_file.ends[2], edge_file.ends[4])
    relay.journal.close()
    first = next(iter(chunks(tmp_path / "f")))
    assert (first.records, first.header.identity.feed) == ([], "f")
    assert first.damage is not None


def test_only_files_of_a_relay_have_the_version_that_older_programs_refuse(tmp_path: Path) -> None:
    Relay(tmp_path / "f").journal.close()
    JournalWriter(tmp_path / "g", IDENTITY, 1, 1 << 20, lambda: 1).close()
    versions = [(tmp_path / name / "000000000001.journal").read_bytes() for name in ("f", "g")]
    assert [b'"version":3' in data for data in versions] == [True, False]
