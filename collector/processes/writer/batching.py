"""When the writer commits and seals, and how much it stores in one transaction."""

from typing import Final

MIN_BATCH_SIZE: Final = 500
MAX_BATCH_BYTES: Final = 16 << 20
"""A batch this large is committed whatever its number of messages, to bound the writer's memory."""

SLOW_COMMIT_SECS: Final = 0.5
FAST_COMMIT_SECS: Final = 0.2

SLOW_ROW_SECS: Final = 250e-6
"""Upper limit of the time per row of a commit, on a slow machine and a slow disk. Time beyond that is a wait for the disk,
which fewer rows would not shorten."""


def next_batch_limit(limit: int, commit_secs: float, batch_size: int, max_batch_size: int) -> int:
    """The maximum number of messages of the next commit, given how long the last one took.

    A commit that was slow for its number of rows halves the limit. A full one that was fast, or slow because it waited
    for the disk, doubles it. The limit stays between `MIN_BATCH_SIZE` and `max_batch_size`.
    """
    is_wait = commit_secs > batch_size * SLOW_ROW_SECS
    if commit_secs > SLOW_COMMIT_SECS and not is_wait:
        limit //= 2
    elif (commit_secs < FAST_COMMIT_SECS or commit_secs > SLOW_COMMIT_SECS) and batch_size >= limit:
        limit *= 2
    return max(min(MIN_BATCH_SIZE, max_batch_size), min(limit, max_batch_size))


def passed_boundary(opened_us: int, now_us: int, interval_secs: float) -> bool:
    """Whether the wall clock has passed a multiple of the interval since `opened_us`. A clock set back passes none."""
    interval_us = round(interval_secs * 1_000_000)
    return now_us // interval_us > opened_us // interval_us
