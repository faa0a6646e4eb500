"""What a day's files are made of, and which segments they replace. Rules without I/O.

The manifest of a day replaces, of each segment in its `replaces`, the objects of its date that are of streams it has files
of. A stream without a file there, and a segment that is not listed, are read from the archive.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from collector.domain.errors import DamagedError
from collector.domain.names import ObjectPartition, partition_in
from collector.domain.records import StreamKey
from collector.storage.archive.days import HostDate
from collector.storage.archive.manifest import Manifest, ManifestObject, ReplacedSegment, digest_of
from collector.storage.archive.schema import SCHEMA_VERSION


class Found(NamedTuple):
    """What an archive has of a day of a host."""

    day: HostDate
    segments: list[Manifest]
    """Every segment with objects of the date, oldest first."""
    counting: Manifest | None
    """The manifest of the day files that count."""
    is_pruned: Callable[[ManifestObject], bool]
    elsewhere: Sequence[ManifestObject] = ()
    """Other hosts' objects of the date."""
    lost: frozenset[str] = frozenset()
    """Keys of day files that count and are not there, though nobody pruned them."""
    unnamed: Sequence[str] = ()
    """Keys of day files that are there, of a later generation than the one that counts."""


class DayFile(NamedTuple):
    """A file to be made: the rows of its sources, which are in the order of their segments."""

    partition: ObjectPartition
    before: ManifestObject | None
    """The day file before it, if the segments' objects that it was made of are not all there any more: it comes first."""
    sources: list[ManifestObject]


class DayPlan(NamedTuple):
    """A new generation of a day's files."""

    day: HostDate
    generation: int
    files: list[DayFile]
    kept: list[ManifestObject]
    """Day files that nothing has to be added to."""
    replaces: list[str]
    segments: list[ReplacedSegment]
    digests: dict[str, str]
    opened_at: str
    sealed_at: str


class DayChoice(NamedTuple):
    """The plan, None if nothing is to be done, and what stays in the archive's own files, a line each."""

    plan: DayPlan | None
    left: list[str]


def planned(found: Found, wants: Callable[[StreamKey], bool]) -> DayChoice:
    """What to do for a day. A stream that has a day file gets the rows that came late, whether it is wanted now or not.

    Raises DamagedError where day files must be made anew, and not all they were made of is there.
    """
    if found.counting is not None and (changed := _changed(found, found.counting)):
        return _anew(found, found.counting, wants, changed)
    day = _Day(found)
    day.require_names()
    fresh, left = day.fresh(wants)
    late, also_left = day.late()
    left += also_left
    if not fresh and not day.dropped and not day.remade and not day.adds_to_files(late):
        return DayChoice(None, left)
    return DayChoice(day.plan(fresh, late), left)


def _changed(found: Found, counting: Manifest) -> list[str]:
    """The segments that have other objects now than those that the day files were made of."""
    date, digests = found.day.date, counting.digests
    return [
        one.segment_id
        for one in found.segments
        if digests.get(one.segment_id, "") not in {"", digest_of(one.objects, date)}
    ]


def _anew(found: Found, counting: Manifest, wants: Callable[[StreamKey], bool], changed: list[str]) -> DayChoice:
    """All the day's files from the segments as they are now: nothing of the files before is right any more."""
    held = {entry.partition for entry in counting.objects}
    ids = {one.segment_id for one in found.segments}
    replaced = [one for one in found.segments if one.segment_id in counting.replaces]
    sources = [entry for one in replaced for entry in _of_date(one, found.day) if entry.partition in held]
    if not ids.issuperset(counting.replaces) or any(map(found.is_pruned, sources)):
        reason = "has other files now than its day files were made of, and not all others of these are there"
        raise DamagedError(f"segment {changed[0]} {reason}")
    streams = {StreamKey(one.exchange, one.symbol, one.data_type) for one in held}
    plan, left = planned(found._replace(counting=None), lambda stream: stream in streams or wants(stream))
    if plan is None:
        raise DamagedError(
            f"segment {changed[0]} has other files now, and no day file can be made: remove those there are"
        )
    return DayChoice(plan._replace(generation=counting.generation + 1), left)


