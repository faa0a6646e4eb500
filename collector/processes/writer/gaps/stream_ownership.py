"""Which feed brings each stream. Feeds may be renamed; streams may move to another feed, be dropped, and come back."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from collector.domain.records import UNDECODED, StreamKey
from collector.domain.silence import StreamActivity
from collector.processes.writer.gaps.feed_state import FeedState
from collector.processes.writer.streams import StreamState, StreamTable


class Member(NamedTuple):
    """A stream that a feed subscribes; `stream` is None until its first message."""

    key: StreamKey
    stream: StreamState | None
    activity: StreamActivity


class Handover(NamedTuple):
    """One stream's handover when a new ingest of a feed starts: taken over, kept or dropped."""

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
                return self._state_of(feed).unspoken.pop(stream.key)
        return None

    def hand_over(self, feed: str, keys: Iterable[StreamKey]) -> Iterator[Handover]:
        """Hand over the streams `keys` to a new incarnation of the feed, and drop the feed's others.

        Call before the feed's connection state is reset.
        """
        subscribed = dict.fromkeys(keys)
        yield from self._hand_over_spoken(feed, subscribed)
        yield from self._hand_over_unspoken(feed, subscribed)
        for _ in self.members(feed, subscribed):
            pass

    def _hand_over_spoken(self, feed: str, subscribed: dict[StreamKey, None]) -> Iterator[Handover]:
        for stream in self._streams:
            previous_feed, is_subscribed = stream.feed, stream.key in subscribed
            if (previous_feed != feed and not is_subscribed) or stream.key.data_type == UNDECODED:
                continue
            handover = self._handover(
                previous_feed, Member(stream.key, stream, stream.activity), is_dropped=not is_subscribed
            )
            if is_subscribed and previous_feed != feed:
                self._streams.move(stream, feed)
            yield handover

    def _hand_over_unspoken(self, feed: str, subscribed: dict[StreamKey, None]) -> Iterator[Handover]:
        affected = [
            (previous_feed, key)
            for previous_feed, state in self._feeds.items()
            for key in state.unspoken
            if previous_feed == feed or key in subscribed
        ]
        for previous_feed, key in affected:
            activity = self._state_of(previous_feed).unspoken.pop(key)
            if key in subscribed:
                self._state_of(feed).unspoken[key] = activity
            yield self._handover(previous_feed, Member(key, None, activity), is_dropped=key not in subscribed)

    def _handover(self, previous_feed: str, member: Member, *, is_dropped: bool) -> Handover:
        state, activity = self._state_of(previous_feed), member.activity
        refused_since_us = activity.refused_since_us
        if refused_since_us is None and activity.offline is None:
            refused_since_us = state.refusing_since_us
        activity.refused_since_us = None
        if member.stream is not None or activity.first_us:
            activity.go_offline(*state.links.offline_since(activity.last_message_us))
        return Handover(member, previous_feed, refused_since_us, is_dropped)
