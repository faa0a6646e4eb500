"""The manifest of a segment: lists its objects and is written last. A segment without one is not complete.

JSON with sorted keys; times are ISO 8601, UTC, always with microseconds. `rows` counts messages (undecoded ones too)
and `gaps` the rows of the ledger; an object's `rows` counts either. `received_*` are null for the gap ledger, and
`id_*`, which belong to the last series of the object, where the stream has no ids.
"""

import hashlib
from collections.abc import Iterable
from typing import Annotated

import msgspec

from collector.domain.errors import DamagedError
from collector.domain.names import ObjectPartition
from collector.domain.records import GAP

Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""Numbers that can be written again: msgspec reads larger ones than it writes."""


class ManifestObject(msgspec.Struct, frozen=True):
    """One object of a segment."""

    key: str
    rows: Int64
    bytes: Int64
    sha256: str
    exchange: str
    data_type: str
    symbol: str
    date: str
    received_min: str | None
    received_max: str | None
    id_min: Int64 | None
    id_max: Int64 | None

    @property
    def partition(self) -> ObjectPartition:
        """Where it stands."""
        return ObjectPartition(self.exchange, self.data_type, self.symbol, self.date)


class ReplacedSegment(msgspec.Struct, frozen=True):
    """What a manifest of day files says of a segment of which it replaces every object of its date.

    Readers need not read the segment's own manifest if those of all its dates say so.
    """

    segment_id: str
    previous_segment: str | None
    opened_at: str
    sealed_at: str
    dates: list[str]
    """Every date that it has objects of."""


class Manifest(msgspec.Struct, frozen=True, omit_defaults=True):
    """The facts of a segment and all its objects, sorted by key. One of day files also has the last four fields."""

    schema_version: Int64
    collector_version: str
    segment_id: str
    previous_segment: str | None
    host: str
    opened_at: str
    sealed_at: str
    rows: Int64
    gaps: Int64
    objects: list[ManifestObject]
    generation: Int64 = 0
    """Of the day files of a host and date; the highest counts. 0: the manifest is a segment's."""
    replaces: list[str] = []
    """Segments whose objects of the date are in the day files, as far as they are of streams that have day files here."""
    segments: list[ReplacedSegment] = []
    """Those of them that are replaced whole."""
    digests: dict[str, str] = {}
    """Of the segments in `replaces` what `digest_of` said of their objects of the date. Day files of older versions lack it."""

    def encode(self) -> bytes:
        """The bytes of the manifest's file, always the same for the same manifest."""
        return msgspec.json.format(msgspec.json.encode(self, order="sorted"), indent=1) + b"\n"


def decode_manifest(content: bytes) -> Manifest:
    """Read a manifest's file. Raises DamagedError for anything else."""
    try:
        return msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DamagedError(f"not a manifest: {error}") from error


def counted(objects: list[ManifestObject]) -> tuple[int, int]:
    """The number of messages and of gap rows in the objects: a manifest's `rows` and `gaps`."""
    gaps = sum(entry.rows for entry in objects if entry.data_type == GAP)
    return sum(entry.rows for entry in objects) - gaps, gaps


def digest_of(objects: Iterable[ManifestObject], date: str) -> str:
    """A short text that changes if a segment's objects of a date are others, whatever else of its manifest changes."""
    found = sorted((entry.key, entry.sha256) for entry in objects if entry.date == date)
    return hashlib.blake2b(msgspec.json.encode(found), digest_size=8).hexdigest()
