"""What the writer keeps of many streams that lose their connections again and again.

    .venv/bin/python -m tests.bench.bench_state [--streams 3000] [--outages 1000] [--unanswered]

Each outage lasts a second and costs every stream three messages; the next one comes a minute later. With `--unanswered`
repair never hears from the exchange, so what it asks for stays asked for.
"""

import argparse
import resource
import time

from tests.processes.writer.outage_world import Outages


def main() -> None:
    """One line for every outage whose number is a power of ten, and the last."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=3_000)
    parser.add_argument("--outages", type=int, default=1_000)
    parser.add_argument("--unanswered", action="store_true")
    options = parser.parse_args()
    outages = Outages(options.streams, answered=not options.unanswered)
    began = time.process_time()
    for number in range(1, options.outages + 1):
        size_bytes = outages.outage(pause_secs=60)
        outages.world.forget_what_was_stored()
        if number in {1, 10, 100, 1_000, options.outages}:
            rows, recents = outages.world.streams.state(lambda: None)
            baseline_bytes = sum(len(row.state) for row in rows) + sum(map(len, recents.values()))
            rss_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1_024
            print(
                f"outage {number}: {size_bytes:,} bytes a commit, {baseline_bytes:,} at a seal, {rss_mb} MiB,"
                f" {time.process_time() - began:.0f} s CPU"
            )


if __name__ == "__main__":
    main()
