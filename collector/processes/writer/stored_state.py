"""Encodes and decodes stored state, and checks that it can be read: SQLite does not detect a corrupt byte in a value."""

from typing import Annotated

import msgspec

from collector.domain.counts import RunCounts
from collector.domain.errors import DamagedError
from collector.domain.records import INT64_MAX, IdRule
from collector.domain.sequence.stream_progress import decode_progress
from collector.processes.writer.gaps.feed_state import FeedState
from collector.storage.segment.state import SegmentState

_Id = Annotated[int, msgspec.Meta(le=INT64_MAX)]
_Value = Annotated[int, msgspec.Meta(ge=0)]
"""MessagePack has no integers beyond 64 bits, with or without a sign."""

decode_recent = msgspec.msgpack.Decoder(dict[_Id, _Value]).decode
decode_feed = msgspec.msgpack.Decoder(FeedState).decode
encode_feed = msgspec.msgpack.Encoder().encode
_decode_counts = msgspec.json.Decoder(RunCounts).decode


def decode_counts(text: str) -> RunCounts:
    """Decode the counts that belong to no stream. An older program stored none: then all are zero."""
    return _decode_counts(text) if text else RunCounts()


def encode_counts(counts: RunCounts) -> str:
    """The inverse of `decode_counts`."""
    return msgspec.json.encode(counts).decode()


def require_readable(state: SegmentState, where: object) -> None:
    """Raise DamagedError, with `where` the state was found, if any of it cannot be decoded."""
    try:
        for row in state.streams:
            IdRule(row.id_rule)
            decode_progress(row.state)
        for ids in state.recents.values():
            decode_recent(ids)
        for content in state.feeds.values():
            decode_feed(content)
        decode_counts(state.counts)
    except (ValueError, TypeError) as error:
        raise DamagedError(f"{where}: stored state cannot be read: {error}") from error
