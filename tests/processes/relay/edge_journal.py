"""An edge of a test: writes a real journal, and makes the messages that a publisher would send of it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from collector.bus.bodies import Compressor
from collector.bus.bus import Bus
from collector.bus.places import EdgePlace
from collector.bus.slices import EndedFile, SliceHead, encode_slice
from collector.storage.journal.files import journal_files, journal_path
from collector.storage.journal.format import FeedIdentity, RecordKind, frames_of
from collector.storage.journal.journal_file import Chunk
from collector.storage.journal.position import Position
from collector.storage.journal.reader import JournalReader
from collector.storage.journal.relayed_chunks import RelayedChunks
from collector.storage.journal.writer import JournalWriter

FEED = "f"
SECOND_NS = 1_000_000_000
IDENTITY = FeedIdentity(FEED, "binance", ("BTCUSDT",), ("trade",))


class EdgeJournal:
    """The journal of one feed on one edge."""

    def __init__(
        self, folder: Path, name: str, *, epoch: str = "x", file_bytes: int = 3_000, slice_bytes: int = 700
    ) -> None:
        self.folder = folder / name
        self.name = name
        self.epoch = epoch
        self.slice_bytes = slice_bytes
        self._newest_ns = SECOND_NS
        self._file_bytes = file_bytes
        self._compressor = Compressor()
        self.open()

    def open(self) -> None:
        """Begin the journal's first file."""
        self.journal = JournalWriter(self.folder, IDENTITY, 1, self._file_bytes, lambda: self._newest_ns)

    def record(self, since_secs: int, count: int, *, text: str = "frame") -> None:
        """Append a record a second, each of two frames on one of two lines."""
        for secs in range(since_secs, since_secs + count):
            frames = [f"{self.name} {text} {secs} {part} {'.' * 60}".encode() for part in "ab"]
            self._newest_ns = secs * SECOND_NS
            self.journal.append_frames(self._newest_ns, secs % 2, frames, connection=1)

    def close(self) -> None:
        self.journal.close()

    def frames(self) -> list[bytes]:
        """All of them, as a writer on the edge would read them."""
        return frames_in(chunks_in(self.folder))

    def is_whole(self, place: EdgePlace) -> bool:
        """Whether storage has it all; its last file has to be closed."""
        last = journal_files(self.folder)[-1][0]
        return any(file.number == last and file.ended for file in place.files) and not place.hole

    def messages(self, place: EdgePlace | None = None, *, lost: bool = False) -> list[bytes]:
        """What a publisher sends that begins at a place."""
        heads = list(self._slices(place))
        return [
            encode_slice(
                SliceHead(
                    **{**{name: getattr(head, name) for name in head.__struct_fields__}, "lost": lost and not index}
                ),
                self._compressor.compressed(body),
            )
            for index, (head, body) in enumerate(heads)
        ]

    def _slices(self, place: EdgePlace | None) -> Iterator[tuple[SliceHead, bytes]]:
        files = () if place is None or place.epoch != self.epoch else place.files
        known = {file.file_id: Position(file.file_id, FEED, file.number, file.offset, file.ended) for file in files}
        at = {file.file_id: file.offset for file in files}
        before = [EndedFile(file.file_id, file.number, file.offset) for file in files if file.ended]
        reader = JournalReader(self.folder, FEED, known)
        while (chunk := reader.read()) is not None:
            file_id, number = chunk.position.file_id, chunk.position.number
            data = journal_path(self.folder, number).read_bytes()
            for start, end, newest_ns in self._cuts(at.get(file_id, 0), chunk):
                ends = end == chunk.position.offset
                head = SliceHead(
                    self.name, FEED, self.epoch, file_id, number, start, end, newest_ns,
                    ended=ends and chunk.position.ended,
                    is_last=ends and chunk.is_last,
                    damage="" if chunk.damage is None else chunk.damage.reason,
                    before=tuple(before[-3:]),
                )  # fmt: skip
                yield head, b"" if chunk.damage else data[start:end]
            at[file_id] = chunk.position.offset
            if chunk.position.ended:
                before.append(EndedFile(file_id, number, chunk.position.offset))
        reader.close()

    def _cuts(self, start: int, chunk: Chunk) -> Iterator[tuple[int, int, int]]:
        newest_ns = 0
        for record in chunk.records:
            newest_ns = record.received_ns
            if record.end - start >= self.slice_bytes and record.end < chunk.position.offset:
                yield start, record.end, newest_ns
                start = record.end
        yield start, chunk.position.offset, newest_ns


async def publish(bus: Bus, edge: str, messages: Sequence[bytes]) -> None:
    for sent in [await bus.publish(edge, FEED, message) for message in messages]:
        await sent


def chunks_in(folder: Path) -> list[Chunk]:
    """Everything in a journal, of a relay's by slices."""
    reader, apart = JournalReader(folder, FEED, {}), RelayedChunks(lambda number: journal_path(folder, number))
    found: list[Chunk] = []
    while (chunk := reader.read()) is not None:
        found += apart.apart(chunk)
    reader.close()
    return found


def frames_in(chunks: Sequence[Chunk], edge: str = "") -> list[bytes]:
    records = [
        record
        for chunk in chunks
        if not edge or (chunk.source is not None and chunk.source.edge == edge)
        for record in chunk.records
        if record.kind is RecordKind.FRAMES
    ]
    return [frame.data for record in records for frame in frames_of(record)]
