"""A certificate: what an archive has of one day of a stream, what is proven of it, and what is missing. A format without I/O.

JSON with sorted keys; times are ISO 8601, UTC, with microseconds; lengths are whole microseconds, because a whole number
has one spelling everywhere. No time of making is in it: the same archive gives the same bytes (for one collector version).
"""

import base64
from datetime import date
from typing import Final, Literal

import msgspec

from collector.domain.errors import DamagedError
from collector.domain.names import DAY_US, ObjectPartition, object_key, time_us
from collector.domain.records import StreamKey
from collector.storage.archive.manifest import Int64

FORMAT: Final = 1
"""The number of the certificate's form."""

_KEY_BYTES: Final = 32
_SIGNATURE_BYTES: Final = 64

State = Literal["available", "degraded", "pending", "missing"]
Found = Literal["whole", "pruned", "missing", "differs"]


class CertifiedObject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An object with rows of the day, as its manifest names it."""

    key: str
    rows: Int64
    bytes: Int64
    sha256: str
    host: str
    segment_id: str
    schema_version: Int64
    collector_version: str
    """Of the program that made the object."""
    received_min: str | None
    received_max: str | None
    found: Found
    """`whole`: the store confirmed its size and checksum; `pruned`: a person removed it; `missing`: it is not there, and
    nobody pruned it; `differs`: other bytes are there."""
    pruned_at: str | None


class CertifiedGap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The latest ledger row of a gap that reaches into the day; its fields are the ledger's columns.

    What no ledger has stands here too: kind `not_archived`, `pruned`, or `damaged` for an object that is not as its
    manifest says.
    """

    exchange: str
    symbol: str
    """`_`: of the whole feed."""
    gap_id: str
    stream_type: str
    kind: str
    cause: str
    expected_id: str | None
    actual_id: str | None
    missing: Int64 | None
    started_at: str
    ended_at: str | None
    line: Int64 | None
    status: str
    repaired_by: str | None
    detected_at: str


class Certificate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One day of one stream. The four lengths are those of `condition`, and together the time that was judged."""

    format: Int64
    collector_version: str
    """Of the program that judged."""
    exchange: str
    symbol: str
    data_type: str
    date: str
    state: State
    judged_until: str
    """The end of the day; of a day that was not over, the moment up to which it was judged."""
    messages: Int64
    """Rows in the objects that are whole."""
    verified_us: Int64
    unverifiable_us: Int64
    broken_us: Int64
    absent_us: Int64
    unrepaired_gaps: Int64
    """Gaps that count against the day."""
    gaps: list[CertifiedGap]
    """By start."""
    objects: list[CertifiedObject]
    """By key."""

    @property
    def stream(self) -> StreamKey:
        """The stream it is of."""
        return StreamKey(self.exchange, self.symbol, self.data_type)

    def signed_bytes(self) -> bytes:
        """What a signature is of: the certificate as JSON on one line, keys sorted, without spaces (`jq -jcS .certificate`)."""
        return msgspec.json.encode(self, order="sorted")

    def contradictions(self) -> list[str]:
        """Where it contradicts itself, as one that was changed by hand does."""
        rows = sum(one.rows for one in self.objects if one.found == "whole")
        partition = ObjectPartition(self.exchange, self.data_type, self.symbol, self.date)
        strange = [one.key for one in self.objects if one.key != object_key(partition, one.host, one.segment_id)]
        return [
            *([f"it says {self.messages} messages, but its objects have {rows}"] if rows != self.messages else []),
            *(f"{key} is no object of this stream and day" for key in strange),
            *self._strange_lengths(),
        ]

    def _strange_lengths(self) -> list[str]:
        """How the lengths contradict the time that was judged."""
        begin = time_us(f"{self.date}T00:00:00Z")
        try:
            judged = time_us(self.judged_until) - begin
        except (ValueError, TypeError, OverflowError):
            return [f"it was judged until {self.judged_until!r}, which is no time"]
        if not 0 < judged <= DAY_US:
            return [f"it was judged until {self.judged_until}, which is not in its day"]
        lengths = self.verified_us, self.unverifiable_us, self.broken_us, self.absent_us
        counts = [*lengths, self.unrepaired_gaps]
        return [
            *(["a length or a count of it is below 0"] if min(counts) < 0 else []),
            *([f"its lengths are {sum(lengths)} us, but {judged} us were judged"] if sum(lengths) != judged else []),
        ]


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An Ed25519 signature (RFC 8032) of `Certificate.signed_bytes`."""

    algorithm: Literal["ed25519"]
    public_key: str
    """Its 32 bytes, in base64."""
    value: str
    """Its 64 bytes, in base64."""


class CertificateFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stands in a certificate's file."""

    certificate: Certificate
    signature: Signature | None

    def encode(self) -> bytes:
        """The bytes of the file."""
        return msgspec.json.format(msgspec.json.encode(self, order="sorted"), indent=1) + b"\n"


class _Numbered(msgspec.Struct):
    format: int


class _NumberedFile(msgspec.Struct):
    certificate: _Numbered


def decode_certificate(content: bytes) -> CertificateFile:
    """Read a certificate's file. Raises DamagedError for anything else, and for one of a newer program.

    Every byte must be as it was written: nothing may stand in the file that the signature does not cover.
    """
    try:
        number = msgspec.json.decode(content, type=_NumberedFile).certificate.format
        if number != FORMAT:
            raise DamagedError(f"a certificate of format {number}; this program reads format {FORMAT}")
        found = msgspec.json.decode(content, type=CertificateFile)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DamagedError(f"not a certificate: {error}") from error
    _require_date(found.certificate.date)
    if found.signature is not None:
        _require_signature(found.signature)
    if found.encode() != content:
        raise DamagedError("not a certificate as it was written: its values read the same, but its bytes differ")
    return found


def to_base64(content: bytes) -> str:
    """Bytes as a signature's text."""
    return base64.b64encode(content).decode("ascii")


def from_base64(text: str) -> bytes:
    """The bytes of a signature's text. Raises ValueError."""
    return base64.b64decode(text, validate=True)


def _require_date(text: str) -> None:
    try:
        is_date = date.fromisoformat(text).isoformat() == text
    except ValueError:
        is_date = False
    if not is_date:
        raise DamagedError(f"not a certificate: its date is {text!r}")


def _require_signature(signature: Signature) -> None:
    """Raise DamagedError unless key and signature are as long as Ed25519's."""
    try:
        lengths = len(from_base64(signature.public_key)), len(from_base64(signature.value))
    except ValueError as error:
        raise DamagedError(f"not a certificate: its signature is not base64: {error}") from error
    if lengths != (_KEY_BYTES, _SIGNATURE_BYTES):
        raise DamagedError(f"not a certificate: a key of {lengths[0]} bytes and a signature of {lengths[1]}")


def stream_key(stream: StreamKey, date: str) -> str:
    """Where a day of a stream stands in an archive, and its certificate in the folder of all, with `.json` appended."""
    partition = ObjectPartition(stream.exchange, stream.data_type, stream.symbol, date)
    return object_key(partition, "", "").rpartition("/")[0]
