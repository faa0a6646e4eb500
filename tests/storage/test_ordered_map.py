import threading

import pytest

from collector.storage.ordered_map import in_order


def test_results_come_in_the_order_of_the_items() -> None:
    assert list(in_order(lambda item: item * 2, range(100), 4)) == list(range(0, 200, 2))


def test_several_items_are_worked_on_at_once() -> None:
    together = threading.Barrier(3, timeout=60)
    assert list(in_order(lambda _item: together.wait() >= 0, range(6), 3)) == [True] * 6


def test_only_a_few_items_are_worked_on_ahead() -> None:
    begun: list[int] = []
    results = in_order(begun.append, range(1000), 2)
    next(results)
    assert len(begun) <= 6
    results.close()  # type: ignore[attr-defined]
    assert len(begun) <= 6


def test_an_error_of_one_item_ends_all() -> None:
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        return 1 // item

    results = in_order(work, [3, 2, 1, 0, *range(1, 100)], 1)
    assert [next(results) for _ in range(3)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert len(begun) < 10
