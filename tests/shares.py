"""In which order several workers run the tests best."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def in_shares(
    tests: Sequence[T], slow_file_of: Callable[[T], str | None], workers: int, longest: frozenset[str]
) -> list[T]:
    """Order tests so that of `workers` equal shares, one after the other, each begins with slow tests and ends with quick ones.

    `slow_file_of` tells the file of a slow test, and None of a quick one. Those of a file stay together, since they may
    share what takes long to set up; the `longest` files come first.
    """
    files, quick = defaultdict[str, list[T]](list), list[T]()
    for test in tests:
        file = slow_file_of(test)
        (quick if file is None else files[file]).append(test)
    fronts = [list[T]() for _ in range(workers)]
    for file in sorted(files, key=lambda file: (file not in longest, -len(files[file]))):
        min(fronts, key=len).extend(files[file])
    left, ordered = iter(quick), list[T]()
    for number, front in enumerate(fronts):
        size = (len(tests) - len(ordered)) // (workers - number)  # as pytest-xdist divides them
        ordered += [*front, *islice(left, max(0, size - len(front)))]
    return [*ordered, *left]
