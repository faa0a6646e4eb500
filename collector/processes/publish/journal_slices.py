"""Reads a feed's journal, from where storage has it, as slices: whole records as they stand in one file."""

import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from collector.bus.places import EdgePlace
from collector.bus.slices import EndedFile, SliceHead
from collector.processes.publish.slicing import Border, Cutter, Range
from collector.processes.publish.storage_place import (
    MOST_ENDED,
    OwnFile,
    ended_files,
    highest_number,
    is_lost,
    is_of_another_journal,
    is_one_gone_between,
    positions,
)
from collector.storage.journal.files import journal_path
from collector.storage.journal.journal_file import Chunk, Damage
from collector.storage.journal.lag import Lag
from collector.storage.journal.reader import JournalReader


class JournalSlices:
    """The slices behind a place, in the order in which the records are to be read."""

    def __init__(
        self, folder: Path, place: EdgePlace, files: list[OwnFile], head: SliceHead, exchange: str, slice_bytes: int
    ) -> None:
        """`head` names edge, feed and epoch, and whether something is lost before all of it; `files` are those that are there.

        `exchange` is for heads that cannot be read.
        """
        self._folder = folder
        self._head = head
        self._slice_bytes = slice_bytes
        known = positions(place, head.feed, files)
        self._reader = JournalReader(folder, head.feed, known, exchange)
        self._at = {file_id: position.offset for file_id, position in known.items()}
        """How far the slices of each file go."""
        self._before = deque(ended_files(place), MOST_ENDED)
        is_first = not place.files and not place.done_below
        self._is_lost = (head.lost and is_first) or is_lost(place, files)
        self._highest = highest_number(place)
        self._listed = {file.number: file.file_id for file in files}
        self._file = head
        self._cutter = Cutter(slice_bytes, 0)
        self._fd = -1
        self._ready: deque[tuple[SliceHead, bytes]] = deque()
        self._sizes: dict[str, int] = {}
        """Of each file when it was first read since `next` returned None."""
        self._has_caught_up = False
        self.is_at_end = False
        """Whether there was nothing more to read at the last look."""
        self.is_replaced = False
        """Whether somebody put another journal in this one's place: nothing of that is read."""

    def next(self) -> tuple[SliceHead, bytes] | None:
        """The next slice and its bytes; None once those before have what was there when they were begun. Raises OSError.

        What is appended while it reads is left for the slices of another time, or they would be short.
        """
        while not self._ready and not self._has_caught_up:
            if not self._sizes:
                self._note_size()
            chunk = self._reader.read()
            self.is_at_end = chunk is None
            self.is_replaced |= chunk is not None and self._is_of_another(chunk)
            if self.is_replaced:
                return None
            if chunk is not None:
                self._take(chunk)
            self._has_caught_up = chunk is None or self._is_past_the_sizes(chunk)
            if self._has_caught_up:
                self._cut_rest()
        if self._ready:
            return self._ready.popleft()
        self._has_caught_up = False
        self._sizes.clear()
        return None

    def lag(self) -> Lag:
        """How much is not in slices yet."""
        return self._reader.lag()

    def close(self) -> None:
        """Close the files being read."""
        self._reader.close()
        self._leave()

    def _take(self, chunk: Chunk) -> None:
        if self._file.file_id != chunk.position.file_id:
            self._begin(chunk)
        if chunk.records:
            self._cutter.add([Border(record.end, record.received_ns) for record in chunk.records])
            self._emit(self._cutter.full())
        if chunk.damage is not None:
            self._cut_rest()
            self._pass_damage(chunk, chunk.damage)
        elif chunk.position.ended:
            self._end(chunk)

    def _is_of_another(self, chunk: Chunk) -> bool:
        position = chunk.position
        return is_of_another_journal(self._listed, self._head.feed, position.number, position.file_id)

    def _begin(self, chunk: Chunk) -> None:
        self._cut_rest()
        self._leave()
        file_id, number = chunk.position.file_id, chunk.position.number
        self._is_lost |= is_one_gone_between(self._highest, number, chunk.others)
        self._highest = max(self._highest, number)
        self._file = replace(self._head, file_id=file_id, number=number)
        self._cutter = Cutter(self._slice_bytes, self._at.get(file_id, 0))
        self._fd = os.open(journal_path(self._folder, number), os.O_RDONLY | os.O_CLOEXEC)

    def _is_past_the_sizes(self, chunk: Chunk) -> bool:
        """Whether this was appended after the reading began; of files side by side, all that is older was read then, too."""
        if chunk.position.ended or not self._reader.may_grow:
            return False
        if chunk.position.file_id not in self._sizes:
            self._note_size()
        return chunk.position.offset >= self._sizes[chunk.position.file_id]

    def _note_size(self) -> None:
        if self._fd >= 0:
            self._sizes[self._file.file_id] = os.fstat(self._fd).st_size

    def _leave(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._file, self._fd = self._head, -1

    def _cut_rest(self) -> None:
        self._emit(self._cutter.rest())

    def _emit(self, ranges: Iterator[Range]) -> None:
        for cut in ranges:
            self._put(cut, self._bytes(cut.start, cut.end))

    def _pass_damage(self, chunk: Chunk, damage: Damage) -> None:
        end = damage.offset + damage.size_bytes
        if self._cutter.start < damage.offset:  # the head of a file whose first record is damaged
            self._put(Range(self._cutter.start, damage.offset, 0), self._bytes(self._cutter.start, damage.offset))
        cut = Range(damage.offset, end, 0)
        self._put(cut, b"", damage=damage.reason, ended=chunk.position.ended, is_last=chunk.is_last)
        self._cutter = Cutter(self._slice_bytes, end)

    def _end(self, chunk: Chunk) -> None:
        """The last records of a file, or none, with the mark that nothing follows."""
        cut = next(self._cutter.rest(), None)
        # Of a file without a head nothing is sent: whatever stands in it was never whole.
        end = chunk.position.offset if chunk.header.header_bytes else self._cutter.start
        cut = cut or Range(self._cutter.start, max(self._cutter.start, end), 0)
        self._put(cut, self._bytes(cut.start, cut.end), ended=True, is_last=chunk.is_last)

    def _put(self, cut: Range, body: bytes, *, damage: str = "", ended: bool = False, is_last: bool = False) -> None:
        head = replace(
            self._file,
            start=cut.start,
            end=cut.end,
            newest_ns=cut.newest_ns,
            ended=ended,
            is_last=is_last,
            damage=damage,
            lost=self._is_lost,
            before=tuple(self._before),
        )
        self._is_lost = False
        self._at[head.file_id] = cut.end
        self._ready.append((head, body))
        if ended:
            self._before.append(EndedFile(head.file_id, head.number, cut.end))
            del self._at[head.file_id]
            self._leave()

    def _bytes(self, start: int, end: int) -> bytes:
        pieces: list[bytes] = []
        while start < end:
            piece = os.pread(self._fd, end - start, start)
            if not piece:
                raise OSError(f"journal file {self._file.number} is shorter than it was")
            pieces.append(piece)
            start += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
