"""Runs a function over many items in a few threads, and yields the results in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(work: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[Result]:
    """The result of `work` for each item, in order; at most 2 x `threads` items are worked on ahead.

    Raises what `work` raises. Items not begun by then, or when the caller stops iterating, are never begun. On Ctrl-C
    the threads are not waited for.
    """
    pool = ThreadPoolExecutor(threads)
    ahead: deque[Future[Result]] = deque()
    waits = True
    try:
        for item in items:
            ahead.append(pool.submit(work, item))
            if len(ahead) > 2 * threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    except KeyboardInterrupt:
        waits = False
        raise
    finally:
        pool.shutdown(wait=waits, cancel_futures=True)
