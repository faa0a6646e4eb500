"""What a host shows of itself to the others: the supervisor's verdict, and how far storage is behind."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from collector import __version__
from collector.config import Config
from collector.reports import HostSummary, PublishReport, RelayReport
from collector.stats_files import read_object

T = TypeVar("T")

MOST_REASONS: Final = 20
MOST_TEXT: Final = 200
"""Reasons, and characters of each, that are told to others: the host itself tells all of them."""

_decode_publish: Final = msgspec.json.Decoder(PublishReport).decode
_decode_relay: Final = msgspec.json.Decoder(RelayReport).decode


class OwnStatus:
    """Reads what the other processes of this host say."""

    def __init__(self, config: Config, run_id: str, stats: Path) -> None:
        """`stats` is the folder of the reports."""
        self._config = config
        self._run_id = run_id
        self._stats = stats

    def summary(self, now_us: int) -> HostSummary:
        """As of now."""
        health = read_object(self._config.data_dir / "run" / "health.json") or {}
        if health.get("run_id") != self._run_id:
            health = {}  # of an earlier run: this one has given no verdict yet
        lags = list(self._lags(now_us))
        return HostSummary(
            host=self._config.host_name,
            role=self._config.role,
            run_id=self._run_id,
            version=__version__,
            healthy=bool(health.get("healthy", False)),
            reasons=[
                (str(reason["code"]), str(reason["text"])[:MOST_TEXT])
                for reason in health.get("reasons", [])[:MOST_REASONS]
            ],
            lag_bytes=sum(lag_bytes for lag_bytes, _ in lags),
            lag_secs=max((secs for _, secs in lags), default=0.0),
        )

    def _lags(self, now_us: int) -> Iterator[tuple[int, float]]:
        """Bytes and seconds by which storage is behind, feed by feed: as an edge sees it, or storage itself."""
        for feed in self._config.feed:
            if self._config.role == "edge":
                published = self._report(f"publish:{feed.name}", _decode_publish)
                if published is not None:
                    yield published.lag_bytes, published.lag_secs
                continue
            relayed = self._report(f"relay:{feed.name}", _decode_relay)
            for source in () if relayed is None else relayed.sources:
                if source.pending or source.has_hole:
                    yield source.pending_bytes, max(0.0, (now_us - (source.received_us or now_us)) / 1e6)

    def _report(self, process: str, decode: Callable[[bytes], T]) -> T | None:
        try:
            return decode((self._stats / f"{process}.json").read_bytes())
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return None  # it does not run yet, or a full disk tore its report
