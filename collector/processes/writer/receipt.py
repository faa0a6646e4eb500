"""How the frames of a record were received: over which connection, when, and what ids they get that have none."""

import zlib
from typing import Final, NamedTuple

from collector.storage.journal.format import FeedIdentity, JournalHeader, Record

_OFFSET_BITS: Final = 36
"""A message without an id gets one: the journal's number in the upper bits, its offset in the file (below 64 GiB) below."""

_CONNECTION_BITS: Final = 17
"""A connection is identified by its incarnation of ingest in the upper bits and its number below; an older journal does
not name the connection, so its line is used instead of the number."""

NUMBER_MASK: Final = (1 << _CONNECTION_BITS) - 1
"""The bits of a connection that hold its number, as the heads of records name it."""

_UNNUMBERED: Final = 1 << 16


class Receipt(NamedTuple):
    """How the frames of a record were received."""

    identity: FeedIdentity
    received_us: int
    line: int
    connection: int
    """Identifies the connection among those of all incarnations of ingest."""
    made_ids: int
    """The id of a message without one is this and its frame's offset in this host's journal file."""


def incarnation_of(writer_id: str) -> int:
    """Identifies the incarnation of ingest in the upper bits of its connections."""
    return zlib.crc32(writer_id.encode()) << _CONNECTION_BITS


def receipt_of(header: JournalHeader, number: int, incarnation: int, record: Record) -> Receipt:
    """How the frames of a record were received; `number` is that of this host's journal file, which holds the record."""
    connection = incarnation | (record.connection or _UNNUMBERED + record.line)
    made_ids = number << _OFFSET_BITS
    return Receipt(header.identity, record.received_ns // 1_000, record.line, connection, made_ids)
