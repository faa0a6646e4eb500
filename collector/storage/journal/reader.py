"""Reads the journal files of one feed from committed positions on, while ingest may still append to them.

The files of an incarnation are read one after another, and incarnations one after another. Only those that number their
connections together (a handover) are read side by side, in order of receipt.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from collector.domain.records import UNKNOWN
from collector.storage.journal.incarnations import is_alive, living
from collector.storage.journal.journal_file import Chunk, JournalFile
from collector.storage.journal.lag import Lag, lag_of
from collector.storage.journal.listing import ListedFile, Listing
from collector.storage.journal.position import Position
from collector.storage.journal.tail import Tails
from collector.storage.locks import is_file_held

_First = JournalFile | ListedFile
"""The file of an incarnation that is read next, open or not."""

_NOTHING_NS: Final = -1


class JournalReader:
    """Reads everything in the feed's files, each record once, damage included.

    An unfinished record at a file's end (a torn tail) is taken for its end only once the file is final: its incarnation has
    begun a later one, or is dead.
    """

    def __init__(self, folder: Path, feed: str, positions: Mapping[str, Position], exchange: str = UNKNOWN) -> None:
        """`exchange` is used for files whose head cannot be read."""
        self.folder = folder
        self._feed = feed
        self._exchange = exchange
        self._known = {file_id: p for file_id, p in positions.items() if p.feed == feed}
        self._tails = Tails()
        self._listing = Listing(folder)
        self._open: dict[str, JournalFile] = {}
        """Of each incarnation the file that is being read."""
        self._waiting: list[ListedFile] = []
        """Other files that are not read to their end, by number."""
        self._has_ended = False
        """Whether a file has ended since `_waiting` was found."""
        self._others: frozenset[int] = frozenset()
        self.torn_bytes = 0
        """Bytes of torn tails skipped so far: what a killed ingest had begun to write."""
        self.may_grow = True
        """Whether more may be appended to the file last read."""

    def read(self, until_ns: int | None = None) -> Chunk | None:
        """The next records; None if there is nothing to read now.

        With `until_ns`, the first record received later and all after it are left for another call.
        """
        self._look()
        if not self._waiting and len(self._open) == 1:
            return self._read(next(iter(self._open.values())), until_ns)
        for sides in self._sequences():
            chunk = self._read_side_by_side(sides, until_ns)
            if chunk is not None:
                return chunk
        return None

    def begun_ns(self) -> int:
        """When the file that is read next was created; 0 if there is none, or its head cannot be read."""
        if not self._open:
            self._look()
        firsts: list[_First] = [*self._open.values(), *self._waiting[:1]]
        header = min(firsts, key=lambda file: file.number).header if firsts else None
        return 0 if header is None else header.created_ns

    def lag(self) -> Lag:
        """How much is not read yet."""
        self._listing.look()
        self._has_ended = True
        offsets = {file.path: file.offset for file in self._open.values()}
        pending = [(file.path, offsets.get(file.path, self._offset(file))) for file in self._listing]
        return lag_of([(path, offset) for path, offset in pending if offset is not None], len(self._listing))

    def close(self) -> None:
        """Close the files being read."""
        for file in self._open.values():
            file.close()
        self._open = {}

    def _look(self) -> None:
        if self._listing.look() or self._has_ended or not self._open:
            reading = {file.path for file in self._open.values()}
            self._waiting = [
                file for file in self._listing if file.path not in reading and self._offset(file) is not None
            ]
            self._others = frozenset(
                {file.number for file in self._listing} | {position.number for position in self._known.values()}
            )
            self._has_ended = False

    def _offset(self, file: ListedFile) -> int | None:
        """How far a file was read; None if to its end."""
        known = self._known.get(file.file_id(self._feed))
        if known is None:
            return 0
        return known.offset if not known.ended or self._tails.goes_on(file.path, known.offset) else None

    def _sequences(self) -> Iterable[dict[str, _First]]:
        """By incarnation the first file of each, those that number their connections together in one."""
        found: dict[str, dict[str, _First]] = {}
        files: list[tuple[int, str, str, _First]] = [
            (file.number, file.known_header().writer_id, incarnation, file) for incarnation, file in self._open.items()
        ]
        files += [(file.number, file.sequence, file.incarnation, file) for file in self._waiting]
        for _, sequence, incarnation, file in sorted(files, key=lambda one: one[0]):
            found.setdefault(sequence, {}).setdefault(incarnation, self._open.get(incarnation, file))
        return found.values()

    def _read_side_by_side(self, sides: dict[str, _First], until_ns: int | None) -> Chunk | None:
        """Read whichever has the oldest record, up to the next one of any other."""
        times = {incarnation: _next_ns(file) for incarnation, file in sides.items()}
        while times:
            oldest = min(times, key=times.__getitem__)
            file = sides[oldest]
            if isinstance(file, ListedFile):
                file = sides[oldest] = self._begin(file)
                times[oldest] = _next_ns(file)
                continue
            del times[oldest]
            limits = [ns for ns in (until_ns, *times.values()) if ns is not None and ns != _NOTHING_NS]
            chunk = self._read(file, min(limits, default=None))
            if chunk is not None:
                return chunk
            if file.header is None:
                self._leave(file)
        return None

    def _begin(self, listed: ListedFile) -> JournalFile:
        offset = self._offset(listed) or 0
        file = JournalFile(listed.path, self._feed, self._exchange, offset, listed.header)
        self._open[listed.incarnation] = file
        self._waiting.remove(listed)
        return file

    def _leave(self, file: JournalFile) -> None:
        """Close a file; if it is not read to its end it is opened again later, perhaps as one of a known incarnation."""
        self._open = {incarnation: other for incarnation, other in self._open.items() if other is not file}
        self._has_ended = True
        file.close()

    def _read(self, file: JournalFile, until_ns: int | None) -> Chunk | None:
        goes_on = self._goes_on(file)
        # Checked before reading: what is appended after this check is found by the next read.
        final = goes_on or self._is_final(file)
        if final and not goes_on:
            # It may have begun another file between the listing and its death.
            self._has_ended = self._listing.look() or self._has_ended
            goes_on = self._goes_on(file)
        self.may_grow = not final
        chunk = file.read(until_ns, final=final, goes_on=goes_on)
        if chunk is None:
            return None
        self._known[chunk.position.file_id] = chunk.position
        if not chunk.position.ended:
            return chunk._replace(others=self._others)
        self.torn_bytes += file.torn_bytes
        self._leave(file)
        return chunk._replace(others=self._others, is_last=not goes_on and chunk.header.previous is not None)

    def _goes_on(self, file: JournalFile) -> bool:
        return file.header is not None and self._listing.goes_on_after(file.header)

    def _is_final(self, file: JournalFile) -> bool:
        header = file.header
        # One whose lock is free may have lost it with a removed folder; it still holds the file itself.
        if header is not None and header.previous is not None:
            return not is_alive(self.folder, header.incarnation) and not is_file_held(file.fileno())
        # One without a head may be about to get it from any incarnation, each of which is locked before it makes a file.
        is_gone = not living(self.folder) and not is_file_held(file.fileno())
        return is_gone or any(other.number > file.number for other in self._listing)


def _next_ns(file: _First) -> int:
    """When its next record was received, or before when none was; `_NOTHING_NS` if there is none now, or damage."""
    if isinstance(file, ListedFile):
        return _NOTHING_NS if file.header is None else file.header.created_ns
    next_ns = file.next_ns()
    return _NOTHING_NS if next_ns is None else next_ns
