"""Which feeds bring nothing, on a host that stores no rows: no connection has data for longer than usual. No clock."""

from collections.abc import Mapping
from typing import Final

from collector.config import Config
from collector.domain.silence import Bounds, LearnedIntervals, SilenceLimit
from collector.monitoring.silences import REPORTING_SECS
from collector.reports import IngestReport

_LOWEST_SECS: Final = 15.0
"""Smallest limit a feed can learn."""


class _Feed:
    __slots__ = ("data_us", "learned", "seen_secs")

    def __init__(self, bounds: Bounds, seen_secs: float) -> None:
        self.learned = SilenceLimit(bounds, LearnedIntervals())
        self.data_us = 0
        self.seen_secs = seen_secs
        """Uptime at which new data was last seen."""


class FeedSilences:
    """Follows the feeds that have connections. One without any, as where other edges have all its symbols, is not silent."""

    def __init__(self, config: Config) -> None:
        self._feeds: dict[str, _Feed] = {}
        self.reconfigure(config)

    def reconfigure(self, config: Config) -> None:
        """Judge by these settings from now on; what was learned is learned anew."""
        unlearned_secs = config.ingest.stale_timeout_secs + REPORTING_SECS
        self._quiet_secs = config.silence.bounds.unlearned_secs + REPORTING_SECS
        self._bounds = Bounds(unlearned_secs, min(_LOWEST_SECS + REPORTING_SECS, unlearned_secs))
        self._feeds = {name: _Feed(self._bounds, feed.seen_secs) for name, feed in self._feeds.items()}

    def update(self, ingests: Mapping[str, IngestReport], uptime_secs: float) -> dict[str, float]:
        """Take in the newest reports of the ingests that live; returns the silent feeds, each with its seconds."""
        heard = {feed: report for feed, report in ingests.items() if report.lines}
        self._feeds = {feed: self._feeds.get(feed) or _Feed(self._bounds, uptime_secs) for feed in heard}
        silent = {}
        for name, report in heard.items():
            secs, limit_secs = self._silence(self._feeds[name], report, uptime_secs)
            if secs > limit_secs:
                silent[name] = secs
        return silent

    def _silence(self, feed: _Feed, report: IngestReport, uptime_secs: float) -> tuple[float, float]:
        """For how long the feed has brought nothing, and how long it may."""
        is_open = any(line.state == "open" for line in report.lines)
        data_us = max(line.last_data_us or 0 for line in report.lines)
        secs = uptime_secs - feed.seen_secs
        if data_us > feed.data_us:
            if feed.data_us and is_open:
                feed.learned.note(secs)
            feed.data_us, feed.seen_secs = data_us, uptime_secs
            return 0.0, feed.learned.limit_secs
        limit_secs = feed.learned.limit_secs
        return secs, limit_secs if feed.learned.is_learned or not is_open else max(limit_secs, self._quiet_secs)
