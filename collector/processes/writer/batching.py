"""When the writer commits and seals, and how much it takes in one transaction."""

from typing import Final

MIN_BATCH_SIZE: Final = 500
MAX_BATCH_BYTES: Final = 16 << 20
"""A batch this large is committed whatever its count: it bounds the writer's memory."""

SLOW_COMMIT_SECS: Final = 0.5
FAST_COMMIT_SECS: Final = 0.2

SLOW_ROW_SECS: Final = 250e-6
"""What a row of a commit takes at most, on a slow machine and a slow disk: what a commit takes beyond that is a wait for
the disk, which fewer rows make no shorter."""


def next_batch_limit(limit: int, commit_secs: float, batch_size: int, max_batch_size: int) -> int:
    """Adapt how many messages one commit takes to how long the last one took.

    A commit that is slow for its rows halves the limit; one that was full and is fast, or slow whatever its rows, doubles
    it; between `MIN_BATCH_SIZE` and `max_batch_size`.
    """
    is_wait = commit_secs > batch_size * SLOW_ROW_SECS
    if commit_secs > SLOW_COMMIT_SECS and not is_wait:
        limit //= 2
    elif (commit_secs < FAST_COMMIT_SECS or commit_secs > SLOW_COMMIT_SECS) and batch_size >= limit:
        limit *= 2
    return max(min(MIN_BATCH_SIZE, max_batch_size), min(limit, max_batch_size))


def passed_boundary(opened_us: int, now_us: int, interval_secs: float) -> bool:
    """Whether the wall clock passed a multiple of the interval since `opened_us`. A clock set back passes none."""
    interval_us = round(interval_secs * 1_000_000)
    return now_us // interval_us > opened_us // interval_us
