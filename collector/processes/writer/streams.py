"""The writer's state of each stream, and how it is stored with a commit, carried over a seal, and restored."""

import zlib
from collections import Counter
from collections.abc import Callable, Collection, Container, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec

from collector.domain.counts import StreamCounts
from collector.domain.coverage import Coverage
from collector.domain.errors import DamagedError
from collector.domain.records import BACKFILLED_LINE, IdRule, StreamKey
from collector.domain.sequence.dedup import DuplicateFilter
from collector.domain.sequence.line_places import LinePlaces
from collector.domain.sequence.stream_progress import StreamProgress, decode_progress
from collector.domain.sequence.verdict import Verdict
from collector.domain.silence import Bounds, SilenceLimit, StreamActivity
from collector.processes.writer.edge_clock import EdgeClocks
from collector.processes.writer.stored_state import decode_feed, decode_recent
from collector.reports import StreamNumbers
from collector.storage.segment.blocks import Messages
from collector.storage.segment.newest import IsEnough
from collector.storage.segment.open_segment import OnProgress
from collector.storage.segment.state import SegmentState, StreamRow

BOOKS_KEPT: Final = 4
"""Number of newest whole books of a stream that are remembered: more than come within the reorder window."""

_encode = msgspec.msgpack.Encoder().encode


