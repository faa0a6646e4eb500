"""Which journal is read next. The order decides when an answer of repair is judged, and a stream moved from another feed.

An answer fills a hole only once the writer knows that hole. A killed writer may not have committed its request, and a
segment that is rebuilt has forgotten it. So what was fetched for a feed is never judged before the feed's own journal
was read past the time it was received, or to its end.
"""

from collections.abc import Iterator, Mapping

from collector.domain.repair_protocol import is_rest_journal, rest_journal
from collector.storage.journal.reader import Chunk, JournalReader


class ReadingOrder:
    """The journals of all feeds, each with the journal of what was fetched for it."""

    def __init__(self, readers: Mapping[str, JournalReader]) -> None:
        """`readers` by the names of their journals."""
        self._pairs = [
            _Pair(name, reader, readers.get(rest_journal(name)))
            for name, reader in readers.items()
            if not is_rest_journal(name)
        ]

    def round(self) -> Iterator[tuple[str, Chunk | None]]:
        """Read once from every feed, in turn. A feed comes with None if it has nothing more to read now.

        A stream may have moved from another feed, so files begun after a finished file wait until that one is read.
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
    """The journal of a feed, and the journal of what was fetched for it, if there is one."""

    def __init__(self, feed: str, own: JournalReader, fetched: JournalReader | None) -> None:
        self.feed = feed
        self.own = own
        self._fetched = fetched
        self._passed_ns = 0

    def begun_ns(self) -> int:
        return self.own.begun_ns()

    def read(self) -> Chunk | None:
        """Read what was fetched before the newest record read, then the feed itself: so a backlog is judged as it was received."""
        fetched = self._fetched.read(self._passed_ns) if self._fetched and self._passed_ns else None
        if fetched is not None:
            return fetched
        chunk = self.own.read()
        if chunk is not None and chunk.records:
            self._passed_ns = chunk.records[-1].received_ns
        return chunk

    def read_fetched(self) -> Chunk | None:
        """Read whatever was fetched. Call it only when nothing of the feed's own journal is left to read."""
        return self._fetched.read() if self._fetched else None
