"""How far apart the lines of one stream may be, and still be known to bring the same messages."""

from typing import Final

from collector.config import Config

LATE_LINE_SECS: Final = 10.0
"""Recent ids are kept for this much longer than a silent connection may stay open."""


def overlap_secs(config: Config) -> float:
    """By how much a line may be later than another one."""
    # A silent connection is closed after stale_timeout_secs; until then it may still deliver what it has buffered.
    return config.ingest.stale_timeout_secs + LATE_LINE_SECS
