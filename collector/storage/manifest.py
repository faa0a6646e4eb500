"""The manifest of a segment: what its objects are, written last. A segment without one is not complete.

JSON with sorted keys; times are ISO 8601, UTC, always with microseconds. `rows` counts messages (undecoded ones too)
and `gaps` the rows of the ledger; an object's `rows` counts either. `received_*` are null for the gap ledger, and
`id_*`, which belong to the last series of the object, where the stream has no ids.
"""

import msgspec

from collector.domain.errors import DamagedError
from collector.domain.names import manifest_key


class ManifestObject(msgspec.Struct, frozen=True):
    """One object of a segment."""

    key: str
    rows: int
    bytes: int
    sha256: str
    exchange: str
    data_type: str
    symbol: str
    date: str
    received_min: str | None
    received_max: str | None
    id_min: int | None
    id_max: int | None


class Manifest(msgspec.Struct, frozen=True):
    """All objects of a segment, sorted by key, and what the segment was."""

    schema_version: int
    collector_version: str
    segment_id: str
    previous_segment: str | None
    host: str
    opened_at: str
    sealed_at: str
    rows: int
    gaps: int
    objects: list[ManifestObject]

    def encode(self) -> bytes:
        """The manifest's file: the same bytes for the same manifest."""
        return msgspec.json.format(msgspec.json.encode(self, order="sorted"), indent=1) + b"\n"


def decode_manifest(content: bytes) -> Manifest:
    """Read a manifest's file. Raises DamagedError for anything else."""
    try:
        return msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DamagedError(f"no manifest: {error}") from error


def manifest_under(key: str, content: bytes) -> Manifest:
    """Read the manifest that stands under `key`. Raises DamagedError for anything but a manifest in its own place."""
    manifest = decode_manifest(content)
    try:
        expected = manifest_key(manifest.host, manifest.segment_id)
    except ValueError as error:
        raise DamagedError(str(error)) from error
    if key != expected:
        raise DamagedError(f"it belongs to {expected}")
    return manifest
