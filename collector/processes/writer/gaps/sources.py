"""The sources of each feed: the same feed on several hosts. How far each was read, and which are gone.

What two sources deliver of the same time is read one after the other, and one may lag. So nothing that concerns a stream of
both is judged before all have come so far, but for those too far behind: what these still bring is late.
"""

from collections.abc import Iterator

from collector.domain.coverage import EVER
from collector.domain.steps_back import MOST_US
from collector.processes.writer.gaps.feed_state import FeedState
from collector.storage.journal.relayed import feed_of_source, is_source


class Sources:
    """The sources by feed; a feed of this host alone has none."""

    def __init__(self, states: dict[str, FeedState], overlap_secs: float) -> None:
        """`states` by feed and source. `overlap_secs` is how far one connection may lag behind another."""
        self._states = states
        self.lag_us = min(round(overlap_secs * 1e6), MOST_US)
        """A source further behind is waited for no more."""
        self._of: dict[str, list[str]] = {}
        for name in states:
            self.add(name)

    def add(self, name: str) -> None:
        """Note a feed or source."""
        if is_source(name):
            self._of.setdefault(feed_of_source(name), []).append(name)

    def of(self, feed: str) -> list[str]:
        """The names of the feed's sources."""
        return self._of.get(feed, [])

    def judged_us(self, feed: str, now_us: int) -> int:
        """Up to when the feed's streams can be judged now: its sources that are not far behind have all come so far."""
        names = self._of.get(feed_of_source(feed), ())
        if not names[1:]:
            return now_us
        read_us = [self._states[name].links.newest_us for name in names if self._states[name].links.up]
        newest_us = max([now_us, *read_us])
        return min(at_us for at_us in [newest_us, *read_us] if at_us >= newest_us - self.lag_us)

    def newest_us(self, feed: str) -> int:
        """The newest time read of any of its sources; 0 if it has none."""
        return max((self._states[name].links.newest_us for name in self.of(feed)), default=0)

    def is_behind(self, source: str, received_us: int) -> bool:
        """Whether another source has come so much further that this one's records are late."""
        return received_us < self.newest_us(feed_of_source(source)) - self.lag_us

    def had_connection(self, source: str, at_us: int) -> bool:
        """Whether another source had a connection then that it still has."""
        others = [self._states[name].links for name in self.of(feed_of_source(source)) if name != source]
        return any(min(links.opened.values(), default=EVER) <= at_us <= links.newest_us for links in others)

    def may_be_late(self, feed: str) -> bool:
        """Whether a source of the feed, known or not, may still bring what others brought long ago."""
        return bool(self.of(feed))

    def lags(self, feed: str, at_us: int) -> bool:
        """Whether a source of the feed is not read so far, or nearly."""
        return any(self.lags_itself(name, at_us) for name in self.of(feed_of_source(feed)))

    def lags_itself(self, source: str, at_us: int) -> bool:
        """Whether this one is not."""
        state = self._states[source]
        return state.is_gone or state.is_behind or state.links.newest_us < at_us - self.lag_us // 4

    def newly_gone(self, feed: str) -> Iterator[str]:
        """Sources of which nothing was read for long, while others went on; what these brought meanwhile is still known."""
        newest_us = self.newest_us(feed)
        for name in self.of(feed):
            state = self._states[name]
            if not state.is_gone and newest_us - state.heard_us > self.lag_us // 2:
                yield name
