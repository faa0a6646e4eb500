"""Which journal is read next. This decides when repair's answers are judged, and when streams moved to another feed are.

An answer fills a hole only if the writer already knows the hole. A killed writer may not have committed the hole, and a
rebuilt segment has forgotten it. So what repair fetched for a feed is never judged before the feed's own journal was read
past the time of the answer, or to its end.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from functools import partial

from collector.domain.repair_protocol import is_rest_journal, rest_journal
from collector.processes.writer.edge_clock import by_storage_clock
from collector.storage.journal.files import journal_path
from collector.storage.journal.journal_file import Chunk
from collector.storage.journal.reader import JournalReader
from collector.storage.journal.relayed_chunks import RelayedChunks


class ReadingOrder:
    """The journals of all feeds, each with the journal of what repair fetched for it."""

    def __init__(self, readers: Mapping[str, JournalReader]) -> None:
        """`readers` by the names of their journals."""
        self._pairs = [
            _Pair(name, reader, readers.get(rest_journal(name)))
            for name, reader in readers.items()
            if not is_rest_journal(name)
        ]

    def round(self) -> Iterator[tuple[str, Chunk | None]]:
        """Read once from every feed in turn, and yield each feed with what was read; None if it has nothing more now.

        Because a stream may have moved from another feed, a finished file is read to its end before files begun later.
        """
        drained = []
        for pair in sorted(self._pairs, key=_Pair.begun_ns):
            chunk = pair.read()
            yield pair.feed, chunk
            if chunk is None:
                drained.append(pair)
            elif not pair.own.may_grow:
                return
        for pair in drained:
            chunk = pair.read_fetched()
            if chunk is not None:
                yield pair.feed, chunk


class _Pair:
    """The journal of a feed, and the journal of what repair fetched for it, if there is one."""

    def __init__(self, feed: str, own: JournalReader, fetched: JournalReader | None) -> None:
        self.feed = feed
        self.own = own
        self._fetched = fetched
        self._passed_ns = 0
        self._relayed = RelayedChunks(partial(journal_path, own.folder))
        self._apart: deque[Chunk] = deque()
        """What was read of the feed's own journal and not returned yet."""

    def begun_ns(self) -> int:
        return self.own.begun_ns()

    def read(self) -> Chunk | None:
        """Read answers received before the newest record read, else the feed's own journal.

        So a backlog is judged in the order it was received.
        """
        fetched = self._fetched.read(self._passed_ns) if self._fetched and self._passed_ns else None
        if fetched is not None:
            return fetched
        chunk = self._next()
        if chunk is not None and chunk.records:
            self._passed_ns = chunk.records[-1].received_ns
        return chunk

    def _next(self) -> Chunk | None:
        if not self._apart:
            read = self.own.read()
            if read is not None:
                self._apart.extend(map(by_storage_clock, self._relayed.apart(read)))
        return self._apart.popleft() if self._apart else None

    def read_fetched(self) -> Chunk | None:
        """Read any answers. Call it only when nothing is left to read of the feed's own journal."""
        return self._fetched.read() if self._fetched else None
