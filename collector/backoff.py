"""Seconds to wait before each next try. Random numbers are handed in, so that a test reads the delays and never sleeps."""

from collections.abc import Callable, Iterator


def delays(base_secs: float, cap_secs: float, random: Callable[[], float]) -> Iterator[float]:
    """Seconds to wait before each next try, without end: exponential with full jitter.

    The n-th is spread evenly over 0 to min(cap, base * 2**n), so that many clients of one failed server do not come
    back together. `random` gives numbers in [0, 1). Begin a new iterator once the thing tried has truly worked.
    Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ ("Full Jitter").
    """
    # Only now: backoff brings asyncio, and a process in which nothing fails needs neither.
    import backoff  # noqa: PLC0415

    ceilings = backoff.expo(factor=base_secs, max_value=cap_secs)
    next(ceilings)  # the generator's first value is None
    yield from (random() * ceiling for ceiling in ceilings)
