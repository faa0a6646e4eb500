"""What one run measures, of the recorder and of its peers alike."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tests.bench.usage import Usage

BATCH: int = 10_000
BATCH_SECS: float = 1.0
"""A transaction has so many messages, or is so old: the recorder's setting here, and that of the peers."""


class Stored(NamedTuple):
    """How many messages were durable at a moment of the wall clock."""

    at_ns: int
    messages: int


class Figures(NamedTuple):
    """One run. Processor seconds are by process, start-up left out; what a peer does not do is None or 0."""

    messages: int
    payload_bytes: int
    durable_per_sec: float
    parquet_per_sec: float | None
    startup_cpu_secs: dict[str, float]
    durable_cpu_secs: dict[str, float]
    """Until the last row was durable."""
    cpu_secs: dict[str, float]
    """Until everything was done."""
    rest_rss_bytes: dict[str, int]
    """Connected, and nothing has flowed."""
    peak_rss_bytes: dict[str, int]
    written_bytes: dict[str, int]
    segment_bytes: int = 0
    objects: int = 0
    parquet_bytes: int = 0
    updates: int = 0
    update_bytes: int = 0
    """Parquet bytes of the book updates."""
    sender_cpu_secs: float = 0.0

    def micros(self, *names: str) -> float:
        """Processor µs a message to the end, which is also seconds a million: of these processes, or of all."""
        return micros(self.cpu_secs, self.messages, names)

    def durable_micros(self, *names: str) -> float:
        """The same until the last row was durable."""
        return micros(self.durable_cpu_secs, self.messages, names)


def micros(cpu_secs: Mapping[str, float], messages: int, names: Sequence[str] = ()) -> float:
    """Processor µs a message of the processes whose names begin so, or of all."""
    return sum(secs for name, secs in cpu_secs.items() if name.startswith(tuple(names or [""]))) / messages * 1e6


def durable_rate(samples: Sequence[Stored], began_ns: int) -> float:
    """Messages a second, as of the last sample that shows the flood still going on; the end may wait for a timer."""
    whole = samples[-1].messages
    flowing = [sample for sample in samples if BATCH <= sample.messages < whole]
    last = flowing[-1] if flowing else next(sample for sample in samples if sample.messages == whole)
    return last.messages / (last.at_ns - began_ns) * 1e9


def since(before: Mapping[str, Usage], after: Mapping[str, Usage]) -> dict[str, float]:
    """Processor seconds of each process between two looks."""
    return {name: usage.cpu_secs - before[name].cpu_secs for name, usage in after.items()}


def written(before: Mapping[str, Usage], after: Mapping[str, Usage]) -> dict[str, int]:
    """Bytes that each process wrote between two looks."""
    return {name: usage.written_bytes - before[name].written_bytes for name, usage in after.items()}
