"""The figures as tables, for a terminal and for Markdown."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from tests.bench.figures import Figures
from tests.bench.results import MANY, Results, Spread, middle
from tests.bench.targets import Target, targets, written_before_parquet

NONE = "-"
PROCESSES = ("supervisor", "ingest", "writer", "archiver", "other")


class Table(NamedTuple):
    """A heading, names of the columns, and rows of as many cells."""

    title: str
    heads: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def tables(results: Results) -> list[Table]:
    """All that there are figures for."""
    return [
        _recorder(results),
        _memory(results),
        *_latencies(results),
        *_objects(results),
        *_peers(results),
        _targets(targets(results)),
    ]


def plain(table: Table) -> str:
    """For a terminal: columns in line, numbers to the right."""
    lines = [table.heads, *table.rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(table.heads))]
    texts = [
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join([table.title, *(f"  {text}" for text in texts)])


def markdown(table: Table) -> str:
    """For the docs."""
    rule = "|".join(["---", *["---:"] * (len(table.heads) - 1)])
    rows = [f"| {' | '.join(line)} |" for line in table.rows]
    return "\n".join([f"{table.title}:", "", f"| {' | '.join(table.heads)} |", f"|{rule}|", *rows])


def _recorder(results: Results) -> Table:
    arms = results.recorder

    def row(name: str, value: Callable[[Figures], float], form: str) -> tuple[str, ...]:
        return (name, *(format(middle(runs, value), form) for runs in arms.values()))

    def micros(process: str) -> Callable[[Figures], float]:
        return lambda run: run.micros(process)

    rows = [
        row("messages/s to a durable row", lambda run: run.durable_per_sec, ",.0f"),
        row("messages/s to Parquet, begun when all is stored", lambda run: run.parquet_per_sec or 0, ",.0f"),
        *(row(f"CPU s a million: {process}", micros(process), ".2f") for process in PROCESSES),
        row("CPU s a million: all, to a durable row", lambda run: run.durable_micros(), ".2f"),
        row("CPU s a million: all, to Parquet", lambda run: run.micros(), ".2f"),
        row("CPU s of starting, not counted above", lambda run: sum(run.startup_cpu_secs.values()), ".2f"),
        row("bytes a message on the wire, its payload", lambda run: run.payload_bytes / run.messages, ".1f"),
        row("bytes a message in a sealed segment", lambda run: run.segment_bytes / run.messages, ".1f"),
        row("bytes a message in Parquet", lambda run: run.parquet_bytes / run.messages, ".1f"),
        row("bytes a book update in Parquet", lambda run: run.update_bytes / run.updates, ".1f"),
        row("bytes written a payload byte: journal", written("ingest"), ".2f"),
        row("bytes written a payload byte: segments", written("writer"), ".2f"),
        row("bytes written a payload byte: both", written_before_parquet, ".2f"),
        row("bytes written a payload byte: Parquet", written("archiver"), ".2f"),
        row("objects", lambda run: run.objects, ",.0f"),
    ]
    sinks = {arm: results.sinks.get(arm, []) for arm in arms}
    rows.append(("the sender alone, messages/s into a sink", *(_rate(runs) for runs in sinks.values())))
    rows.append(row("the sender's CPU, µs a message", lambda run: run.sender_cpu_secs / run.messages * 1e6, ".3f"))
    runs = next(iter(arms.values()))
    return Table(f"The recorder, {runs[0].messages:,} real messages a run, medians of {len(runs)}", ("", *arms), rows)


def written(process: str) -> Callable[[Figures], float]:
    """Bytes that a process wrote for each byte of payload."""
    return lambda run: (
        sum(number for name, number in run.written_bytes.items() if name.startswith(process)) / run.payload_bytes
    )


def _rate(runs: Sequence[Figures]) -> str:
    return format(middle(runs, lambda run: run.durable_per_sec), ",.0f") if runs else NONE


def _memory(results: Results) -> Table:
    rows = []
    for process in PROCESSES[:-1]:
        most = [
            max(_named(value, process) for value in values)
            for runs in results.recorder.values()
            for values in ([run.rest_rss_bytes for run in runs], [run.peak_rss_bytes for run in runs])
        ]
        rows.append((process, *(f"{rss_bytes / 2**20:.0f}" for rss_bytes in most)))
    heads = [f"{arm}, {when}" for arm in results.recorder for when in ("at rest", "peak")]
    return Table("Memory (RSS) in MiB, the most of all runs", ("", *heads), rows)


def _named(values: dict[str, int], process: str) -> int:
    return max(value for name, value in values.items() if name.startswith(process))


def _latencies(results: Results) -> Iterator[Table]:
    if not results.latencies:
        return
    quantiles = next(iter(next(iter(results.latencies.values())).values()))
    rows = [
        (f"{rate}, {of}", *(f"{values[quantile]:.2f}" for quantile in quantiles))
        for rate, measured in results.latencies.items()
        for of, values in measured.items()
    ]
    title = "Latency in ms from the exchange's send until read, in the journal, and durable in a row"
    yield Table(title, ("", *quantiles), rows)


def _objects(results: Results) -> Iterator[Table]:
    few, many = results.recorder[results.transport], results.recorder.get(MANY)
    if many is None:
        return
    costs = [
        (one.cpu_secs["archiver"] - other.cpu_secs["archiver"]) / (one.objects - other.objects) * 1e3
        for one, other in zip(many, few, strict=True)
    ]
    share = middle(many, lambda run: run.micros("archiver") * run.messages / run.objects / 1e3)
    rows = [
        (
            "CPU ms of the archiver an object, beyond that of the messages in it",
            f"{sorted(costs)[len(costs) // 2]:.2f}",
        ),
        ("CPU ms of the archiver an object, all of it", f"{share:.2f}"),
        ("messages an object", f"{middle(many, lambda run: run.messages / run.objects):.1f}"),
    ]
    yield Table("An object's own cost, from 3,000 streams against 6", ("", "ms"), rows)


def _peers(results: Results) -> Iterator[Table]:
    if not results.peers and not results.absent:
        return
    ours = {"the recorder": results.recorder[results.transport]}
    rows = []
    for name, runs in (ours | results.peers).items():
        parquet = middle(runs, lambda run: run.parquet_per_sec or 0)
        peak = max(max(run.peak_rss_bytes.values()) for run in runs)
        rows.append(
            (
                name,
                format(middle(runs, lambda run: run.durable_per_sec), ",.0f"),
                format(parquet, ",.0f") if parquet else NONE,
                format(middle(runs, lambda run: run.micros()), ".2f"),
                f"{peak / 2**20:.0f}",
            )
        )
    rows += [(f"{name}: {why}", NONE, NONE, NONE, NONE) for name, why in results.absent.items()]
    heads = ("", "durable, messages/s", "Parquet, messages/s", "CPU s a million", "largest process, MiB")
    yield Table(f"Peers on the same messages over {results.transport}, medians of runs in turn", heads, rows)


def _targets(found: list[Target]) -> Table:
    rows = []
    for target in found:
        bound = f"{'≥' if target.at_least else '≤'} {target.bound:g}"
        rows.append((target.what, _spread(target.measured), bound, "met" if target.is_met else "not met"))
    return Table(
        "Targets: medians within this run, and from the least to the most", ("", "measured", "target", ""), rows
    )


def _spread(value: Spread) -> str:
    digits = 0 if value.median >= 100 else 1 if value.median >= 10 else 2
    return f"{value.median:.{digits}f} ({value.least:.{digits}f} to {value.most:.{digits}f})"
