"""Which streams are silent: without a durable row for longer than their learned limit. No I/O, no clock."""

from collections.abc import Callable, Container, Iterable, Mapping
from functools import partial
from typing import Final, NamedTuple

from collector.config import Config
from collector.domain.records import StreamKey
from collector.domain.silence import Bounds, LearnedIntervals, SilenceLimit
from collector.reports import StreamNumbers

REPORTING_SECS: Final = 5.0
"""A process reports about once a second; one that has not for this long stands still."""

_MIN_LIMIT_SECS: Final = 15.0
"""Smallest limit a stream can learn, without the time a row takes to become durable."""


class Silence(NamedTuple):
    """A stream that is silent: for how long, what its limit is, and whether it ever had a durable row."""

    key: StreamKey
    secs: float
    limit_secs: float
    ever_spoke: bool = True
    feed: str = ""


def split_unstored(silences: Iterable[Silence], lags_secs: Mapping[str, float]) -> tuple[list[Silence], list[Silence]]:
    """The streams that are silent, and those whose rows may wait in the journal of their feed.

    `lags_secs`: for each feed how long its first unread record has waited. What the stream sent since then is not
    stored yet, so it is judged as of then.
    """
    silent: list[Silence] = []
    unstored: list[Silence] = []
    for silence in silences:
        secs_as_read = silence.secs - lags_secs.get(silence.feed, 0.0)
        (silent if secs_as_read > silence.limit_secs else unstored).append(silence)
    return silent, unstored


class _Stream:
    __slots__ = (
        "durable_us",
        "feed",
        "interrupted",
        "is_cut",
        "key",
        "learned",
        "quiet_secs",
        "seen_secs",
        "since_secs",
    )

    def __init__(
        self,
        key: StreamKey,
        feed: str,
        since_secs: float,
        *,
        new_learned: Callable[[], SilenceLimit],
        quiet_secs: float,
    ) -> None:
        self.key = key
        self.feed = feed
        self.since_secs = since_secs
        """Uptime since which it is followed."""
        self.interrupted = False
        """Whether its feed was interrupted at any time since its newest row."""
        self.is_cut = True
        """Whether its feed is interrupted now."""
        self.quiet_secs = quiet_secs
        """The limit while none is learned here: the one stored with the stream, or the configured one."""
        self.learned = new_learned()
        self.durable_us = 0
        self.seen_secs = 0.0
        """Uptime at which the newest row was first seen; steps of the clock do not affect it."""

    @property
    def limit_secs(self) -> float:
        """While nothing is learned here, short if the feed is interrupted, else as long as a quiet stream may be silent."""
        secs = self.learned.limit_secs
        return secs if self.learned.is_learned or self.is_cut else max(secs, self.quiet_secs)


