"""Which objects of an archive a prune may remove, and what keeps a day. Pure."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from collector.domain.names import ObjectPartition
from collector.domain.records import GAP

KEPT_UNLESS_NAMED: Final = frozenset({"instrument"})
"""Data types that stay unless they are asked for: an instrument's row describes it until the next one, maybe for years."""


class PruneSelection(NamedTuple):
    """What a person wants removed; an empty set means all."""

    before_date: str
    """The first date that stays, YYYY-MM-DD."""
    exchanges: frozenset[str] = frozenset()
    symbols: frozenset[str] = frozenset()
    data_types: frozenset[str] = frozenset()

    def is_old(self, day: str) -> bool:
        """Whether the whole day is old enough to go."""
        return day < self.before_date

    def wants(self, partition: ObjectPartition) -> bool:
        """Whether objects of this partition go. Those of the gap ledger never do."""
        return (
            self.is_old(partition.date)
            and partition.data_type != GAP
            and (not self.exchanges or partition.exchange in self.exchanges)
            and (not self.symbols or partition.symbol in self.symbols)
            and self._wants_type(partition.data_type)
        )

    def _wants_type(self, data_type: str) -> bool:
        return data_type in self.data_types if self.data_types else data_type not in KEPT_UNLESS_NAMED


class DayFacts(NamedTuple):
    """What is known of one day of an archive."""

    damage: Iterable[str] = ()
    """Texts: manifests that may name objects of the day and cannot be read, or are not true."""
    absent_segments: Iterable[str] = ()
    """Segments of that date without a manifest, although another names them as its predecessor."""
    unnamed: Iterable[str] = ()
    """Keys of the day's objects that no manifest names."""
    faults: Iterable[str] = ()
    """Texts: objects that are not there, or not what their manifests say."""


def why_it_stays(facts: DayFacts) -> list[str]:
    """Every reason why nothing of the day may go; empty if the day is whole."""
    return [
        *facts.damage,
        *(f"segment {one} of that day has no manifest: it may not be archived yet" for one in facts.absent_segments),
        *(f"orphan {key}: no manifest names it; its upload may be under way" for key in sorted(facts.unnamed)),
        *facts.faults,
    ]
