"""Which feed brings each stream. Feeds may be renamed; streams may move to another feed, be dropped, and come back."""

from collections.abc import Callable, Container, Iterable, Iterator
from typing import NamedTuple

from collector.domain.records import UNDECODED, StreamKey
from collector.domain.silence import LEFT, StreamActivity
from collector.processes.writer.gaps.feed_state import FeedState
from collector.processes.writer.streams import StreamState, StreamTable


class Member(NamedTuple):
    """A stream that a feed subscribes; `stream` is None until its first message."""

    key: StreamKey
    stream: StreamState | None
    activity: StreamActivity

    def is_missed_without(self, feed: str, since_us: int, until_us: int) -> bool:
        """Whether no other source covered some of this stretch: what the feed missed then is missing."""
        coverage = self.activity.coverage
        return coverage is None or bool(coverage.missed_by_others(feed, (since_us, max(until_us, since_us + 1))))


class Handover(NamedTuple):
    """One stream's handover when a new ingest of a feed starts, or a running one changes its streams: taken over, kept or
    dropped.
    """

    member: Member
    previous_feed: str
    """The feed that brought it until now."""
    refused_since_us: int | None
    """When its frames began to be refused, if its ingest was killed before it could say how many."""
    is_dropped: bool


class StreamOwnership:
    """A stream counts as offline from the end of its last connection until the next one carries it, whichever feed that is."""

    def __init__(self, streams: StreamTable, feeds: dict[str, FeedState], state_of: Callable[[str], FeedState]) -> None:
        """`state_of` returns the state of one of `feeds`, and makes it part of the next commit."""
        self._streams = streams
        self._feeds = feeds
        self._state_of = state_of

    def members(self, feed: str, keys: Iterable[StreamKey]) -> Iterator[Member]:
        """The state and activity of these streams of the feed."""
        unspoken = self._state_of(feed).unspoken
        for key in keys:
            stream = self._streams.get(key)
            activity = unspoken.setdefault(key, StreamActivity()) if stream is None else stream.activity
            yield Member(key, stream, activity)

    def first_message(self, stream: StreamState) -> StreamActivity | None:
        """Note a stream's first message. Returns its activity until then, if it had any."""
        for feed, state in self._feeds.items():
            # It may still be listed under another feed, from which it was moved.
            if stream.key in state.unspoken:
                activity = self._state_of(feed).unspoken.pop(stream.key)
                stream.share(activity.coverage)
                return activity
        return None

    def hand_over(self, feed: str, keys: Iterable[StreamKey], *, goes_on: bool = False) -> Iterator[Handover]:
        """Hand over the streams `keys` to a new incarnation of the feed, and drop the feed's others.

        Call before the feed's connection state is reset. If the incarnation `goes_on`, with other streams than before, its
        connections do too, so the streams that it keeps are not handed over; to do it again changes nothing.
        """
        subscribed = dict.fromkeys(keys)
        for previous_feed, member in self.known(feed, subscribed):
            is_subscribed = member.key in subscribed
            if goes_on and is_subscribed and previous_feed == feed:
                continue
            if goes_on and not is_subscribed:
                member.activity.go_offline(self._state_of(feed).links.newest_us, LEFT)
            if is_subscribed:
                yield self.take_over(previous_feed, member, feed)
            else:
                yield self.drop(previous_feed, member)
        for _ in self.members(feed, subscribed):
            pass

    def known(self, feed: str, subscribed: Container[StreamKey]) -> list[tuple[str, Member]]:
        """The streams that the feed brought or is to bring, each with the feed that brought it."""
        return [*self._spoken(feed, subscribed), *self._unspoken(feed, subscribed)]

    def take_over(self, previous_feed: str, member: Member, feed: str) -> Handover:
        """Hand a stream over to a feed, whose new incarnation subscribes it."""
        if member.stream is None:
            del self._state_of(previous_feed).unspoken[member.key]
            self._state_of(feed).unspoken[member.key] = member.activity
        if previous_feed != feed:
            member.activity.move()
        handover = self._handover(previous_feed, member, is_dropped=False)
        if member.stream is not None and previous_feed != feed:
            self._streams.move(member.stream, feed)
        return handover

    def drop(self, previous_feed: str, member: Member) -> Handover:
        """End what is left open of a stream that the feed subscribes no more."""
        if member.stream is None:
            del self._state_of(previous_feed).unspoken[member.key]
        return self._handover(previous_feed, member, is_dropped=True)

    def _spoken(self, feed: str, subscribed: Container[StreamKey]) -> Iterator[tuple[str, Member]]:
        """The streams with messages that the feed brought or is to bring, each with the feed that brought it."""
        for stream in self._streams:
            if (stream.feed == feed or stream.key in subscribed) and stream.key.data_type != UNDECODED:
                yield stream.feed, Member(stream.key, stream, stream.activity)

    def _unspoken(self, feed: str, subscribed: Container[StreamKey]) -> Iterator[tuple[str, Member]]:
        """As `_spoken`, without messages."""
        for previous_feed, state in self._feeds.items():
            for key, activity in state.unspoken.items():
                if previous_feed == feed or key in subscribed:
                    yield previous_feed, Member(key, None, activity)

    def _handover(self, previous_feed: str, member: Member, *, is_dropped: bool) -> Handover:
        state, activity = self._state_of(previous_feed), member.activity
        refused_since_us = activity.refused_since_us
        if refused_since_us is None and activity.offline is None:
            refused_since_us = state.refusing_since_us
        activity.refused_since_us = None
        if activity.coverage is not None and activity.coverage.sources:
            read_us = [self._state_of(source).links.newest_us for source in activity.coverage.sources]
            activity.go_offline(max(read_us), "edge")
        if activity.coverage is not None:
            activity.coverage = None
            if member.stream is not None:
                member.stream.share(None)
        if member.stream is not None or activity.first_us:
            activity.go_offline(*state.links.offline_since(activity.last_message_us))
        return Handover(member, previous_feed, refused_since_us, is_dropped)
