"""What books cost in hftbacktest; run in an environment of its own.

    python hftbacktest_top.py ROIVector|HashMap LEVELS EVERY_US FILE.npz...

Prints an object: CPU seconds of the `top` levels at each moment, and of the best prices alone (`follow`), from the files on. What
is compiled is compiled before.
"""

import json
import sys
import time
from typing import Any

import numpy as np
from hftbacktest import BacktestAsset, HashMapMarketDepthBacktest, ROIVectorMarketDepthBacktest
from numba import njit

_TICK = 0.01
_LOWEST, _HIGHEST = 40_000.0, 80_000.0
"""Around all prices near the middle of the recording: ROIVector keeps no others."""
_NO_TICK = 1 << 40


@njit
def top_of_vector(test: Any, every_ns: int, prices: Any, sizes: Any) -> int:
    """Fill in the best levels each so often; how many moments there were."""
    count = 0
    while count < prices.shape[0] and test.elapse(every_ns) == 0:
        depth = test.depth(0)
        lowest = depth.roi_lb_tick
        for side in range(2):
            held = depth.bid_depth if side == 0 else depth.ask_depth
            tick, step = (depth.best_bid_tick - lowest, -1) if side == 0 else (depth.best_ask_tick - lowest, 1)
            place = 0
            while place < prices.shape[2] and 0 <= tick < len(held):
                if held[tick] > 0:
                    prices[count, side, place], sizes[count, side, place] = (
                        (tick + lowest) * depth.tick_size,
                        held[tick],
                    )
                    place += 1
                tick += step
        count += 1
    return count


@njit
def top_of_map(test: Any, every_ns: int, prices: Any, sizes: Any) -> int:
    """The same, of a book that has no vector; no farther than a tenth from the middle."""
    count = 0
    while count < prices.shape[0] and test.elapse(every_ns) == 0:
        depth = test.depth(0)
        for side in range(2):
            tick, step = (depth.best_bid_tick, -1) if side == 0 else (depth.best_ask_tick, 1)
            place, last = 0, tick + step * (tick // 10)
            # Before its first level a side's best tick is an end of the range of integers.
            while place < prices.shape[2] and 0 < tick < _NO_TICK and tick != last:
                size = depth.bid_qty_at_tick(tick) if side == 0 else depth.ask_qty_at_tick(tick)
                if size > 0:
                    prices[count, side, place], sizes[count, side, place] = tick * depth.tick_size, size
                    place += 1
                tick += step
        count += 1
    return count


@njit
def best(test: Any, every_ns: int, most: int) -> float:
    """The best prices each so often."""
    found, count = 0.0, 0
    while count < most and test.elapse(every_ns) == 0:
        depth = test.depth(0)
        found += depth.best_bid + depth.best_ask
        count += 1
    return found


def main(kind: str, levels: int, every_us: int, files: list[str]) -> None:
    """Compile, measure."""
    test_of, top = {
        "ROIVector": (ROIVectorMarketDepthBacktest, top_of_vector),
        "HashMap": (HashMapMarketDepthBacktest, top_of_map),
    }[kind]

    def opened() -> Any:
        asset: Any = (
            BacktestAsset()
            .data(files)
            .linear_asset(1.0)
            .constant_order_latency(1, 1)
            .risk_adverse_queue_model()
            .no_partial_fill_exchange()
            .trading_value_fee_model(0.0, 0.0)
            .tick_size(_TICK)
            .lot_size(0.00001)
        )
        return test_of([asset.roi_lb(_LOWEST).roi_ub(_HIGHEST) if kind == "ROIVector" else asset])

    def spent(most: int) -> tuple[float, float, int]:
        prices, sizes = np.zeros((most, 2, levels)), np.zeros((most, 2, levels))
        begin = time.process_time()
        test = opened()
        count = top(test, every_us * 1_000, prices, sizes)
        test.close()
        middle = time.process_time()
        test = opened()
        best(test, every_us * 1_000, most)
        test.close()
        return middle - begin, time.process_time() - middle, count

    spent(1)
    top_secs, follow_secs, count = spent(100_000)
    print(json.dumps({"top": top_secs, "follow": follow_secs, "samples": count}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
