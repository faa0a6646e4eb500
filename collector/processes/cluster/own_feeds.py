"""What the feeds of this edge have chosen, and whether their connections bring what they are to."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Final

import msgspec

from collector.config import Config, FeedConfig
from collector.processes.cluster.values import FeedState
from collector.processes.feed_symbols import FeedSymbols
from collector.reports import IngestReport

STALE_US: Final = 10_000_000
"""A report that is older says nothing of now; ingest reports every second."""

_decode: Final = msgspec.json.Decoder(IngestReport).decode


class OwnFeeds:
    """Reads what the ingests of this host report, and which symbols they chose."""

    def __init__(self, config: Config, stats: Path) -> None:
        """`stats` is the folder of the reports."""
        self._stats = stats
        self._feeds = [(feed, FeedSymbols(config.data_dir, feed)) for feed in config.feed]
        self._chosen: dict[str, tuple[Sequence[str], str]] = {}

    def symbols(self) -> Mapping[str, Sequence[str]]:
        """By feed all its symbols, whoever records them; the same objects until they change."""
        return {feed.name: symbols.now() for feed, symbols in self._feeds}

    def states(self, share_number: int, now_us: int) -> dict[str, FeedState]:
        """By feed; complete are those whose ingest has followed that share, or a later one."""
        return {
            feed.name: FeedState(self._name_of(feed, symbols.now()), self._followed(feed.name, now_us) >= share_number)
            for feed, symbols in self._feeds
        }

    def _name_of(self, feed: FeedConfig, symbols: Sequence[str]) -> str:
        """A name of the streams that were chosen."""
        known = self._chosen.get(feed.name)
        if known is None or known[0] is not symbols:
            text = "\0".join((*sorted(feed.data_types), "", *sorted(symbols)))
            name = blake2b(text.encode(), digest_size=8).hexdigest() if symbols else ""
            known = self._chosen[feed.name] = symbols, name
        return known[1]

    def _followed(self, feed: str, now_us: int) -> int:
        try:
            report = _decode((self._stats / f"ingest:{feed}.json").read_bytes())
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return 0  # it does not run yet, or a full disk tore its report
        return report.share_number if abs(now_us - report.updated_us) < STALE_US else 0
