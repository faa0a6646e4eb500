"""What a whole benchmark measured: the runs of each arm, one after the other, and what could not be measured."""

import json
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.bench.figures import Figures

PLAIN, TLS, MANY = "plain ws", "TLS", "3,000 streams"
"""The arms of the recorder."""

Latencies = dict[str, dict[str, float]]
"""Quantiles in ms, by what they are of."""


class Results(NamedTuple):
    """Runs of the same number stand beside each other: they were measured in turn."""

    recorder: dict[str, list[Figures]]
    """By arm."""
    sinks: dict[str, list[Figures]]
    """The sender's floor, by transport."""
    peers: dict[str, list[Figures]]
    """By name; over TLS, or plain if TLS is not measured."""
    latencies: dict[str, Latencies]
    """By rate."""
    absent: dict[str, str]
    """What could not be measured, and why."""

    @property
    def transport(self) -> str:
        """The arm of the recorder that peers are held against."""
        return TLS if TLS in self.recorder else PLAIN


class Spread(NamedTuple):
    """A median, and how far single runs lie apart."""

    median: float
    least: float
    most: float


def spread(values: Sequence[float]) -> Spread:
    """Of at least one value."""
    return Spread(statistics.median(values), min(values), max(values))


def middle(runs: Sequence[Figures], value: Callable[[Figures], float]) -> float:
    """The median of a figure over the runs."""
    return statistics.median(value(run) for run in runs)


def ratios(ours: Sequence[Figures], theirs: Sequence[Figures], value: Callable[[Figures, Figures], float]) -> Spread:
    """Of a figure in runs that were measured in turn, each held against its neighbour."""
    return spread([value(one, other) for one, other in zip(ours, theirs, strict=True)])


def write_json(results: Results, path: Path) -> None:
    """Everything that was measured."""
    content = {
        "recorder": {arm: [run._asdict() for run in runs] for arm, runs in results.recorder.items()},
        "sinks": {arm: [run._asdict() for run in runs] for arm, runs in results.sinks.items()},
        "peers": {arm: [run._asdict() for run in runs] for arm, runs in results.peers.items()},
        "latencies_ms": results.latencies,
        "absent": results.absent,
    }
    path.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def read_json(path: Path) -> Results:
    """What `write_json` wrote. Raises ValueError for anything else."""
    try:
        content = json.loads(path.read_text("utf-8"))
        arms = {
            part: {arm: [Figures(**run) for run in runs] for arm, runs in content[part].items()}
            for part in ("recorder", "sinks", "peers")
        }
        return Results(**arms, latencies=content["latencies_ms"], absent=content["absent"])
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path} is not what --json wrote") from error
