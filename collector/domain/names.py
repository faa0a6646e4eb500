"""Names and ids of feeds, segments, objects and gaps, on disk and in the store.

Each name depends on the arguments alone, so a repeat after a crash makes the same names.
"""

import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from urllib.parse import quote, unquote

from collector.domain.records import StreamKey

MANIFEST_FOLDER: Final = "_manifest"
"""Readers of a hive-partitioned tree skip folders whose name begins with an underscore."""

PRUNED_FOLDER: Final = f"{MANIFEST_FOLDER}/pruned"
"""Where the records of pruned objects stand, a file a date."""

OBJECT_SUFFIX: Final = ".parquet"

DAY_US: Final = 86_400_000_000

END_US: Final = 253_402_300_800_000_000
"""The beginning of the year 10000, from which on `datetime` has no dates."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PATH_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SEGMENT_ID: Final = re.compile(r"([0-9]{8}T[0-9]{6}Z)-([0-9a-f]{6})")
_OBJECT_KEY: Final = re.compile(
    r"exchange=([^/]+)/data_type=([^/]+)/symbol=([^/]+)/date=([0-9]{4}-[0-9]{2}-[0-9]{2})/[^/]+"
    + re.escape(OBJECT_SUFFIX)
)
_SEGMENT_TIME: Final = "%Y%m%dT%H%M%SZ"


class SegmentId(NamedTuple):
    """A segment's id, parsed."""

    time: datetime
    """Whole seconds, UTC; strictly later than the previous segment's."""
    suffix: str

    def __str__(self) -> str:
        """The id as used in file names: `20261123T120000Z-4f2a9c`."""
        return f"{self.time.strftime(_SEGMENT_TIME)}-{self.suffix}"

    @property
    def date(self) -> str:
        """The id's date, which is the manifest's partition: YYYY-MM-DD."""
        return self.time.date().isoformat()


class ObjectPartition(NamedTuple):
    """The partition keys of an object; they are part of its path, not columns of it."""

    exchange: str
    data_type: str
    symbol: str
    date: str
    """UTC, YYYY-MM-DD."""


def is_path_name(text: str) -> bool:
    """Whether a feed or host name can be part of a path: 1 to 64 of `A-Z a-z 0-9 . _ -`, and not `.` or `..`."""
    return _PATH_NAME.fullmatch(text) is not None and text not in {".", ".."}


def encode_partition_value(value: str) -> str:
    """Percent-encode everything except RFC 3986's unreserved characters, as UTF-8, in upper-case hex."""
    return quote(value, safe="")


def object_key(partition: ObjectPartition, host: str, segment_id: str) -> str:
    """The store's key of the object with the rows of one stream, date and segment."""
    folders = [f"{key}={encode_partition_value(value)}" for key, value in partition._asdict().items()]
    return "/".join([*folders, f"{host}-{segment_id}{OBJECT_SUFFIX}"])


def partition_in(key: str) -> ObjectPartition | None:
    """The partition that an object's key names; None for any other key."""
    match = _OBJECT_KEY.fullmatch(key)
    return None if match is None else ObjectPartition(*map(unquote, match.groups()))


def pruned_key(date: str) -> str:
    """The store's key of the record of what was pruned of a date."""
    return f"{PRUNED_FOLDER}/{date}.json"


def manifest_key(host: str, segment_id: str) -> str:
    """The store's key of a segment's manifest. Raises ValueError if `segment_id` is not a segment id."""
    return f"{MANIFEST_FOLDER}/date={parse_segment_id(segment_id).date}/{host}-{segment_id}.json"


def make_segment_id(now_us: int, previous: str | None, suffix: str) -> str:
    """The id of a new segment: the time now, but at least 1 s after the previous id's, so that ids sort in the order made.

    `suffix` is six random hex digits. Raises ValueError if it is not, or if `previous` is not a segment id.
    """
    time = (_EPOCH + timedelta(microseconds=now_us)).replace(microsecond=0)
    if previous is not None:
        time = max(time, parse_segment_id(previous).time + timedelta(seconds=1))
    segment_id = str(SegmentId(time, suffix))
    parse_segment_id(segment_id)
    return segment_id


def parse_segment_id(text: str) -> SegmentId:
    """Parse a segment's id. Raises ValueError if `text` is not one."""
    match = _SEGMENT_ID.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a segment id such as 20261123T120000Z-4f2a9c")
    return SegmentId(datetime.strptime(match[1], _SEGMENT_TIME).replace(tzinfo=UTC), match[2])


def is_segment_id(text: str) -> bool:
    """Whether `text` is a valid segment id."""
    try:
        parse_segment_id(text)
    except ValueError:
        return False
    return True


def gap_id(stream: StreamKey, series: int, kind: str, expected_id: str | None, started_at: int) -> str:
    """The id of a gap, 16 hex digits. It depends on what the gap is, so a row that closes or repairs it has the same id."""
    identity = json.dumps([*stream, series, kind, expected_id, started_at], separators=(",", ":"))
    return hashlib.blake2b(identity.encode(), digest_size=8).hexdigest()


def date_of(day: int) -> str:
    """The date of a day since the epoch, YYYY-MM-DD. Raises OverflowError outside the years 1 to 9999."""
    return (_EPOCH + timedelta(days=day)).date().isoformat()


def first_kept_date(now_us: int, days: int) -> str:
    """The first date that stays where what is older than so many days goes. Raises OverflowError before the year 1.

    A day goes once its last moment is so old: never is less kept than was asked for.
    """
    return ((_EPOCH + timedelta(microseconds=now_us)).date() - timedelta(days=days)).isoformat()


def iso_time(time_us: int) -> str:
    """Format as ISO 8601, UTC, always with microseconds."""
    return (_EPOCH + timedelta(microseconds=time_us)).isoformat(timespec="microseconds").replace("+00:00", "Z")


def time_us(text: str) -> int:
    """Microseconds since the epoch of an ISO 8601 time with a UTC offset.

    Raises ValueError if `text` is not such a time, TypeError if the offset is missing.
    """
    since = datetime.fromisoformat(text) - _EPOCH
    return since // timedelta(microseconds=1)
