"""The benchmark: recorded Binance frames through the whole recorder, as fast as it takes them.

Prints messages/s to a durable row and to Parquet, processor time and memory of each process, latencies, and bytes at every
stage; with --compare also what other ways to do the same take, in turn with the recorder, as ratios within this run. Other
work on the machine moves rates a lot and ratios a little. Everything made is removed at the end.
"""

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench import bench_exports, bench_hosts, bench_latency, bench_read, compare, page, plot, record
from tests.bench.compare import Peer
from tests.bench.figures import Figures
from tests.bench.recorded import FRAMES, SYMBOLS, Wire, many_symbols, write_wire
from tests.bench.report import plain, tables
from tests.bench.results import MANY, PLAIN, TLS, Results, read_json, write_json
from tests.bench.sending import Certificate, make_certificate

EXAMPLES: Final = """examples:
  scripts/bench                              the recorder alone: plain ws, TLS, 3,000 streams, latencies
  scripts/bench --compare --json bench.json  the same beside its peers
  scripts/bench --tls --runs 1 --rounds 2    quicker, one transport
  scripts/bench --compare --write-docs       into docs/BENCHMARKS.md, and its picture
  scripts/bench --read                       books of an archive, form by form
  scripts/bench --exports                    exports, beside the converters of those who read them
  scripts/bench --hosts                      what several hosts cost: an edge, three NATS nodes, a storage host
  scripts/bench --quick                      does it work? The figures mean nothing
"""
ROUND: Final = 75_000
"""Messages of a round: about as many as were recorded."""

QUICK_MESSAGES: Final = 4_000
RATES: Final = (1_000, 10_000, 50_000)
LATENCY_SECS: Final = 15.0
INTERRUPTED: Final = 130
_READING: Final = object()
"""`--read` without a file."""


class Plan(NamedTuple):
    """What is to be measured."""

    messages: int
    runs: int
    transports: tuple[str, ...]
    many_symbols: int
    rates: tuple[int, ...]
    latency_secs: float
    peers: tuple[Peer, ...]
    """What is always measured."""
    compares: bool
    """Whether to measure every peer."""


Say = Callable[[str], None]


class Arm(NamedTuple):
    """What is measured again and again."""

    title: str
    place: dict[str, list[Figures]]
    """Where its figures go, under this name."""
    name: str
    run: Callable[[], Figures]


def measure(plan: Plan, folder: Path, say: Say) -> Results:
    """All arms in turn, run after run, every other run from the last to the first."""
    results = Results({}, {}, {}, {}, {})
    say("making the messages")
    certificate = make_certificate(folder)
    few = write_wire(folder / "few", SYMBOLS, plan.messages)
    many = write_wire(folder / "many", many_symbols(plan.many_symbols), plan.messages)
    tls, peers = TLS in plan.transports, list(plan.peers)
    if plan.compares:
        say("installing the peers' packages")
        peers, absent = compare.all_peers(folder, tls=tls)
        results.absent.update(absent)
    arms = list(_arms(plan.transports, peers, results, few, many, certificate))
    for arm in arms:
        arm.place[arm.name] = []
    for number in range(plan.runs):
        for arm in arms if number % 2 == 0 else arms[::-1]:
            say(f"run {number + 1} of {plan.runs}: {arm.title}")
            arm.place[arm.name].append(arm.run())
    for rate in plan.rates:
        say(f"latencies at {rate:,} messages/s")
        results.latencies[f"{rate:,}/s"] = bench_latency.latencies(rate, plan.latency_secs, tls=tls)
    return results


def _arms(
    transports: Sequence[str],
    peers: Sequence[Peer],
    results: Results,
    few: Wire,
    many: Wire,
    certificate: Certificate,
) -> Iterator[Arm]:
    of = {PLAIN: None, TLS: certificate}
    for transport in transports:
        trust = of[transport]
        yield Arm(f"the recorder, {transport}", results.recorder, transport, partial(record.record, few, trust))
        yield Arm(
            f"the sender alone, {transport}", results.sinks, transport, partial(compare.run, compare.SINK, few, trust)
        )
    trust = of[TLS if TLS in transports else PLAIN]
    yield Arm(f"the recorder, {MANY}", results.recorder, MANY, partial(record.record, many, trust))
    for peer in peers:
        yield Arm(peer.name, results.peers, peer.name, partial(compare.run, peer, few, trust))


