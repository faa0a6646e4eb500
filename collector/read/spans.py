"""Stretches of time as pairs of microseconds, from the first up to, but excluding, the second. Rules without I/O."""

from collections.abc import Iterable

Span = tuple[int, int]


def union(spans: Iterable[Span]) -> list[Span]:
    """The same time in stretches that neither overlap nor adjoin, by start; those without length are left out."""
    found: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found


def clipped(spans: Iterable[Span], start: int, end: int) -> list[Span]:
    """The parts of the stretches that lie between `start` and `end`, as `union` returns them."""
    return union((max(first, start), min(last, end)) for first, last in spans)


def without(spans: Iterable[Span], others: Iterable[Span]) -> list[Span]:
    """The time of `spans` that is in none of `others`."""
    found = []
    taken = union(others)
    for start, end in union(spans):
        for first, last in clipped(taken, start, end):
            found.append((start, first))
            start = last  # noqa: PLW2901 -- what is left of it
        found.append((start, end))
    return union(found)


def secs(spans: Iterable[Span]) -> float:
    """How long they are together, in seconds."""
    return sum(end - start for start, end in union(spans)) / 1e6
