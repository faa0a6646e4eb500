"""Names and ids: what a feed, a segment, an object and a gap are called on disk and in the store.

Everything here follows from its arguments alone, so a repeat after a crash arrives at the same names.
"""

import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from urllib.parse import quote

from collector.domain.records import StreamKey

MANIFEST_FOLDER: Final = "_manifest"
"""Readers of a hive-partitioned tree pass over folders whose name begins with an underscore."""

OBJECT_SUFFIX: Final = ".parquet"

DAY_US: Final = 86_400_000_000

END_US: Final = 253_402_300_800_000_000
"""The beginning of the year 10000: from there on no time has a date."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PATH_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SEGMENT_ID: Final = re.compile(r"([0-9]{8}T[0-9]{6}Z)-([0-9a-f]{6})")
_SEGMENT_TIME: Final = "%Y%m%dT%H%M%SZ"


class SegmentId(NamedTuple):
    """What a segment's id says."""

    time: datetime
    """Whole seconds, UTC; strictly later than the previous segment's."""
    suffix: str

    def __str__(self) -> str:
        """The id as it stands in file names: `20261123T120000Z-4f2a9c`."""
        return f"{self.time.strftime(_SEGMENT_TIME)}-{self.suffix}"

    @property
    def date(self) -> str:
        """The id's date, as the manifest's partition."""
        return self.time.date().isoformat()


class ObjectPartition(NamedTuple):
    """The partition keys of an object: they stand in its path, never in its columns."""

    exchange: str
    data_type: str
    symbol: str
    date: str
    """UTC, YYYY-MM-DD."""


def is_path_name(text: str) -> bool:
    """Whether a feed or host name can be part of a path: 1 to 64 of `A-Z a-z 0-9 . _ -`, and not `.` or `..`."""
    return _PATH_NAME.fullmatch(text) is not None and text not in {".", ".."}


def encode_partition_value(value: str) -> str:
    """Percent-encode all but RFC 3986's unreserved characters, as UTF-8, in upper-case hex."""
    return quote(value, safe="")


def object_key(partition: ObjectPartition, host: str, segment_id: str) -> str:
    """Where in the store the rows of one stream, date and segment stand."""
    folders = [f"{key}={encode_partition_value(value)}" for key, value in partition._asdict().items()]
    return "/".join([*folders, f"{host}-{segment_id}{OBJECT_SUFFIX}"])


def manifest_key(host: str, segment_id: str) -> str:
    """Where in the store a segment's manifest stands. Raises ValueError for what is no segment id."""
    return f"{MANIFEST_FOLDER}/date={parse_segment_id(segment_id).date}/{host}-{segment_id}.json"


def make_segment_id(now_us: int, previous: str | None, suffix: str) -> str:
    """Name a new segment: the time now, but at least 1 s after the previous id's time, so that ids sort in the order made.

    `suffix` is six random hex digits. Raises ValueError if it is not, or `previous` is no segment id.
    """
    time = (_EPOCH + timedelta(microseconds=now_us)).replace(microsecond=0)
    if previous is not None:
        time = max(time, parse_segment_id(previous).time + timedelta(seconds=1))
    segment_id = str(SegmentId(time, suffix))
    parse_segment_id(segment_id)
    return segment_id


def parse_segment_id(text: str) -> SegmentId:
    """Read a segment's id. Raises ValueError if `text` is none."""
    match = _SEGMENT_ID.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no segment id such as 20261123T120000Z-4f2a9c")
    return SegmentId(datetime.strptime(match[1], _SEGMENT_TIME).replace(tzinfo=UTC), match[2])


def is_segment_id(text: str) -> bool:
    """Whether `parse_segment_id` reads it."""
    try:
        parse_segment_id(text)
    except ValueError:
        return False
    return True


def gap_id(stream: StreamKey, series: int, kind: str, expected_id: str | None, started_at: int) -> str:
    """Name a gap by what it is, so that a row that closes or repairs it carries the same id: 16 hex digits."""
    identity = json.dumps([*stream, series, kind, expected_id, started_at], separators=(",", ":"))
    return hashlib.blake2b(identity.encode(), digest_size=8).hexdigest()


def date_of(day: int) -> str:
    """The date of a day since the epoch, YYYY-MM-DD. Raises OverflowError outside the years 1 to 9999."""
    return (_EPOCH + timedelta(days=day)).date().isoformat()


def iso_time(time_us: int) -> str:
    """A time as people and JSON readers know it: ISO 8601, UTC, always with microseconds."""
    return (_EPOCH + timedelta(microseconds=time_us)).isoformat(timespec="microseconds").replace("+00:00", "Z")


def time_us(text: str) -> int:
    """The time that `iso_time` wrote so. Raises ValueError for anything else."""
    since = datetime.fromisoformat(text) - _EPOCH
    return since // timedelta(microseconds=1)
