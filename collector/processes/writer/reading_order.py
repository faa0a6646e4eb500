"""Which journal is read next: what decides when an answer of repair is judged, and a stream that came from another feed.

An answer fills a hole only once the writer knows of that hole. A killed writer may not have committed what it asked
for, and a segment that is made anew forgets it: so what was fetched for a feed is never judged before the feed's own
journal was read past the time it was received, or to its end.
"""

from collections.abc import Iterator, Mapping

from collector.domain.repair_protocol import is_rest_journal, rest_journal
from collector.storage.journal.reader import Chunk, JournalReader


class ReadingOrder:
    """The journals of all feeds, each with that of what was fetched for it."""

    def __init__(self, readers: Mapping[str, JournalReader]) -> None:
        """`readers` by the names of their journals."""
        self._pairs = [
            _Pair(name, reader, readers.get(rest_journal(name)))
            for name, reader in readers.items()
            if not is_rest_journal(name)
        ]

    def round(self) -> Iterator[tuple[str, Chunk | None]]:
        """Read once from every feed, in turn; a feed comes with None where it has nothing more to read now.

        A stream may have come over from another feed: what was begun behind a file that is finished waits for its end.
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
    """The journal of a feed, and that of what was fetched for it, if there may be any."""

    def __init__(self, feed: str, own: JournalReader, fetched: JournalReader | None) -> None:
        self.feed = feed
        self.own = own
        self._fetched = fetched
        self._passed_ns = 0

    def begun_ns(self) -> int:
        return self.own.begun_ns()

    def read(self) -> Chunk | None:
        """First what was fetched before the newest record read: so a backlog is judged much as it was received."""
        fetched = self._fetched.read(self._passed_ns) if self._fetched and self._passed_ns else None
        if fetched is not None:
            return fetched
        chunk = self.own.read()
        if chunk is not None and chunk.records:
            self._passed_ns = chunk.records[-1].received_ns
        return chunk

    def read_fetched(self) -> Chunk | None:
        """Whatever was fetched. Only to be asked when nothing of the feed's own is left to read now."""
        return self._fetched.read() if self._fetched else None