@dataclass(slots=True)
class StreamState:
    """One stream in the writer. Counts are those of this run, over all incarnations of its writer."""

    stream_id: int
    key: StreamKey
    feed: str
    rule: IdRule
    dedup: DuplicateFilter
    silence_limit: SilenceLimit
    is_silent: bool = False
    """Whether an open gap row says that it is silent."""
    is_redundant: bool = field(init=False)
    """Whether several lines have stood at once since its ingest began."""
    judge: Callable[[int, int | None, int | None, int, int, int, int], Verdict] = field(init=False)
    """As `DuplicateFilter.judge`; it also counts what lines saved, if there are several."""
    messages: int = 0
    bytes: int = 0
    duplicates: int = 0
    duplicate_bytes: int = 0
    late: int = 0
    gaps: dict[int, int] = field(default_factory=dict)
    """Number of rows of the gap ledger by `GAP_CODES`."""
    saved: int = 0
    """Messages that one line skipped and another one brought; see `domain/sequence/line_places`."""
    first: dict[int, int] = field(default_factory=dict)
    """Messages by the line that brought them first, since several lines have stood; those of commits."""
    stored: int = 0
    """The part of `messages` whose commit is durable; likewise for `bytes` and `gaps` below."""
    stored_bytes: int = 0
    stored_gaps: int = 0
    last_row: int | None = None
    """Number of its newest message in the open segment; None if that has none of it."""
    last_id: int | None = None
    """Id of its newest message."""
    last_received_us: int | None = None
    awaits_book: bool = False
    """Whether nothing of it came since no connection carried it, and no id would show what is missing of its book."""
    is_at_border: bool = False
    """Whether the next messages are to be remembered as those after an outage."""
    last_durable_us: int | None = None
    durable_received_us: int | None = None
    """When the newest durable message was received over a socket."""

    @property
    def proves_continuity(self) -> bool:
        """Whether its ids show what is missing: not where the exchange leaves them out of messages that should have one."""
        return self.rule.proves_continuity and self.dedup.progress.last_id is not None

    @property
    def needs_each(self) -> bool:
        """Whether its next message is to be taken by itself."""
        return self.is_silent or self.awaits_book or self.is_at_border

    @property
    def lacks_book(self) -> bool:
        """Whether no book goes with its newest updates, or a hole may still turn out to be one in its book."""
        return self.dedup.progress.book_unknown is not None or self.dedup.holes.unsettled

    def book_came(self, received_us: int, last_id: int | None) -> None:
        """Note that a whole book came, which goes up to that id."""
        progress = self.dedup.progress
        progress.books = (*progress.books, (received_us, last_id or 0))[-BOOKS_KEPT:]

    def book_since(self, from_id: int, at_us: int) -> tuple[int, int] | None:
        """When the first whole book came that the update `from_id`, received at `at_us`, fits to, and its id; None if none did.

        Where ids prove continuity, any book that reaches the update will do: it may have been asked for before the break
        was proven. Elsewhere, and where `from_id` is no id but `at_us`, too, only one that came later.
        """
        return next((book for book in self.dedup.progress.books if self._fits(book, from_id, at_us)), None)

    def _fits(self, book: tuple[int, int], from_id: int, at_us: int) -> bool:
        if self.rule.proves_continuity and from_id != at_us:
            return book[1] >= from_id - 1
        # Messages of one read have one time, so their ids tell which came first.
        return book >= (at_us, from_id - 1)

    def note_stored(self, durable_us: int) -> None:
        """Note that everything counted so far is durable now."""
        self._all_is_stored()
        if self.last_received_us != self.durable_received_us:
            # Messages fetched over REST do not show that the exchange still sends.
            self.durable_received_us, self.last_durable_us = self.last_received_us, durable_us

    def resume(self, counts: StreamCounts) -> None:
        """Continue from the counts that this run has committed."""
        self.messages, self.bytes, self.late = counts.messages, counts.bytes, counts.late
        self.duplicates, self.duplicate_bytes = counts.duplicates, counts.duplicate_bytes
        self.gaps, self.saved, self.first = dict(counts.gaps), counts.saved, dict(counts.first)
        self._all_is_stored()

    def __post_init__(self) -> None:
        """Choose how its messages are judged."""
        self._note_redundant()

    def _note_redundant(self) -> None:
        self.is_redundant = bool(self.dedup.progress.lines.places)
        self.judge = self._judge_of_lines if self.is_redundant else self.dedup.judge

    def _judge_of_lines(
        self, message_id: int, first_id: int | None, exchange_us: int | None, received_us: int, digest: int, line: int,
        connection: int,
    ) -> Verdict:  # fmt: skip
        verdict = self.dedup.judge(message_id, first_id, exchange_us, received_us, digest, line, connection)
        is_new = verdict is not Verdict.COPY and verdict is not Verdict.CONFLICT
        self.saved += self.dedup.saved_by(line, message_id, first_id, is_new=is_new)
        return verdict

    def begin_line(self, line: int, standing: Collection[int], *, alone: bool) -> bool:
        """See `DuplicateFilter.begin_line`."""
        changed = self.dedup.begin_line(line, standing, alone=alone)
        self._note_redundant()
        return changed

    def forget_lines(self, lines: Container[int] | None = None) -> None:
        """Note that another incarnation of its ingest begins, with all lines or these: what its start costs is not counted."""
        self.dedup.progress.lines = LinePlaces() if lines is None else self.dedup.progress.lines.without(lines)
        self._note_redundant()

    def share(self, coverage: Coverage | None) -> None:
        """Note which sources carry it."""
        self.dedup.progress.activity.coverage = coverage
        self.dedup.progress.is_shared = coverage is not None and coverage.is_shared

    def note_first(self, lines: Iterable[int]) -> None:
        """Count messages of a commit by the lines that brought them."""
        if self.is_redundant:
            for line, count in Counter(lines).items():
                self.first[line] = self.first.get(line, 0) + count

    def needs_no_older(self, messages: int, oldest_us: int) -> bool:
        """Whether so many of its newest messages, none received before that, are all that may still be compared."""
        return self.rule is IdRule.NONE or self.dedup.covers(messages, self.last_message_us - oldest_us)

    def remember(self, messages: Messages, clocks: EdgeClocks) -> None:
        """Keep the ids of stored messages as recent ones, but for those that were fetched over REST or came late."""
        if self.rule is IdRule.NONE or messages.lines[0] == BACKFILLED_LINE or messages.is_late:
            return
        dedup = self.dedup
        remember = dedup.remember if messages.series == dedup.progress.series else dedup.remember_ended
        times_us = clocks.received_us(self.feed, messages)
        for message_id, received_us, payload in zip(messages.ids, times_us, messages.payloads, strict=True):
            remember(message_id, received_us, zlib.crc32(payload))

    def _all_is_stored(self) -> None:
        self.stored, self.stored_bytes = self.messages, self.bytes
        self.stored_gaps = sum(self.gaps.values()) if self.gaps else 0

    def numbers(self) -> StreamNumbers:
        """The stream's numbers for the report."""
        return StreamNumbers(
            *self.key, self.messages, self.bytes, self.duplicates, self.duplicate_bytes, self.stored,
            self.stored_bytes, self.stored_gaps, self.last_received_us, self.last_durable_us, self.silence_limit.limit_secs,
            self.saved if self.proves_continuity else None, tuple(self.first.items()),
        )  # fmt: skip

    @property
    def last_message_us(self) -> int:
        """When its newest message was received, by this writer or an earlier one; 0 if there was none."""
        return self.last_received_us or self.dedup.progress.activity.last_message_us

    @property
    def activity(self) -> StreamActivity:
        """When it last had messages and connections, as of now."""
        activity = self.dedup.progress.activity
        activity.last_message_us = self.last_message_us
        return activity

    def row(self, run_id: str = "") -> StreamRow:
        """The stream's row for the next commit."""
        progress, last_message_us = self.dedup.progress, self.last_message_us
        progress.activity.last_message_us = last_message_us
        progress.counts = StreamCounts(
            run_id, self.messages, self.bytes, self.duplicates, self.duplicate_bytes, self.late, self.gaps,
            self.saved, self.first,
        )  # fmt: skip
        return StreamRow(
            self.stream_id, *self.key, self.feed, self.rule.value, _encode(progress), self.last_row,
            self.last_id, last_message_us or None,
        )  # fmt: skip


