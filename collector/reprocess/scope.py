"""Which rows are to be read again."""

from typing import Final, NamedTuple

from collector.domain.names import ObjectPartition
from collector.domain.records import GAP
from collector.storage.archive.manifest import Manifest, ManifestObject

BEGINNING: Final = "0001-01-01T00:00:00.000000Z"
END: Final = "9999-12-31T23:59:59.999999Z"


class Scope(NamedTuple):
    """An empty set means all. Times are ISO 8601, UTC, with microseconds, as in manifests.

    What becomes of an object does not depend on it, only whether it is looked at: so one part of an archive after the
    other gives the same as all at once.
    """

    from_time: str = BEGINNING
    to_time: str = END
    """The end of the time, itself excluded."""
    exchanges: frozenset[str] = frozenset()
    symbols: frozenset[str] = frozenset()
    data_types: frozenset[str] = frozenset()
    whole: bool = False
    """Whether objects in which nothing changes are written, too."""

    def has(self, manifest: Manifest) -> bool:
        """Whether the segment has rows of that time, then it is in it whole."""
        if manifest.objects:
            return any(map(self._has, manifest.objects))
        return self.whole and manifest.sealed_at >= self.from_time and manifest.opened_at < self.to_time

    def _has(self, entry: ManifestObject) -> bool:
        if entry.data_type == GAP:
            # Of gap rows only the date is known.
            return self.from_time[:10] <= entry.date <= self.to_time[:10]
        # One with damaged times may have some.
        return (entry.received_max or END) >= self.from_time and (entry.received_min or BEGINNING) < self.to_time

    def writes(self, partition: ObjectPartition) -> bool:
        """Whether an object is to be written; the ledger of a chosen exchange always is."""
        return (
            (not self.exchanges or partition.exchange in self.exchanges)
            and (not self.symbols or partition.symbol in self.symbols or partition.data_type == GAP)
            and (not self.data_types or partition.data_type in {*self.data_types, GAP})
        )
