"""Which feed brings each stream: feeds are renamed, streams are moved to another one, left out, and taken in again."""

from collections.abc import Callable, Iterable, Iterator

from collector.domain.outages import Links, Outage
from collector.domain.records import UNDECODED, StreamKey
from collector.processes.streams import Stream, Streams


class Belonging:
    """Continuity follows the stream: it is away from when its feed last brought it until a feed connects for it again."""

    def __init__(self, streams: Streams, links_of: Callable[[str], Links]) -> None:
        """`links_of` gives what is known of a feed's connections."""
        self._streams = streams
        self._links_of = links_of

    def hand_over(self, feed: str, keys: Iterable[StreamKey]) -> Iterator[tuple[Stream, str | None]]:
        """A new incarnation of the feed brings `keys`: the streams it leaves out or takes in.

        Each comes with the feed that brought it until now, if any did. To be asked before the feed's links begin anew.
        """
        brought = set(keys)
        for stream in self._streams:
            before, comes = stream.feed, stream.key in brought
            if comes == (before == feed) or stream.key.data_type == UNDECODED:
                continue
            hearing = stream.memory.progress.hearing
            was_away = hearing.left is not None
            hearing.left = hearing.left or self._links_of(before).left_since(stream.heard_us)
            if comes:
                self._streams.move(stream, feed)
            yield stream, None if was_away else before

    @staticmethod
    def back(stream: Stream, outage: Outage | None, plan: int, at_us: int) -> Outage | None:
        """The outage that ends for the stream as its plan is connected: its own, or else that of the plan."""
        hearing = stream.memory.progress.hearing
        if hearing.left is None:
            return outage
        (since_us, cause), hearing.left = hearing.left, None
        return Outage(plan, since_us, max(at_us, since_us), cause)
