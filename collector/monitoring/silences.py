"""Which streams are silent: without a durable row for longer than their own rhythm allows."""

from collections.abc import Container, Iterable
from typing import Final, NamedTuple

from collector.config import Config
from collector.domain.records import StreamKey
from collector.domain.silence import Bounds, LearnedIntervals, SilenceLimit
from collector.stats_files import StreamNumbers

REPORTING_SECS: Final = 5.0
"""A process reports about once a second; one that has not for this long stands still."""

_LOWEST_SECS: Final = 15.0


class Silence(NamedTuple):
    """A stream, how long it has had no durable row, how long it may, and whether it ever had one."""

    key: StreamKey
    secs: float
    limit_secs: float
    ever_spoke: bool = True


class _Known:
    __slots__ = ("durable_us", "feed", "interrupted", "is_cut", "key", "quiet_secs", "rhythm", "seen_secs")

    def __init__(self, key: StreamKey, feed: str, rhythm: SilenceLimit, quiet_secs: float) -> None:
        self.key = key
        self.feed = feed
        self.interrupted = False
        """Whether its feed was, since its newest row."""
        self.is_cut = True
        """Whether its feed is now."""
        self.quiet_secs = quiet_secs
        self.rhythm = rhythm
        self.durable_us = 0
        self.seen_secs = 0.0
        """When the newest row was first seen, on the scale of the recorder's uptime: no step of the clock moves it."""

    @property
    def limit_secs(self) -> float:
        """Before its rhythm is known here: short where nobody listens, else as long as a quiet stream may be silent."""
        secs = self.rhythm.limit_secs
        return secs if self.rhythm.is_learned or self.is_cut else max(secs, self.quiet_secs)


class Silences:
    """Follows the configured streams, `keys`; nobody waits for any other."""

    def __init__(self, config: Config) -> None:
        # A row becomes durable one batch after it came, and is reported a moment later.
        on_the_way_secs = config.writer.batch_interval_secs + REPORTING_SECS
        unlearned_secs = config.ingest.stale_timeout_secs + on_the_way_secs
        bounds = Bounds(unlearned_secs, min(_LOWEST_SECS + on_the_way_secs, unlearned_secs))
        feeds = {key: feed.name for feed in config.feed for key in feed.streams}
        self.keys = list(feeds)
        self._known: dict[tuple[str, ...], _Known] = {
            key: _Known(
                key,
                feed,
                SilenceLimit(bounds, LearnedIntervals()),
                config.silence.bounds.unlearned_secs + on_the_way_secs,
            )
            for key, feed in feeds.items()
        }
        self._on_the_way_secs = on_the_way_secs

    @property
    def ready(self) -> bool:
        """Whether anything was stored yet, of a configured stream."""
        return any(known.durable_us for known in self._known.values())

    def limit_secs(self, key: StreamKey) -> float | None:
        """How long the stream may be silent; None for one that nobody configured."""
        known = self._known.get(key)
        return known.limit_secs if known else None

    def note(
        self, streams: Iterable[StreamNumbers], now_us: int, uptime_secs: float, interrupted: Container[str] = ()
    ) -> None:
        """Take in when each stream last had a durable row.

        An interval is the shorter of what the clock and the uptime say: a step of the clock teaches no rhythm. A time
        in which its feed is `interrupted`, by a trouble of the recorder's own, says nothing of its rhythm. Of a stream
        whose rhythm is stored with it that is taken until it is learned here.
        """
        for each in self._known.values():
            each.is_cut = each.feed in interrupted
            each.interrupted = each.interrupted or each.is_cut
        for stream in streams:
            durable_us = stream.last_durable_us
            known = self._known.get(stream[:3])
            if known is not None and stream.silence_limit_secs is not None:
                known.quiet_secs = stream.silence_limit_secs + self._on_the_way_secs
            if durable_us is None or known is None or durable_us == known.durable_us:
                continue
            if 0 < known.durable_us < durable_us and not known.interrupted:
                interval_secs = (durable_us - known.durable_us) / 1e6
                known.rhythm.note(min(interval_secs, uptime_secs - known.seen_secs))
            # The first may be of long before the recorder's start, which only the clock can tell.
            age_secs = 0.0 if known.durable_us else max(0.0, (now_us - durable_us) / 1e6)
            known.durable_us, known.seen_secs = durable_us, uptime_secs - age_secs
            known.interrupted = known.feed in interrupted

    def silent(self, now_us: int, uptime_secs: float) -> list[Silence]:
        """Who is silent; before its first row a stream has as long as the recorder is up.

        The longer of what the clock and the uptime say counts: one that was set back makes no row young again, and the
        uptime of a machine that slept does not say for how long.
        """
        found = []
        for known in self._known.values():
            secs = uptime_secs
            if known.durable_us:
                secs = max((now_us - known.durable_us) / 1e6, uptime_secs - known.seen_secs)
            if secs > known.limit_secs:
                found.append(Silence(known.key, secs, known.limit_secs, known.durable_us > 0))
        return found
