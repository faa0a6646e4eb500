"""What sharing symbols out costs: an edge's choice, the look at what is covered, and the bytes that hosts tell each other.

.venv/bin/python -m tests.bench.bench_sharing [--symbols 5000] [--times 20]
"""

import argparse
import statistics
import time
from collections.abc import Callable

from collector.domain.sharing import Share, View
from collector.processes.cluster.coverage import coverage
from collector.processes.cluster.told_symbols import packed
from collector.processes.cluster.values import FeedState, Member, encode


def cpu_ms(work: Callable[[], object], times: int) -> float:
    """Median processor time of one call."""
    taken = []
    for _ in range(times):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return statistics.median(taken) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--symbols", type=int, default=5_000)
    parser.add_argument("--times", type=int, default=20)
    args = parser.parse_args()
    symbols = tuple(f"S{number}USDT" for number in range(args.symbols))
    print("| edges | choosing its share, ms | what is covered, ms | a sign of life, bytes | all symbols, bytes |")
    print("|---:|---:|---:|---:|---:|")
    for count in (2, 3, 8):
        view = View(tuple(f"edge-{number}" for number in range(count)), 1)
        members = {
            name: Member("0" * 32, 1, is_edge=True, copies=1, share=Share(name, view), before=view,
                         feeds={"binance": FeedState("0" * 16, is_complete=True)})
            for name in view.members
        }  # fmt: skip
        own = Share("edge-0", view)
        figures = (
            f"{cpu_ms(lambda own=own: own.of('binance', symbols), args.times):.1f}",  # type: ignore[misc]
            f"{cpu_ms(lambda members=members: coverage({'binance': symbols}, members, 1), args.times):.1f}",  # type: ignore[misc]
            f"{len(encode(members['edge-0']))}",
            f"{len(packed(symbols)):,}",
        )
        print(f"| {count} | {' | '.join(figures)} |")


if __name__ == "__main__":
    main()