class StreamTable:
    """Every stream ever stored in this data directory, by key. New ones get the next stream_id."""

    def __init__(self, overlap_secs: float, silence: Bounds, run_id: str = "") -> None:
        """`overlap_secs` is how far one connection may lag behind another. `silence` bounds the streams' silence limits.
        Counts of the run `run_id` are continued.
        """
        self._run_id = run_id
        self.overlap_secs = overlap_secs
        self._silence = silence
        self._by_key: dict[StreamKey, StreamState] = {}
        self._next_id = 1

    def __iter__(self) -> Iterator[StreamState]:
        """All streams, in order of their ids."""
        return iter(self._by_key.values())

    @property
    def first_message_limit_secs(self) -> float:
        """Seconds a stream may be silent before its first message."""
        return self._silence.unlearned_secs

    def __len__(self) -> int:
        """Number of streams."""
        return len(self._by_key)

    def get(self, key: StreamKey) -> StreamState | None:
        """The stream with that key, if anything of it was ever stored."""
        return self._by_key.get(key)

    def add(self, key: StreamKey, feed: str, rule: IdRule) -> StreamState:
        """Add a new stream, brought by that feed."""
        return self._make(self._next_id, key, feed, rule, StreamProgress(), {})

    def move(self, stream: StreamState, feed: str) -> None:
        """Note that the stream is brought by that feed from now on."""
        stream.feed = feed

    def restore(self, state: SegmentState, newest: Callable[[IsEnough], Iterator[list[Messages]]]) -> None:
        """Restore all streams from a segment: their state of its last commit, and their recent ids.

        `newest` yields their newest messages in order of commits, see `OpenSegment.newest`.
        """
        by_id: dict[int, StreamState] = {}
        clocks = EdgeClocks(map(decode_feed, state.feeds.values()), state.feeds)
        for row in sorted(state.streams):
            recent = decode_recent(state.recents[row.stream_id]) if row.stream_id in state.recents else {}
            key = StreamKey(row.exchange, row.symbol, row.data_type)
            progress = decode_progress(row.state)
            stream = self._make(row.stream_id, key, row.feed, IdRule(row.id_rule), progress, recent)
            stream.last_row, stream.last_id = row.last_row, row.last_id
            by_id[row.stream_id] = stream

        def is_enough(stream_id: int, count: int, oldest_us: int) -> bool:
            stream = by_id[stream_id]
            return stream.needs_no_older(count, oldest_us + clocks.most_behind_us(stream.feed))

        for block in newest(is_enough):
            for messages in block:
                if messages.stream_id not in by_id:
                    raise DamagedError(f"there are messages of stream {messages.stream_id}, but no such stream")
                by_id[messages.stream_id].remember(messages, clocks)

    def state(self, on_progress: OnProgress) -> tuple[list[StreamRow], dict[int, bytes]]:
        """The rows and the recent ids of all streams, for a new segment."""
        recents = {}
        for stream in self:
            on_progress()
            if stream.dedup.recent:
                recents[stream.stream_id] = _encode(stream.dedup.recent)
        return self.rows(self, on_progress), recents

    def begin_segment(self) -> None:
        """Note that a new segment has begun, which has no messages yet."""
        for stream in self:
            stream.last_row = None

    def rows(self, streams: Iterable[StreamState], on_progress: OnProgress) -> list[StreamRow]:
        """The rows of these streams."""
        rows = []
        for stream in streams:
            on_progress()
            rows.append(stream.row(self._run_id))
        return rows

    def _make(
        self, stream_id: int, key: StreamKey, feed: str, rule: IdRule, progress: StreamProgress, recent: dict[int, int]
    ) -> StreamState:
        dedup = DuplicateFilter(rule=rule, overlap_secs=self.overlap_secs, progress=progress, recent=recent)
        activity = progress.activity
        silence_limit = SilenceLimit(self._silence, activity.learned)
        is_silent = activity.silent_since_us is not None
        stream = self._by_key[key] = StreamState(stream_id, key, feed, rule, dedup, silence_limit, is_silent)
        stream.is_at_border = any(outage.is_open for outage in activity.past_outages)
        stream.awaits_book = progress.book_unknown is not None and not progress.book_unknown.since_us
        if progress.counts.run_id == self._run_id:
            stream.resume(progress.counts)
        self._next_id = max(self._next_id, stream_id + 1)
        return stream