class Silences:
    """Follows the streams that are to be recorded, `keys`; other streams are never silent."""

    def __init__(self, config: Config) -> None:
        self._delay_secs = 0.0
        self._bounds: Bounds | None = None
        self._symbols: dict[str, tuple[str, ...]] = {}
        self.keys: list[StreamKey] = []
        self._streams: dict[tuple[str, ...], _Stream] = {}
        self.reconfigure(config)

    def reconfigure(self, config: Config, uptime_secs: float = 0.0) -> None:
        """Follow the streams of these feeds from now on. Limits are learned anew where rows become durable otherwise."""
        # A row becomes durable within one batch interval and is reported a moment later.
        delay_before_secs, self._delay_secs = self._delay_secs, config.writer.batch_interval_secs + REPORTING_SECS
        unlearned_secs = config.ingest.stale_timeout_secs + self._delay_secs
        bounds = Bounds(unlearned_secs, min(_MIN_LIMIT_SECS + self._delay_secs, unlearned_secs))
        quiet_secs = config.silence.bounds.unlearned_secs + self._delay_secs
        self._new = partial(
            _Stream, new_learned=lambda: SilenceLimit(bounds, LearnedIntervals()), quiet_secs=quiet_secs
        )
        if bounds != self._bounds:
            self._bounds = bounds
            for stream in self._streams.values():
                stream.learned = SilenceLimit(bounds, LearnedIntervals())
                stream.quiet_secs += self._delay_secs - delay_before_secs
        # On a host that stores no rows no stream has durable ones.
        self._feeds = config.feed if config.stores else ()
        chosen = {feed.name: self._symbols.get(feed.name, ()) for feed in config.feed if feed.wanted.needs_list}
        self._symbols = {feed.name: chosen.get(feed.name) or feed.wanted.exact for feed in config.feed}
        self._follow(uptime_secs)

    def follow(self, symbols: Mapping[str, tuple[str, ...]], uptime_secs: float) -> None:
        """Follow these symbols of each feed named; a stream that joins is silent only if it stays so from now on."""
        if any(self._symbols[feed] is not now for feed, now in symbols.items()):
            self._symbols.update(symbols)
            self._follow(uptime_secs)

    def _follow(self, uptime_secs: float = 0.0) -> None:
        feeds = {key: feed.name for feed in self._feeds for key in feed.streams(self._symbols[feed.name])}
        known = self._streams
        self._streams = {key: known.get(key) or self._new(key, feed, uptime_secs) for key, feed in feeds.items()}
        for key, feed in feeds.items():
            self._streams[key].feed = feed
        self.keys = list(feeds)

    @property
    def ready(self) -> bool:
        """Whether any configured stream has a durable row."""
        return any(stream.durable_us for stream in self._streams.values())

    def limit_secs(self, key: StreamKey) -> float | None:
        """How long the stream may be silent; None for one that is not configured."""
        stream = self._streams.get(key)
        return stream.limit_secs if stream else None

    def note(
        self, numbers: Iterable[StreamNumbers], now_us: int, uptime_secs: float, interrupted: Container[str] = ()
    ) -> None:
        """Take in when each stream last had a durable row, and which feeds are `interrupted`.

        An interval between two rows is the shorter of what the clock and the uptime say, so that a step of the clock
        teaches nothing. One during which the feed was interrupted by trouble of the recorder's own is not learned. Until
        a limit is learned here, the one stored with the stream counts.
        """
        for stream in self._streams.values():
            stream.is_cut = stream.feed in interrupted
            stream.interrupted = stream.interrupted or stream.is_cut
        for each in numbers:
            followed = self._streams.get(each[:3])
            if followed is not None:
                self._note_stream(followed, each, now_us, uptime_secs)

    def _note_stream(self, stream: _Stream, numbers: StreamNumbers, now_us: int, uptime_secs: float) -> None:
        if numbers.silence_limit_secs is not None:
            stream.quiet_secs = numbers.silence_limit_secs + self._delay_secs
        durable_us = numbers.last_durable_us
        if durable_us is None or durable_us == stream.durable_us:
            return
        if 0 < stream.durable_us < durable_us and not stream.interrupted:
            interval_secs = (durable_us - stream.durable_us) / 1e6
            stream.learned.note(min(interval_secs, uptime_secs - stream.seen_secs))
        # The first row seen may be from long before the recorder's start, which only the clock can tell.
        age_secs = 0.0 if stream.durable_us else max(0.0, (now_us - durable_us) / 1e6)
        stream.durable_us, stream.seen_secs = durable_us, uptime_secs - age_secs
        stream.interrupted = stream.is_cut

    def overdue(self, now_us: int, uptime_secs: float) -> list[Silence]:
        """The streams without a durable row for longer than their limit.

        For a stream that never had one the time since the recorder's start counts, and for one that joined later no time
        before that. The longer of what the clock and the
        uptime say counts: a clock that was set back does not make a row younger, and the uptime does not include the time
        that the machine slept.
        """
        found = []
        for stream in self._streams.values():
            secs = followed_secs = uptime_secs - stream.since_secs
            if stream.durable_us:
                secs = max((now_us - stream.durable_us) / 1e6, uptime_secs - stream.seen_secs)
            if stream.since_secs:
                secs = min(secs, followed_secs)
            if secs > stream.limit_secs:
                found.append(Silence(stream.key, secs, stream.limit_secs, stream.durable_us > 0, stream.feed))
        return found
