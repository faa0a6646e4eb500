"""Which day files count, and what they stand for. Rules without I/O.

Of each host and date the highest generation counts. It stands for a segment's objects of that date as far as it has files of
their streams, if it names the segment among those it replaces; all other objects are read beside it.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from collector.domain.names import ObjectPartition, parse_segment_id
from collector.storage.archive.days import HostDate
from collector.storage.archive.manifest import Manifest, ManifestObject, ReplacedSegment


class Link(NamedTuple):
    """A segment's place in the chain of its host's segments."""

    host: str
    segment_id: str
    previous_segment: str | None
    opened_at: str


class _Day(NamedTuple):
    manifest: Manifest
    entries: dict[ObjectPartition, ManifestObject]
    replaces: frozenset[str]
    whole: dict[str, ReplacedSegment]


class DayFiles:
    """Of these manifests those that count; each is of one date. Those that are not of day files are passed over."""

    def __init__(
        self, manifests: Iterable[Manifest], is_gone: Callable[[ManifestObject], bool] = lambda _: False
    ) -> None:
        """Files that are gone stand for nothing: what they replaced is read again."""
        newest: dict[HostDate, Manifest] = {}
        for manifest in sorted(manifests, key=lambda one: one.segment_id):
            if manifest.generation:
                newest[HostDate(manifest.host, parse_segment_id(manifest.segment_id).date)] = manifest
        self._days = {day: _day(manifest, is_gone) for day, manifest in newest.items()}
        self._whole = {one.segment_id: one for one in self._listed() if self._is_whole(*one)}

    def entries(self) -> Iterator[tuple[ManifestObject, Manifest]]:
        """Every file, with its manifest."""
        for day in self._days.values():
            yield from ((entry, day.manifest) for entry in day.entries.values())

    def stand_for(self, host: str, segment_id: str, entry: ManifestObject) -> bool:
        """Whether the rows of a segment's object are in a day file."""
        return self.file_for(host, segment_id, entry) is not None

    def file_for(self, host: str, segment_id: str, entry: ManifestObject) -> ManifestObject | None:
        """The day file that has the rows of a segment's object; None if none has."""
        day = self._days.get(HostDate(host, entry.date))
        return None if day is None or segment_id not in day.replaces else day.entries.get(entry.partition)

    def digest_for(self, host: str, segment_id: str, date: str) -> str:
        """What the segment's objects of the date were when the day files were made; empty if it is not known."""
        day = self._days.get(HostDate(host, date))
        return "" if day is None else day.manifest.digests.get(segment_id, "")

    def are_whole(self, segment_id: str) -> bool:
        """Whether every object of a segment is in a day file: its manifest need not be read."""
        return segment_id in self._whole

    def links(self) -> Iterator[Link]:
        """The segments that are replaced whole, as their manifests have them."""
        for host, segment in self._whole.values():
            yield Link(host, segment.segment_id, segment.previous_segment, segment.opened_at)

    def replaced(self) -> Iterator[str]:
        """The ids of all segments that have rows in day files."""
        for day in self._days.values():
            yield from day.replaces

    def _listed(self) -> Iterator["_Listed"]:
        for key, day in self._days.items():
            yield from (_Listed(key.host, segment) for segment in day.whole.values())

    def _is_whole(self, host: str, segment: ReplacedSegment) -> bool:
        days = (self._days.get(HostDate(host, date)) for date in segment.dates)
        return all(day is not None and segment.segment_id in day.whole for day in days)


class _Listed(NamedTuple):
    host: str
    segment: ReplacedSegment

    @property
    def segment_id(self) -> str:
        return self.segment.segment_id


def _day(manifest: Manifest, is_gone: Callable[[ManifestObject], bool]) -> _Day:
    there = [entry for entry in manifest.objects if not is_gone(entry)]
    segments = manifest.segments if len(there) == len(manifest.objects) else []
    return _Day(
        manifest,
        {entry.partition: entry for entry in there},
        frozenset(manifest.replaces),
        {segment.segment_id: segment for segment in segments},
    )
