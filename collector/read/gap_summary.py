"""What the gap ledger says about each stream as a whole."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from collector.domain.errors import ConfigError
from collector.domain.records import UNDECODED, UNKNOWN, StreamKey
from collector.exchanges import registry
from collector.read.gaps import Noted

LOSSES = frozenset({"sequence", "budget", "damaged", "checksum", "crossed"})
"""Kinds that say that something is gone."""

SILENCE = "silence"
"""Says that something may be gone where ids would not tell, or cannot tell before the stream speaks again."""

COUNTED_IN_MESSAGES = frozenset({"trade", "agg_trade"})
"""Data types of which each message has one id. A book's delta covers many."""


@dataclass
class Summary:
    """One stream."""

    stream: StreamKey
    provable: bool
    """Whether its ids prove that nothing is missing."""
    messages: int = 0
    """In the archive."""
    kinds: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    missing_ids: int = 0
    """Still missing, as far as they can be counted."""
    uncounted: int = 0
    """Gaps of which nobody knows how much is missing."""
    missing_secs: float = 0.0
    """How long the stretches are that may lack something, taken together."""
    losses: int = 0
    injected: int = 0
    """How many of the losses a demo's exchange caused on purpose."""
    is_silent: bool = False
    """A silence of it lasts, so that no id can tell yet what is missing."""

    @property
    def state(self) -> str:
        """`verified`: whole; `unverifiable`: no loss is known, but ids do not tell; `broken`: something is gone."""
        if self.losses:
            return "broken"
        if self.stream.symbol == UNKNOWN or self.stream.data_type == UNDECODED:
            return "-"
        return "verified" if self.provable and not self.is_silent else "unverifiable"

    @property
    def per_million(self) -> float | None:
        """Messages missing in a million; None where they cannot be counted."""
        if self.stream.data_type not in COUNTED_IN_MESSAGES or not self.messages:
            return None
        return 1e6 * self.missing_ids / (self.messages + self.missing_ids)

    def as_object(self) -> dict[str, Any]:
        """For `--json`."""
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
    rows: Iterable[Noted],
    messages: Mapping[StreamKey, int],
    wanted: Callable[[StreamKey], bool],
    since_us: int,
    until_us: int,
    is_injected: Callable[[Noted], bool],
) -> list[Summary]:
    """One for each stream with messages or gaps; time is counted from `since_us` to `until_us`."""
    found: dict[StreamKey, Summary] = {}
    for stream in filter(wanted, messages):
        found[stream] = Summary(stream, _is_provable(stream), messages[stream])
    spans: dict[StreamKey, list[tuple[int, int]]] = {}
    for noted in rows:
        summary = found.setdefault(noted.stream, Summary(noted.stream, _is_provable(noted.stream)))
        if _add(summary, noted):
            summary.injected += is_injected(noted)
            ended_at = until_us if noted.gap.ended_at is None else noted.gap.ended_at
            span = max(noted.gap.started_at, since_us), min(ended_at, until_us)
            spans.setdefault(noted.stream, []).append(span)
    for stream, lost in spans.items():
        found[stream].missing_secs = _covered_us(lost) / 1e6
    return [found[stream] for stream in sorted(found)]


def _add(summary: Summary, noted: Noted) -> bool:
    """Whether the gap's time may lack something."""
    gap = noted.gap
    summary.kinds[gap.kind] += 1
    summary.statuses[gap.status] += 1
    lasts = gap.kind == SILENCE and gap.ended_at is None
    summary.is_silent |= lasts
    is_loss, is_doubt = gap.kind in LOSSES, lasts or (gap.kind == SILENCE and not summary.provable)
    if gap.status == "repaired" or not (is_loss or is_doubt):
        return False
    summary.losses += is_loss
    summary.missing_ids += gap.missing or 0
    summary.uncounted += gap.missing is None
    return True


def _is_provable(stream: StreamKey) -> bool:
    try:
        rule = registry.adapter(stream.exchange).id_rules.get(stream.data_type)
    except ConfigError:  # recorded by a version that knew the exchange
        return False
    return rule is not None and rule.proves_continuity


def _covered_us(spans: list[tuple[int, int]]) -> int:
    covered, reached = 0, 0
    for start, end in sorted(spans):
        covered += max(0, end - max(start, reached))
        reached = max(reached, end)
    return covered