class _Day:
    """A day, looked at by partition."""

    def __init__(self, found: Found) -> None:
        self._found = found
        self._objects = _by_partition(found)
        self._held = {entry.partition: entry for entry in found.counting.objects} if found.counting else {}
        self._before = set(found.counting.replaces) if found.counting else set[str]()
        self._elsewhere: dict[ObjectPartition, list[ManifestObject]] = defaultdict(list)
        for entry in found.elsewhere:
            self._elsewhere[entry.partition].append(entry)
        self._ids = {segment.segment_id for segment in found.segments}
        self._turned = {one for one in self._held if self._took_turns(one)}
        self.dropped = {one for one in self._turned if self._has_all_sources(one)}
        """Streams that are read from the segments' files again, because another host's hours came between theirs."""
        for partition in self.dropped:
            del self._held[partition]
        self.remade = {one for one, entry in self._held.items() if entry.key in found.lost}
        """Streams whose day file is lost."""

    def _took_turns(self, partition: ObjectPartition) -> bool:
        return took_turns(self._objects.get(partition, {}).values(), self._elsewhere.get(partition, ()))

    def _has_all_sources(self, partition: ObjectPartition) -> bool:
        """Whether everything that the stream's day file was made of is there."""
        sources = self._objects.get(partition, {}).values()
        return self._before <= self._ids and not any(map(self._found.is_pruned, sources))

    def require_names(self) -> None:
        """Raise DamagedError if a generation without these files would hide rows that are nowhere else."""
        for partition in self.remade:
            if not self._has_all_sources(partition):
                raise DamagedError(f"{self._held[partition].key} is not there, nor is all that it was made of")
        for key in self._found.unnamed:
            place = partition_in(key)
            entries = {} if place is None else self._objects.get(place, {})
            known = self._before if place in self._held else set[str]()
            if any(self._found.is_pruned(entry) for name, entry in entries.items() if name not in known):
                reason = "may be all that is left of pruned files, and no manifest names it"
                raise DamagedError(
                    f"{key} {reason}: put that back, or remove the file if it is of a run that was killed"
                )

    def fresh(self, wants: Callable[[StreamKey], bool]) -> tuple[set[ObjectPartition], list[str]]:
        """The wanted streams that have no day file yet and can have one, and why the others cannot."""
        gone = "another host's hours are between those in its day file, and these are gone"
        found, left = set(), [f"{_name(one)}: {gone}" for one in sorted(self._turned - self.dropped)]
        for partition, entries in self._objects.items():
            if partition in self._held or not wants(
                StreamKey(partition.exchange, partition.symbol, partition.data_type)
            ):
                continue
            if any(map(self._found.is_pruned, entries.values())):
                left.append(f"{_name(partition)}: objects of it were pruned")
            elif self._took_turns(partition):
                left.append(f"{_name(partition)}: this host and another took turns at recording it")
            elif not self._before <= self._ids:
                left.append(f"{_name(partition)}: manifests of segments that are in day files are not there any more")
            else:
                found.add(partition)
        return found, left

    def late(self) -> tuple[set[str], list[str]]:
        """The segments that no day file has rows of yet, and why some of them stay."""
        found, left = set(), []
        for segment_id in sorted(self._ids - self._before):
            entries = (self._objects[one].get(segment_id) for one in self._held if one in self._objects)
            if any(self._found.is_pruned(entry) for entry in entries if entry is not None):
                left.append(f"segment {segment_id}: objects of it were pruned before they were in day files")
            else:
                found.add(segment_id)
        return found, left

    def adds_to_files(self, late: set[str]) -> bool:
        """Whether one of these segments has rows for a day file that there is."""
        return any(not late.isdisjoint(self._objects.get(partition, {})) for partition in self._held)

    def plan(self, fresh: set[ObjectPartition], late: set[str]) -> DayPlan:
        """The next generation."""
        counting, partitions = self._found.counting, {*self._held, *fresh}
        is_old = counting is not None and counting.schema_version < SCHEMA_VERSION
        replaces = self._before | late
        files, kept = [], []
        for partition in sorted(partitions):
            held = self._held.get(partition)
            of_segments = {one: entry for one, entry in self._objects.get(partition, {}).items() if one in replaces}
            if partition in self.remade:
                files.append(self._file(partition, None, of_segments, late))
            elif held is not None and late.isdisjoint(of_segments) and not is_old:
                kept.append(held)
            else:
                files.append(self._file(partition, held, of_segments, late))
        whole = [
            _replaced(one)
            for one in self._found.segments
            if one.segment_id in replaces
            and all(entry.partition in partitions for entry in _of_date(one, self._found.day))
        ]
        if counting is not None:
            whole += [one for one in counting.segments if one.segment_id not in self._ids]
        whole.sort(key=lambda one: one.segment_id)
        generation = 1 if counting is None else counting.generation + 1
        digests = self._digests(replaces)
        return DayPlan(
            self._found.day, generation, files, kept, sorted(replaces), whole, digests, *self._times(replaces)
        )

    def _file(
        self,
        partition: ObjectPartition,
        held: ManifestObject | None,
        of_segments: Mapping[str, ManifestObject],
        late: set[str],
    ) -> DayFile:
        entries = [of_segments[one] for one in sorted(of_segments)]
        is_all_there = self._before <= self._ids and not any(map(self._found.is_pruned, entries))
        if held is None or is_all_there:
            return DayFile(partition, None, entries)
        return DayFile(partition, held, [of_segments[one] for one in sorted(late & of_segments.keys())])

    def _digests(self, replaces: set[str]) -> dict[str, str]:
        """What the objects of the replaced segments are; of those whose manifests are gone what it was."""
        before = {} if self._found.counting is None else self._found.counting.digests
        date = self._found.day.date
        now = {one.segment_id: digest_of(one.objects, date) for one in self._found.segments}
        return {name: digest for name, digest in sorted((before | now).items()) if name in replaces}

    def _times(self, replaces: set[str]) -> tuple[str, str]:
        """When the first of the replaced segments was opened, and when the last was sealed."""
        manifests = [one for one in self._found.segments if one.segment_id in replaces]
        manifests += [] if self._found.counting is None else [self._found.counting]
        return min(one.opened_at for one in manifests), max(one.sealed_at for one in manifests)


