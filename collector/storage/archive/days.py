"""Names of day files: a host's day has one manifest a generation, the highest of which counts.

The id of a generation has the form of a segment's id, so whatever reads an archive's keys reads these: its time is the
day's date at second GENERATION, and its end is a hash of all the files are made of. Two programs that compact different
rows at the same time write under different names, and those that compact the same rows write the same bytes.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from collector.domain.names import SegmentId, is_segment_id, parse_segment_id


class HostDate(NamedTuple):
    """What day files are made of: series are comparable within a host only."""

    host: str
    date: str


def day_id(date: str, generation: int, suffix: str) -> str:
    """The id of a generation; `suffix` is six hex digits."""
    begin = datetime.fromisoformat(date).replace(tzinfo=UTC)
    return str(SegmentId(begin + timedelta(seconds=generation), suffix))


def is_day_id(segment_id: str) -> bool:
    """Whether an id, by its form alone, may be of one of a day's first 59 generations.

    A segment that begins in the first minute of a day has this form too; the manifest tells them apart for sure.
    """
    if not is_segment_id(segment_id):
        return False
    time = parse_segment_id(segment_id).time
    return (time.hour, time.minute) == (0, 0) and time.second > 0


def counting(keys: Iterable[str]) -> dict[HostDate, str]:
    """Of keys of day files' manifests, the one that counts for each host and date."""
    found: dict[HostDate, str] = {}
    for key in sorted(keys):
        host, segment_id = manifest_name(key)
        if is_segment_id(segment_id):
            found[HostDate(host, parse_segment_id(segment_id).date)] = key
    return found


def manifest_name(key: str) -> tuple[str, str]:
    """The host and the segment id in a manifest's or an object's key, as its file's name has them."""
    stem = key.rpartition("/")[2].rpartition(".")[0]
    host, _, rest = stem.rpartition("-")[0].rpartition("-")
    return host, f"{rest}-{stem.rpartition('-')[2]}"


def is_earlier_generation(segment_id: str, of: str) -> bool:
    """Whether one id is of the same day as the other, and not later: a manifest also names files that did not change."""
    if not (is_segment_id(segment_id) and is_segment_id(of)):
        return False
    return segment_id[:8] == of[:8] and segment_id <= of
