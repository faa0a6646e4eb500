"""What the recorder shall reach, held against what was measured: ratios within one run, and plain figures."""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from tests.bench.figures import Figures
from tests.bench.results import MANY, PLAIN, TLS, Results, Spread, ratios, spread

SINGLE, NAIVE, CRYPTOFEED, PICOWS = "single script", "naive pipeline", "cryptofeed", "picows"
RECEIVE = "the recorder's receive step"
MB: Final = 1e6


class Target(NamedTuple):
    """One line of the table: what was measured, and its bound."""

    what: str
    measured: Spread
    bound: float
    at_least: bool = False
    """Whether the bound is a lower one."""
    is_ratio: bool = True

    @property
    def is_met(self) -> bool:
        """By the median."""
        return self.measured.median >= self.bound if self.at_least else self.measured.median <= self.bound


def targets(results: Results) -> list[Target]:
    """Those for which there are figures."""
    return [*_against_peers(results), *_alone(results)]


def _against_peers(results: Results) -> Iterator[Target]:
    ours, peers = results.recorder[results.transport], results.peers
    if SINGLE in peers:
        yield Target("CPU to Parquet / single script's", ratios(ours, peers[SINGLE], _cpu), 0.6)
        yield Target("messages/s to a durable row / single script's", ratios(ours, peers[SINGLE], _rate), 2.5, True)
    if PICOWS in peers:
        yield Target("ingest's CPU / that of picows, which only receives", ratios(ours, peers[PICOWS], _ingest), 2)
        if RECEIVE in peers:
            yield Target("the receive step's CPU / that of picows", ratios(peers[RECEIVE], peers[PICOWS], _cpu), 2)
    if NAIVE in peers:
        yield Target(
            "ingest's CPU / that of the naive pipeline's ingest",
            ratios(ours, peers[NAIVE], lambda one, other: one.micros("ingest") / other.micros("ingest")),
            1 / 8,
        )
    if CRYPTOFEED in peers:
        yield Target("messages/s to a durable row / cryptofeed's", ratios(ours, peers[CRYPTOFEED], _rate), 6, True)
        yield Target(
            "CPU to a durable row / cryptofeed's, to a flushed file",
            ratios(ours, peers[CRYPTOFEED], lambda one, other: one.durable_micros() / other.micros()),
            1 / 4,
        )
        yield Target("CPU to Parquet / cryptofeed's, to a flushed file", ratios(ours, peers[CRYPTOFEED], _cpu), 1 / 4)


def _alone(results: Results) -> Iterator[Target]:
    few = results.recorder[results.transport]
    yield _plain("bytes a message in a sealed segment, 6 streams", few, _segment_bytes, 60)
    if MANY in results.recorder:
        many = results.recorder[MANY]
        yield _plain("bytes a message in a sealed segment, 3,000 streams", many, _segment_bytes, 100)
        yield Target(
            "CPU a message to a durable row, 3,000 streams / 6",
            ratios(many, few, lambda one, other: one.durable_micros() / other.durable_micros()),
            1.3,
        )
    yield _plain("bytes written a payload byte before Parquet", few, written_before_parquet, 1.6)
    every = [run for arm in (PLAIN, TLS, MANY) for run in results.recorder.get(arm, [])]
    yield _plain("peak RSS of the largest process but the archiver, MB", every, _peak, 120)
    yield _plain("peak RSS of the archiver, MB", every, lambda run: run.peak_rss_bytes["archiver"] / MB, 160)
    yield _plain("RSS of an ingest at rest, MiB", few, lambda run: rest_of_ingest(run) / 2**20, 32)


def _plain(what: str, runs: list[Figures], value: Callable[[Figures], float], bound: float) -> Target:
    return Target(what, spread([value(run) for run in runs]), bound, is_ratio=False)


def written_before_parquet(run: Figures) -> float:
    """Bytes that ingest and writer wrote, for each byte of payload."""
    return sum(written for name, written in run.written_bytes.items() if _is_before_parquet(name)) / run.payload_bytes


def rest_of_ingest(run: Figures) -> int:
    """Bytes."""
    return max(rss for name, rss in run.rest_rss_bytes.items() if name.startswith("ingest"))


def _is_before_parquet(name: str) -> bool:
    return name.startswith(("ingest", "writer"))


def _cpu(one: Figures, other: Figures) -> float:
    return one.micros() / other.micros()


def _rate(one: Figures, other: Figures) -> float:
    return one.durable_per_sec / other.durable_per_sec


def _ingest(one: Figures, other: Figures) -> float:
    return one.micros("ingest") / other.micros()


def _segment_bytes(run: Figures) -> float:
    return run.segment_bytes / run.messages


def _peak(run: Figures) -> float:
    return max(peak for name, peak in run.peak_rss_bytes.items() if name != "archiver") / MB