def took_turns(own: Iterable[ManifestObject], others: Sequence[ManifestObject]) -> bool:
    """Whether another host recorded between two objects of this one, and never at the same time.

    Such objects are read one after another. A day file would be as long as the day, and overlap the other host's.
    """
    spans, theirs = list(_spans(own)), list(_spans(others))
    if any(start <= their_end and their_start <= end for start, end in spans for their_start, their_end in theirs):
        return False
    first, last = min((start for start, _ in spans), default=""), max((end for _, end in spans), default="")
    return any(first < start < last for start, _ in theirs)


def _spans(entries: Iterable[ManifestObject]) -> Iterable[tuple[str, str]]:
    for entry in entries:
        if entry.received_min is not None and entry.received_max is not None:
            yield entry.received_min, entry.received_max


def _by_partition(found: Found) -> dict[ObjectPartition, dict[str, ManifestObject]]:
    """The date's objects, by partition and segment."""
    objects: dict[ObjectPartition, dict[str, ManifestObject]] = defaultdict(dict)
    for segment in found.segments:
        for entry in _of_date(segment, found.day):
            objects[entry.partition][segment.segment_id] = entry
    return objects


def _of_date(segment: Manifest, day: HostDate) -> Iterable[ManifestObject]:
    return (entry for entry in segment.objects if entry.date == day.date)


def _replaced(segment: Manifest) -> ReplacedSegment:
    return ReplacedSegment(
        segment_id=segment.segment_id,
        previous_segment=segment.previous_segment,
        opened_at=segment.opened_at,
        sealed_at=segment.sealed_at,
        dates=sorted({entry.date for entry in segment.objects}),
    )


def _name(partition: ObjectPartition) -> str:
    return f"{partition.exchange} {partition.symbol} {partition.data_type}"