class Progress:
    """One line that changes in a terminal; a line for each step in a file."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()

    def say(self, text: str) -> None:
        """What is being done."""
        print(
            f"\r\x1b[K{text}" if self._terminal else text,
            end="" if self._terminal else "\n",
            file=sys.stderr,
            flush=True,
        )

    def end(self) -> None:
        """Leave the line."""
        if self._terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def main() -> int:
    """Measure, print; the exit code."""
    options = _arguments()
    if not isinstance(options.read, Results) and not FRAMES.is_dir():
        print(f"error: there are no recorded frames at {FRAMES}", file=sys.stderr)
        return 2
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        if options.read is _READING:
            plan = bench_read.Plan(tiles=1, rounds=1) if options.quick else bench_read.Plan(compare=options.compare)
            bench_read.measure(plan)
            return 0
        if options.exports:
            bench_exports.measure(bench_exports.Plan(tiles=1, rounds=1) if options.quick else bench_exports.Plan())
            return 0
        if options.hosts:
            bench_hosts.measure(bench_hosts.Plan((2_000,), 2) if options.quick else bench_hosts.Plan())
            return 0
        results = options.read or _measured(options)
    except KeyboardInterrupt:
        print("interrupted: nothing is measured, and nothing is left", file=sys.stderr)
        return INTERRUPTED
    print("\n\n".join(plain(table) for table in tables(results)))
    if options.json:
        write_json(results, options.json)
    if options.write_docs:
        page.write(results)
        plot.draw(results)
    return 0


def _measured(options: argparse.Namespace) -> Results:
    progress = Progress()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        try:
            return measure(_plan(options), Path(folder), progress.say)
        finally:
            progress.end()


def _plan(options: argparse.Namespace) -> Plan:
    chosen = tuple(name for name, wanted in ((PLAIN, options.plain), (TLS, options.tls)) if wanted)
    transports = chosen or (PLAIN, TLS)
    if options.quick:
        return Plan(QUICK_MESSAGES, 1, transports, 20, (1_000,), 1.0, (compare.SINGLE,), compares=False)
    return Plan(
        ROUND * options.rounds, options.runs, transports, 1_000, RATES, LATENCY_SECS, (), compares=options.compare
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--compare",
        action="store_true",
        help="also measure other ways to do the same, in turn with the recorder or with --read",
    )
    add("--rounds", type=_whole, default=8, metavar="N", help=f"of {ROUND:,} messages each (default 8)")
    add("--runs", type=_whole, default=3, metavar="N", help="of everything; medians are printed (default 3)")
    add("--plain", action="store_true", help="over plain WebSocket only")
    add("--tls", action="store_true", help="over TLS only")
    add("--quick", action="store_true", help="a few thousand messages, to see that everything works")
    add("--json", type=_new_file, metavar="FILE", help="write everything that was measured")
    add(
        "--read",
        nargs="?",
        const=_READING,
        type=_results,
        metavar="FILE",
        help="measure what reading books costs; with a FILE, show what --json wrote, and measure nothing",
    )
    add("--exports", action="store_true", help="measure what exports cost, beside other projects' own converters")
    add("--hosts", action="store_true", help="measure what several hosts cost, by part")
    add("--write-docs", action="store_true", help="with --compare or --read: put the figures into docs/BENCHMARKS.md")
    options = parser.parse_args()
    if options.write_docs and (options.read is _READING or not (options.read or options.compare)):
        parser.error("--write-docs needs the figures of --compare or --read")
    if options.quick and options.compare:
        parser.error("--quick compares nothing: its figures mean nothing")
    return options


def _results(text: str) -> Results:
    try:
        return read_json(Path(text))
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _new_file(text: str) -> Path:
    path = Path(text)
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise argparse.ArgumentTypeError(f"{text} cannot be written")
    return path


def _whole(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is below 1")
    return number


def _interrupt(_number: int, _frame: object) -> None:
    # A second one would end what the first began: no process and no folder is left behind.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
