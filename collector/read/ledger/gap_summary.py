"""Summarizes the gap ledger for each stream: verified, unverifiable, unknown or broken."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from collector.domain.errors import ConfigError
from collector.domain.records import UNDECODED, UNKNOWN, StreamKey
from collector.exchanges import registry
from collector.read.ledger.gaps import LedgerRow

LOSSES = frozenset({"sequence", "budget", "damaged", "checksum", "crossed"})
"""Kinds of gaps that prove a loss."""

SILENCE = "silence"
"""A silence may hide a loss where ids prove nothing, or until the stream speaks again."""

DISCONNECTED = frozenset({"disconnect", "restart"})
"""Causes of a silence while nothing was connected."""

CONTRADICTED = "exchange"
"""The cause of a `checksum` row if the exchange's checksum contradicts the book; with another, checksums were not held
against it."""

RESET = "reset"
"""A reset may hide a loss: no id connects the series before it with the one after it."""

COUNTED_IN_MESSAGES = frozenset({"trade", "agg_trade"})
"""Data types whose messages have one id each; a book's delta covers many."""


@dataclass
class StreamSummary:
    """The gaps of one stream."""

    stream: StreamKey
    provable: bool
    """Whether its ids can prove that nothing is missing."""
    messages: int = 0
    """Messages in the archive."""
    kinds: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    missing_ids: int = 0
    """How many ids are still missing, of the gaps that can be counted."""
    uncounted: int = 0
    """How many gaps have an unknown number of missing messages."""
    missing_secs: float = 0.0
    """Total length of the stretches in which something may be missing."""
    losses: int = 0
    injected: int = 0
    """How many of the losses a demo's exchange caused on purpose."""
    is_silent: bool = False
    """Whether it is silent now, so that no id can yet show what is missing."""

    silences: int = 0
    """How many silences may hide a loss."""

    is_unchecked: bool = False
    """Whether its books were not held against the exchange's checksums for some time."""

    is_unread: bool = False
    """Whether a file that may name more of its gaps could not be read."""

    @property
    def state(self) -> str:
        """`verified`: nothing is missing; `unverifiable`: no known loss, but no proof either; `broken`: messages are lost;
        `unknown`: no known loss, but its gaps could not all be read.
        """
        if self.losses:
            return "broken"
        if self.is_unread:
            return "unknown"
        if self.stream.symbol == UNKNOWN or self.stream.data_type == UNDECODED:
            return "-"
        is_doubtful = self.is_silent or self.silences or self.kinds[RESET] or self.is_unchecked
        return "verified" if self.provable and self.messages and not is_doubtful else "unverifiable"

    @property
    def per_million(self) -> float | None:
        """Missing messages per million; None if they cannot be counted."""
        if self.stream.data_type not in COUNTED_IN_MESSAGES or not self.messages:
            return None
        return 1e6 * self.missing_ids / (self.messages + self.missing_ids)

    def as_object(self) -> dict[str, Any]:
        """The summary for `--json`."""
        return {
            **self.stream._asdict(),
            "state": self.state,
            "messages": self.messages,
            "gaps": dict(self.kinds),
            **{status: self.statuses[status] for status in ("open", "repaired", "partly_repaired", "unrepairable")},
            "missing_ids": self.missing_ids,
            "uncounted": self.uncounted,
            "missing_secs": round(self.missing_secs, 6),
            "missing_per_million": self.per_million,
            "losses": self.losses,
            "injected": self.injected,
        }


def summaries(
    rows: Iterable[LedgerRow],
    messages: Mapping[StreamKey, int],
    wanted: Callable[[StreamKey], bool],
    since_us: int,
    until_us: int,
    is_injected: Callable[[LedgerRow], bool],
) -> list[StreamSummary]:
    """One summary for each stream with messages or gaps; missing time counts from `since_us` to `until_us`."""
    found: dict[StreamKey, StreamSummary] = {}
    for stream in filter(wanted, messages):
        found[stream] = StreamSummary(stream, _is_provable(stream), messages[stream])
    spans: dict[StreamKey, list[tuple[int, int]]] = {}
    for row in rows:
        summary = found.setdefault(row.stream, StreamSummary(row.stream, _is_provable(row.stream)))
        if _add(summary, row):
            summary.injected += is_injected(row)
            ended_at = until_us if row.gap.ended_at is None else row.gap.ended_at
            span = max(row.gap.started_at, since_us), min(ended_at, until_us)
            spans.setdefault(row.stream, []).append(span)
    for stream, lost in spans.items():
        found[stream].missing_secs = _covered_us(lost) / 1e6
    return [found[stream] for stream in sorted(found)]


def _add(summary: StreamSummary, row: LedgerRow) -> bool:
    """Count a gap; returns whether something may be missing in its time."""
    gap = row.gap
    summary.kinds[gap.kind] += 1
    summary.statuses[gap.status] += 1
    lasts = gap.kind == SILENCE and gap.ended_at is None
    summary.is_silent |= lasts
    is_unchecked = gap.kind == "checksum" and gap.cause != CONTRADICTED
    is_loss = gap.kind in LOSSES and not is_unchecked
    is_excused = summary.provable and (gap.cause not in DISCONNECTED or has_proving_ids(summary.stream))
    is_silence = gap.kind == SILENCE and not is_excused
    is_doubt = gap.kind == RESET or lasts or is_silence or is_unchecked
    summary.is_unchecked |= is_unchecked
    summary.silences += is_silence
    if gap.status == "repaired" or not (is_loss or is_doubt):
        return False
    summary.losses += is_loss
    # What was not checked is counted in messages that are there; how many are missing is not known.
    missing = None if is_unchecked else gap.missing
    summary.missing_ids += missing or 0
    summary.uncounted += missing is None
    return True


def _is_provable(stream: StreamKey) -> bool:
    """False also for an exchange that only another version knows."""
    return registry.proves_whole(stream.exchange, stream.data_type)


def has_proving_ids(stream: StreamKey) -> bool:
    """Whether ids prove what came while nothing was connected; a connection's tickets and checksums cannot."""
    try:
        rule = registry.adapter(stream.exchange).id_rules.get(stream.data_type)
    except ConfigError:
        return False
    return rule is not None and rule.proves_continuity


def _covered_us(spans: list[tuple[int, int]]) -> int:
    covered, reached = 0, 0
    for start, end in sorted(spans):
        covered += max(0, end - max(start, reached))
        reached = max(reached, end)
    return covered
