"""How far back a connection may still deliver messages that another one has brought.

If only the recent ids can show a copy, they must reach as far back as one connection lags behind another. While two
connections deliver a stream (several sources, redundant lines, a renewal, a second try) that is `overlap_us`: from when a connection
opens, or delivers its first message, until that long after the last change from one to the other. Otherwise it is
`SUCCESSOR_LAG_SECS`: the next connection may be that far behind its predecessor.
"""

from typing import Final

from collector.domain.sequence.stream_progress import StreamProgress

SUCCESSOR_LAG_SECS: Final = 10.0
"""How far behind its predecessor's newest message a connection may begin."""


def overlaps(progress: StreamProgress, overlap_us: int, now_us: int) -> bool:
    """Whether two connections may deliver the stream."""
    # Restored messages may be older than `joined_us`: when connections joined at that time is unknown.
    return progress.is_shared or now_us - progress.joined_us <= overlap_us


def lag_us(progress: StreamProgress, overlap_us: int, now_us: int) -> int:
    """How far back a message may be that a connection still delivers."""
    return overlap_us if overlaps(progress, overlap_us, now_us) else round(SUCCESSOR_LAG_SECS * 1e6)


def is_outlived(progress: StreamProgress, overlap_us: int, now_us: int) -> bool:
    """Whether no connection can still be in the series before this one."""
    return now_us - progress.restarted_us > lag_us(progress, overlap_us, now_us)
