"""How long messages took to arrive and to become durable, and how long commits took; recorded once per commit."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from collector.domain.histogram import Histogram
from collector.domain.times import EARLIEST_US, LONGEST_AHEAD_US
from collector.processes.writer.batch import CommitBatch

MAX_LATENCY_US: Final = 600_000_000
"""A longer latency counts as this one; otherwise one message with a time years ago would dominate the mean."""

WINDOW_SECS: Final = 60.0
"""Messages count for at least this long, and at most twice as long."""

MIN_MESSAGES: Final = 10
"""Fewer messages give no clock offset: one of them may be an old message sent again."""

OUTLIERS: Final = 2
"""This many of the smallest differences are ignored, because a few messages may carry a wrong time."""


class Latencies:
    """Latencies by feed, since this incarnation of the writer started."""

    def __init__(self) -> None:
        self._to_receive: defaultdict[str, Histogram] = defaultdict(Histogram)
        self._to_durable: defaultdict[str, Histogram] = defaultdict(Histogram)
        self._offsets: defaultdict[str, ClockOffsetWindow] = defaultdict(ClockOffsetWindow)
        self._offsets_ahead: defaultdict[str, ClockOffsetWindow] = defaultdict(ClockOffsetWindow)
        """Offsets from times too far ahead to be plausible: if a feed has no others, this machine's clock is wrong."""
        self._commits = Histogram()

    def note(self, batch: CommitBatch, durable_us: int, commit_secs: float, at_secs: float) -> None:
        """Record the latencies of a batch that is durable now; `at_secs` is monotonic."""
        self._commits.add(round(commit_secs * 1e6))
        # What repair fetched later says nothing about the latency from the exchange.
        received_us: defaultdict[str, list[int]] = defaultdict(list)
        exchange_us: defaultdict[str, list[int | None]] = defaultdict(list)
        for feed, messages in batch.live():
            received_us[feed] += messages.received_us
            exchange_us[feed] += messages.exchange_us
        for feed, times_us in received_us.items():
            self._to_durable[feed].add_all(sorted([durable_us - received for received in times_us]))
            both = zip(times_us, exchange_us[feed], strict=True)
            to_receive = sorted([received - sent for received, sent in both if sent is not None])
            self._note_to_receive(feed, to_receive, max(times_us), at_secs)

    def to_receive(self) -> list[tuple[str, int, int]]:
        """Receive time minus exchange time: rows of feed, bucket and count."""
        return list(_rows(self._to_receive))

    def to_durable(self) -> list[tuple[str, int, int]]:
        """Time of the commit minus receive time: rows of feed, bucket and count."""
        return list(_rows(self._to_durable))

    def commits(self) -> list[tuple[int, int]]:
        """How long commits took: rows of bucket and count."""
        return list(self._commits.rows())

    def clock_offsets_us(self, at_secs: float) -> dict[str, int]:
        """The smallest receive time minus exchange time of the last minutes, by feed; `at_secs` is monotonic.

        The few smallest are ignored, as `OUTLIERS` says.
        """
        feeds = self._offsets.keys() | self._offsets_ahead.keys()
        offsets_us = {feed: self._offset_us(feed, at_secs) for feed in sorted(feeds)}
        return {feed: offset for feed, offset in offsets_us.items() if offset is not None}

    def _note_to_receive(self, feed: str, ascending_us: list[int], received_us: int, at_secs: float) -> None:
        ahead, sound = _split_off_impossible(ascending_us, received_us)
        if ahead:
            self._offsets_ahead[feed].note(at_secs, ahead)
        if sound:
            self._to_receive[feed].add_all(_capped(sound))
            self._offsets[feed].note(at_secs, sound)

    def _offset_us(self, feed: str, at_secs: float) -> int | None:
        sound = self._offsets[feed]
        return (sound if sound.messages(at_secs) else self._offsets_ahead[feed]).smallest_us(at_secs)


def _split_off_impossible(ascending_us: list[int], received_us: int) -> tuple[list[int], list[int]]:
    """The differences of times too far ahead, and those of plausible times, by the rule of `times.is_sound`.

    `received_us` is about when the messages were received.
    """
    first, end = bisect_left(ascending_us, -LONGEST_AHEAD_US), bisect_right(ascending_us, received_us - EARLIEST_US)
    return ascending_us[:first], ascending_us[first:end]


def _capped(ascending_us: list[int]) -> list[int]:
    longer = bisect_right(ascending_us, MAX_LATENCY_US)
    return [*ascending_us[:longer], *[MAX_LATENCY_US] * (len(ascending_us) - longer)]


def _rows(histograms: Mapping[str, Histogram]) -> Iterator[tuple[str, int, int]]:
    for feed, histogram in histograms.items():
        yield from ((feed, *row) for row in histogram.rows())


class ClockOffsetWindow:
    """The smallest receive time minus exchange time of the last one to two windows, without outliers.

    A message is received after it was sent, so the smallest difference is the network latency plus the error of this
    machine's clock. Below zero, the clock is certainly slow; far above zero, it is fast, or the exchange sent every single
    message late. The `OUTLIERS` smallest are ignored, because a few messages may carry a wrong time.
    """

    def __init__(self) -> None:
        self._window_start_secs: float | None = None
        self._current = _Evidence()
        self._previous = _Evidence()

    def note(self, at_secs: float, ascending_us: Sequence[int]) -> None:
        """Add messages with these differences."""
        self._turn(at_secs)
        self._current = self._current.with_more(ascending_us, len(ascending_us))

    def smallest_us(self, at_secs: float) -> int | None:
        """The smallest difference; None if there are fewer than MIN_MESSAGES messages."""
        self._turn(at_secs)
        both = self._current.with_more(self._previous.smallest_us, self._previous.messages)
        return both.smallest_us[-1] if both.messages >= MIN_MESSAGES else None

    def messages(self, at_secs: float) -> int:
        """Number of messages in the window."""
        self._turn(at_secs)
        return self._current.messages + self._previous.messages

    def _turn(self, at_secs: float) -> None:
        if self._window_start_secs is None:
            self._window_start_secs = at_secs
        passed = at_secs - self._window_start_secs
        if passed >= WINDOW_SECS:
            self._previous = self._current if passed < 2 * WINDOW_SECS else _Evidence()
            self._current, self._window_start_secs = _Evidence(), at_secs


class _Evidence(NamedTuple):
    smallest_us: Sequence[int] = ()
    """Ascending: the possible outliers and the next one."""
    messages: int = 0

    def with_more(self, ascending_us: Sequence[int], messages: int) -> "_Evidence":
        smallest_us = sorted([*self.smallest_us, *ascending_us[: OUTLIERS + 1]])[: OUTLIERS + 1]
        return _Evidence(smallest_us, self.messages + messages)
