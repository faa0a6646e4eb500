"""Whether stored state can be read: SQLite's own check says nothing of a rotten byte within a value."""

import msgspec

from collector.domain.counts import RunCounts
from collector.domain.errors import DamagedError
from collector.domain.records import IdRule
from collector.domain.sequence.stream_progress import StreamProgress
from collector.processes.writer.gaps.feed_state import FeedState
from collector.storage.segment.state import SegmentState

decode_progress = msgspec.msgpack.Decoder(StreamProgress).decode
decode_recent = msgspec.msgpack.Decoder(dict[int, int]).decode
decode_feed = msgspec.msgpack.Decoder(FeedState).decode
encode_feed = msgspec.msgpack.Encoder().encode
_decode_counts = msgspec.json.Decoder(RunCounts).decode


def decode_counts(text: str) -> RunCounts:
    """What was counted beside the streams; an older program did not count it."""
    return _decode_counts(text) if text else RunCounts()


def encode_counts(counts: RunCounts) -> str:
    """The inverse."""
    return msgspec.json.encode(counts).decode()


def require_readable(state: SegmentState, where: object) -> None:
    """Raises DamagedError, naming `where` the state stands, unless all of it is what a writer stores."""
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
