"""CPU of recording every exchange that has a recording at once, by process.

    .venv/bin/python -m tests.bench.bench_markets [--speed 10] [--secs 60] [--frames 20000]

One recorder with a feed for each exchange; each recording is played at `--speed` times its pace by a simulator of its own, as
the adapter's subscription would bring it, and cut after `--secs` of playing or `--frames`. Playing begins
when every connection is there: what starting costs is left out. CPU is counted until the last message is stored.
"""

import argparse
import contextlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa
import websocket

from collector.exchanges.adapter import ConnectionPlan
from tests.bench.figures import since
from tests.bench.recorded import FRAMES
from tests.bench.usage import Watch
from tests.exchanges.recorded_markets import MARKETS, RecordedMarket, recording
from tests.whole.running import PATIENT, Exchange, Recorder, wait_for

TYPES: Final = ("book_delta", "book_snapshot", "trade", "book_ticker")
EVERY: Final = {market.exchange: market for market in reversed(MARKETS)}
"""The first recording of each exchange."""
DEADLINE_SECS: Final = 600.0


class Played(NamedTuple):
    """One exchange that plays, and the feed that records it."""

    simulator: Exchange
    feed: dict[str, Any]
    plans: list[ConnectionPlan]
    """Its connections."""

    def begin(self) -> None:
        """Subscribe as one client more, which is what the simulator waits for, and leave."""
        client = websocket.create_connection(self.plans[0].url)
        for request in self.plans[0].requests:
            client.send(request.text)
        wait_for(lambda: self.simulator.stats()["replay"]["position"])
        client.shutdown()  # type: ignore[no-untyped-call]  # the library leaves this one method bare

    @property
    def is_finished(self) -> bool:
        """Whether all was sent."""
        return bool(self.simulator.stats()["replay"]["finished"])


def read_lines(name: str) -> list[dict[str, Any]]:
    """A recording's lines."""
    with pa.input_stream(str(FRAMES.parent / f"{name}.jsonl.zst"), compression="zstd") as stream:
        return [json.loads(line) for line in stream.read().splitlines()]


def play(market: RecordedMarket, folder: Path, speed: float, secs: float, frames: int) -> Played:
    """Write the recording as the adapter's subscription would bring it, and begin to play it once that is there."""
    whole = recording(market._replace(most=frames), read_lines)
    types = [one for one in whole.subscription.data_types if one in TYPES]
    subscription = whole.subscription._replace(data_types=tuple(types))
    plans = market.adapter.plan(subscription, "")
    path = folder / f"{market.exchange}.jsonl"
    last_us = whole.frames[0].at_us + secs * speed * 1e6
    with path.open("w", encoding="utf-8") as file:
        for at_us, frame in whole.frames:
            if at_us <= last_us:
                line = {"recv_ts_us": at_us, "conn": "c", "url": plans[0].url, "dir": "in", "raw": frame.decode()}
                file.write(json.dumps(line) + "\n")
    options = ["--replay", str(path), "--speed", str(speed), "--clients", str(len(plans) + 1)]
    simulator = Exchange(folder, *options, log=False)
    feed = {"exchange": market.exchange, "ws_url": simulator.ws_url, "symbols": list(whole.subscription.symbols)}
    plans = market.adapter.plan(subscription, simulator.ws_url)
    return Played(simulator, {**feed, "data_types": types}, plans)


@contextlib.contextmanager
def playing(folder: Path, speed: float, secs: float, frames: int) -> Iterator[list[Played]]:
    """Every exchange."""
    with contextlib.ExitStack() as stack:
        found = []
        for market in EVERY.values():
            found.append(play(market, folder, speed, secs, frames))
            stack.callback(found[-1].simulator.stop)
        yield found


def by_exchange(recorder: Recorder) -> dict[str, int]:
    """Messages stored and copies merged of each exchange."""
    counts: dict[str, int] = {}
    for one in (recorder.status() or {"streams": []})["streams"]:
        counts[one["exchange"]] = counts.get(one["exchange"], 0) + one["stored"] + one["duplicates"]
    return counts


def record(recorder: Recorder, played: list[Played]) -> tuple[dict[str, int], dict[str, float]]:
    """Messages of each exchange and CPU seconds of each process, from the first message to the last."""
    recorder.start()
    subscribed = [len(one.plans) for one in played]
    wait_for(lambda: [subscribers(one) for one in played] == subscribed, DEADLINE_SECS)
    processes = recorder.status()["processes"]
    watch = Watch({one["name"]: one["pid"] for one in processes})
    before = dict(watch.seen)
    for one in played:
        one.begin()
    wait_for(lambda: recorder.alive() and all(one.is_finished for one in played), DEADLINE_SECS)
    counts: list[int] = [-1]

    def is_settled() -> bool:
        counts.append(recorder.messages())
        return counts[-1] == counts[-40 if len(counts) > 40 else 0]

    wait_for(is_settled, DEADLINE_SECS)
    return by_exchange(recorder), since(before, watch.look())


def subscribers(one: Played) -> int:
    """How many clients have subscribed to an exchange."""
    return sum(bool(each["streams"]) for each in one.simulator.stats()["connections"])


def report(messages: dict[str, int], cpu_secs: dict[str, float]) -> Iterator[str]:
    """The lines of a table."""
    total = sum(messages.values())
    yield "| process | messages | CPU s | CPU µs a message |"
    yield "|---|---:|---:|---:|"
    for name, secs in sorted(cpu_secs.items()):
        count = messages.get(name.removeprefix("ingest:"), total)
        yield f"| {name} | {count:,} | {secs:.2f} | {secs / max(1, count) * 1e6:.1f} |"
    secs = sum(cpu_secs.values())
    yield f"| all | {total:,} | {secs:.2f} | {secs / max(1, total) * 1e6:.1f} |"


def main() -> None:
    """Measure once, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speed", type=float, default=10.0)
    parser.add_argument("--secs", type=float, default=60.0)
    parser.add_argument("--frames", type=int, default=20_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with playing(folder, arguments.speed, arguments.secs, arguments.frames) as played:
            recorder = Recorder(folder, "", feed=[one.feed for one in played], **PATIENT)
            try:
                table = report(*record(recorder, played))
                print("\n".join(table))
                recorder.stop()
            finally:
                recorder.end()


if __name__ == "__main__":
    main()
