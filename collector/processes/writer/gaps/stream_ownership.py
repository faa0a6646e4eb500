"""Which feed brings each stream: feeds are renamed; streams move to another feed, are dropped, and come back."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from collector.domain.records import UNDECODED, StreamKey
from collector.domain.silence import StreamActivity
from collector.processes.writer.gaps.feed_state import FeedState
from collector.processes.writer.streams import StreamState, StreamTable


class Member(NamedTuple):
    """A stream that a feed subscribes; `stream` is None while it has never spoken."""

    key: StreamKey
    stream: StreamState | None
    activity: StreamActivity


class Taken(NamedTuple):
    """What a new incarnation of a feed found about a stream that it adds, keeps or drops."""

    member: Member
    before: str
    """The feed that brought it until now."""
    refused_since_us: int | None
    """Since when its frames were refused, if its ingest was killed before it could say how many."""
    is_left_out: bool


class StreamOwnership:
    """Continuity follows the stream, whichever feed brings it: it is away while no connection carries it."""

    def __init__(self, streams: StreamTable, feeds: dict[str, FeedState], state_of: Callable[[str], FeedState]) -> None:
        """`state_of` gives the state of one of `feeds`, which will commit with the rows."""
        self._streams = streams
        self._feeds = feeds
        self._state_of = state_of

    def members(self, feed: str, keys: Iterable[StreamKey]) -> Iterator[Member]:
        """What is known of these streams of the feed."""
        unspoken = self._state_of(feed).unspoken
        for key in keys:
            stream = self._streams.get(key)
            activity = unspoken.setdefault(key, StreamActivity()) if stream is None else stream.activity
            yield Member(key, stream, activity)

    def began(self, stream: StreamState) -> StreamActivity | None:
        """A stream has spoken for the first time; returns its activity until then, if it had any."""
        for feed, state in self._feeds.items():
            # Of another feed than its own where it was moved from that one.
            if stream.key in state.unspoken:
                return self._state_of(feed).unspoken.pop(stream.key)
        return None

    def hand_over(self, feed: str, keys: Iterable[StreamKey]) -> Iterator[Taken]:
        """A new incarnation of the feed brings `keys`. Call it before the feed's connection log begins anew."""
        brought = dict.fromkeys(keys)
        yield from self._hand_over_spoken(feed, brought)
        yield from self._hand_over_unspoken(feed, brought)
        for _ in self.members(feed, brought):
            pass

    def _hand_over_spoken(self, feed: str, brought: dict[StreamKey, None]) -> Iterator[Taken]:
        for stream in self._streams:
            before, comes = stream.feed, stream.key in brought
            if (before != feed and not comes) or stream.key.data_type == UNDECODED:
                continue
            taken = self._take(before, Member(stream.key, stream, stream.activity), is_left_out=not comes)
            if comes and before != feed:
                self._streams.move(stream, feed)
            yield taken

    def _hand_over_unspoken(self, feed: str, brought: dict[StreamKey, None]) -> Iterator[Taken]:
        concerned = [
            (before, key)
            for before, state in self._feeds.items()
            for key in state.unspoken
            if before == feed or key in brought
        ]
        for before, key in concerned:
            activity = self._state_of(before).unspoken.pop(key)
            if key in brought:
                self._state_of(feed).unspoken[key] = activity
            yield self._take(before, Member(key, None, activity), is_left_out=key not in brought)

    def _take(self, before: str, member: Member, *, is_left_out: bool) -> Taken:
        state, activity = self._state_of(before), member.activity
        refused_since_us = activity.refused_since_us
        if refused_since_us is None and activity.away is None:
            refused_since_us = state.refusing_since_us
        activity.refused_since_us = None
        if member.stream is not None or activity.first_us:
            activity.leave(*state.links.left_since(activity.heard_us))
        return Taken(member, before, refused_since_us, is_left_out)
