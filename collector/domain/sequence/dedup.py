"""Judges by id whether a message is new or a copy. Only judges; processes/writer/frame_processor.py drops the copies.

What cannot be proven a copy counts as new, so nothing is lost. Each stream has a filter with the ids and digests of its
newest messages. For dense ids it also keeps the holes, so an id far back is known to be a copy (outside every hole) or
late (inside one). A dense id that falls back while the exchange's own time moves on means that the exchange restarted
its ids: a new series begins. If that id is missing, or came with different content, time must have moved on by more than
messages come out of order. Ids that only rise are compared line by line (`rising`). Ids in no order show copies and
nothing else. How far back the recent ids have to reach says `lag`.
"""

from collections.abc import Collection
from typing import Final

from collector.domain.past_outage import Known
from collector.domain.records import IdRule
from collector.domain.sequence.conflicts import forget_conflicts, is_conflict
from collector.domain.sequence.echoes import is_echo
from collector.domain.sequence.exchange_time import has_moved_on, note_time, older_sent_us
from collector.domain.sequence.hole import REFUSED
from collector.domain.sequence.lag import is_outlived, lag_us, overlaps
from collector.domain.sequence.reach import note_snapshot, reach
from collector.domain.sequence.recent_ids import (
    DIGEST_MASK,
    RECENT_LIMIT,
    Recent,
    newest,
    packed,
    received_us_of,
    split,
    within,
)
from collector.domain.sequence.rising import begin_rising_line, note_rising, stepped_back_from
from collector.domain.sequence.stream_holes import StreamHoles
from collector.domain.sequence.stream_progress import StreamProgress, next_series
from collector.domain.sequence.stretch import Stretch, continues, times_fit
from collector.domain.sequence.verdict import Verdict
from collector.domain.silence import LEFT
from collector.domain.times import sound_us

RECENT_IDS: Final = 256
"""Minimum number of recent ids kept per stream; a slow stream keeps at most twice as many."""

RECENT_DENSE_IDS: Final = 48
"""The minimum for dense ids. Fewer suffice: the last id and the holes recognise copies; recent ids only detect different
content under one id."""


class DuplicateFilter:
    """Judges the messages of one stream. A verdict depends on earlier calls alone.

    While connections overlap, one may lag `overlap_secs` behind the other. For as long as any may lag, the filter also
    keeps the ids of the series that ended.
    """

    __slots__ = (
        "_dense", "_ended", "_overlap_us", "_recent", "_rises", "holes", "min_kept", "progress", "stepped_back_from",
    )  # fmt: skip

    def __init__(self, *, rule: IdRule, overlap_secs: float, progress: StreamProgress, recent: dict[int, int]) -> None:
        self._dense = rule.proves_continuity
        self._rises = rule is IdRule.RISING
        self.progress = progress
        self.holes = StreamHoles(progress)
        self._overlap_us = round(overlap_secs * 1e6)
        self.min_kept = RECENT_DENSE_IDS if self._dense else RECENT_IDS
        """How many of the newest ids are kept at least."""
        self._ended, running = split(recent, progress.restarted_us)
        self._recent = Recent(within(running, self._overlap_us, self.min_kept), self.min_kept)
        self.stepped_back_from = 0
        """After the verdict `BACK`: the previous id on the message's line."""

    @property
    def recent(self) -> dict[int, int]:
        """The newest ids in order of arrival, each with receive time (s) and digest in one 64-bit integer.

        They include those of the series that ended, because after a seal or a restart a line may still lag.
        """
        return {**self._ended, **self._recent.all()}

    def judge(
        self,
        message_id: int,
        first_id: int | None,
        exchange_us: int | None,
        received_us: int,
        digest: int,
        line: int = 0,
        connection: int = 1,
    ) -> Verdict:
        """Judge a message and remember it.

        `first_id` is the first of the ids it covers; None if it covers `message_id` alone. `exchange_us` is a plausible
        time, or None. `digest` is a 32-bit checksum of the content. `connection` identifies the connection.
        """
        if connection != self.progress.connection:
            self._change_connection(connection, received_us)
        verdict = Verdict.NEW
        if self._rises and (last := stepped_back_from(self.progress.newest, line, message_id)) is not None:
            self.stepped_back_from, verdict = last, Verdict.BACK
        if self._ended and self._is_of_ended(message_id, received_us, digest):
            return Verdict.COPY
        recent = self._recent
        known = None if message_id > recent.highest else recent.get(message_id)
        if known is not None:
            if known & DIGEST_MASK == digest or (message_id, digest) in self.progress.conflicts:
                return Verdict.COPY
            if is_conflict(self.progress, message_id, exchange_us, received_us, digest):
                return Verdict.CONFLICT
        if self._dense:
            verdict = self._place(message_id, first_id, exchange_us, received_us)
        if verdict is not Verdict.COPY and self._recent.add(message_id, packed(received_us, digest)):
            self._turn(received_us)
            forget_conflicts(self.progress, recent)
        return verdict

    def judge_snapshot(
        self, message_id: int, exchange_us: int | None, received_us: int, digest: int, connection: int, *, alone: bool
    ) -> Verdict:
        """Judge a book's snapshot, which goes up to `message_id`: that is no id of its own, so it is never a copy.

        A lower id than the last one is a new series if no other open connection carries the stream (`alone`), or if the
        exchange's time has moved on; otherwise its connection only lags behind another, and nothing changes.
        """
        if connection != self.progress.connection:
            self._change_connection(connection, received_us)
        progress = self.progress
        note_snapshot(progress, message_id, digest)
        if not self._dense:
            return Verdict.NEW
        if progress.last_id is None or message_id >= progress.last_id:
            return reach(progress, self.holes, message_id, exchange_us, received_us)
        sent_us = older_sent_us(progress, exchange_us, received_us)
        if alone or has_moved_on(progress, sent_us):
            return self._restart(message_id + 1, message_id, sent_us, received_us)
        return Verdict.NEW

    def witness(self, message_id: int, exchange_us: int | None, received_us: int) -> bool:
        """Note that a message with this id exists, though it has not come. Returns whether that leaves a hole."""
        if not self._dense or self.progress.last_id is None:
            return False
        return reach(self.progress, self.holes, message_id, exchange_us, received_us) is Verdict.AHEAD

    def judge_together(self, stretch: Stretch) -> bool:
        """Judge messages and remember them, if it is certain that `judge` would find every one of them new.

        If not, nothing changes, and they are to be judged one by one. Both ways leave the same state.
        """
        progress = self.progress
        if stretch.connection != progress.connection or self._ended or progress.conflicts:
            return False
        if not (self._continue(stretch) if self._dense else self._rise(stretch)):
            return False
        self._recent.add_all(stretch, self._turn, self._is_replaced_when_full)
        return True

    def is_echo(self, content: bytes, received_us: int, connection: int, beside: Collection[int]) -> bool:
        """Whether a message without an id is a copy; see `echoes`.

        `beside`: other open connections with the same streams.
        """
        return is_echo(self.progress.echoes, connection, beside, content, received_us, self._overlap_us)

    def saved_by(self, line: int, message_id: int, first_id: int | None, *, is_new: bool) -> int:
        """How many messages turn out to be saved by another line, now that this one brought a message; see `line_places`.

        To be called for each message that `judge` judged, while `progress.lines` has places.
        """
        newest_id = self.progress.last_id
        # A copy from a series that ended may have a higher id.
        if not self._dense or newest_id is None or message_id > newest_id:
            return 0
        first_id = message_id if first_id is None else min(first_id, message_id)
        return self.progress.lines.note(line, first_id, message_id, newest_id, self._recent.count_from, is_new=is_new)

    def backfill(self, message_id: int, first_id: int | None = None) -> bool:
        """Note that a message was fetched over REST. Returns whether it was missing.

        Its id is not kept as a recent one, so that the same message over a socket, whose text differs, counts as a copy.
        """
        return self.holes.backfill(message_id if first_id is None else first_id, message_id)

    def begin_line(self, line: int, standing: Collection[int], *, alone: bool) -> bool:
        """Note that a connection of the line has opened or ended. Returns whether the stored state changed.

        `standing` are the lines that have an open connection now. `alone` means that at most one of them is of `line`.
        """
        lines = self.progress.lines
        are_counted = bool(lines.places) or len(standing) > 1
        if are_counted:
            lines.begin_line(line, standing, self._recent.count_from, alone=alone)
        has_changed = self._rises and begin_rising_line(self.progress.newest, line, alone=alone)
        return are_counted or has_changed

    def join(self, at_us: int) -> None:
        """From now on two connections may deliver the same messages."""
        self.progress.joined_us = at_us

    def suspect(self, cause: str) -> None:
        """Note the cause of something that may have lost messages: a hole before the next message gets it.

        Refused frames, or that nobody asked, explain a hole only if nothing else does, because then it has no row.
        """
        if self._dense and (cause not in {LEFT, REFUSED} or self.progress.suspect is None):
            self.progress.suspect = cause

    def covers(self, messages: int, span_us: int) -> bool:
        """Whether the newest `messages`, received within `span_us`, are all that a new process has to remember."""
        return messages >= RECENT_LIMIT or (messages >= self.min_kept and span_us > self._overlap_us)

    def known(self) -> list[Known]:
        """The newest messages: those that are remembered by their ids, or else by their content."""
        if self._recent.highest >= 0:
            return [Known(message_id, received_us_of(value)) for message_id, value in self._recent.all().items()]
        echoes = self.progress.echoes.values()
        return [
            Known(digest, at_us)
            for digest, at_us in {
                (digest, delivered[1]): None
                for expected in echoes
                for digest, delivered in zip(expected.digests, expected.delivered, strict=True)
            }
        ]

    def remember(self, message_id: int, received_us: int, digest: int) -> None:
        """Keep a stored message's id as a recent one without judging it. If messages share an id, the first one is kept."""
        recent = self._recent
        if (message_id, digest) in self.progress.snapshots:
            return
        if recent.get(message_id) is None and recent.add(message_id, packed(received_us, digest)):
            self._turn(received_us)

    def remember_ended(self, message_id: int, received_us: int, digest: int) -> None:
        """As `remember`, for a series that ended: a lagging line may repeat messages from shortly before its end."""
        is_in_reach = 0 <= self.progress.restarted_us - received_us <= self._overlap_us
        if is_in_reach and (message_id, digest) not in self.progress.snapshots:
            self._ended[message_id] = packed(received_us, digest)

    def _continue(self, stretch: Stretch) -> bool:
        """As `_place` for each message of a stretch. No id above the last one is a recent one."""
        progress = self.progress
        last = progress.last_id
        if last is None or not continues(last, stretch):
            return False
        lines = progress.lines
        if lines.places and not lines.note_next(stretch.line, last, len(stretch.ids), stretch.ids[-1]):
            return False
        progress.last_id, progress.suspect = stretch.ids[-1], None
        since = -1 if times_fit(stretch, progress.ahead_us) else 0
        for exchange_us, received_us in zip(stretch.exchange_us[since:], stretch.received_us[since:], strict=True):
            note_time(progress, sound_us(exchange_us, received_us), received_us)
        return True

    def _rise(self, stretch: Stretch) -> bool:
        """As `judge` for each message of a stretch whose ids only rise."""
        is_new = self._rises and self._recent.has_none_of(stretch.ids)
        return is_new and note_rising(self.progress.newest, stretch.line, stretch.ids)

    def _change_connection(self, connection: int, received_us: int) -> None:
        self.progress.connection = connection
        self.join(received_us)

    def _turn(self, now_us: int) -> None:
        if is_outlived(self.progress, self._overlap_us, now_us):
            self._ended = {}
        self._recent.turn(now_us, self._min_age_us(now_us))

    def _is_replaced_when_full(self, now_us: int) -> bool:
        """Whether each generation that is full at `now_us` or later replaces the one before."""
        return self._min_age_us(now_us) == 0 and self._recent.turns_at(now_us)

    def _min_age_us(self, now_us: int) -> int:
        """How far back the recent ids have to reach."""
        if self._dense and not overlaps(self.progress, self._overlap_us, now_us):
            return 0
        return lag_us(self.progress, self._overlap_us, now_us)

    def _is_of_ended(self, message_id: int, received_us: int, digest: int) -> bool:
        known = self._ended.get(message_id)
        is_copy = known is not None and known & DIGEST_MASK == digest
        return is_copy and not is_outlived(self.progress, self._overlap_us, received_us)

    def _place(self, message_id: int, first_id: int | None, exchange_us: int | None, received_us: int) -> Verdict:
        """Judge a message with a dense id by the ids before it: it is the next one, after a hole, or older."""
        progress = self.progress
        last = progress.last_id
        # A message whose first id is above its last one is taken to cover its own id alone.
        first = message_id if first_id is None or first_id > message_id else first_id
        verdict = Verdict.NEW
        if last is None:
            progress.known_from_id = first
        elif message_id <= last:
            return self._place_older(first, message_id, older_sent_us(progress, exchange_us, received_us), received_us)
        elif first > last + 1:
            self.holes.add(last + 1, first, received_us)
            verdict = Verdict.AHEAD
        progress.last_id, progress.suspect = message_id, None
        note_time(progress, exchange_us, received_us)
        return verdict

    def _place_older(self, first: int, last: int, sent_us: int | None, received_us: int) -> Verdict:
        progress = self.progress
        if has_moved_on(progress, sent_us):
            # Otherwise, after one id that jumped far ahead, all later messages would be late and no loss would be found.
            return self._restart(first, last, sent_us, received_us)
        if self.holes.fill(first, last, received_us):
            return Verdict.LATE
        if sent_us is None or progress.last_exchange_us is None:
            return Verdict.NEW
        if sent_us > progress.last_exchange_us:
            return self._restart(first, last, sent_us, received_us)
        return Verdict.NEW if first < progress.known_from_id else Verdict.COPY

    def _restart(self, first: int, last: int, sent_us: int | None, received_us: int) -> Verdict:
        ended = self.progress
        self.progress = next_series(ended, first, last, sent_us, received_us)
        self.holes.end_series(self.progress, received_us)
        # A lagging line may also be in the series before the one that ends.
        self._ended.update(self._recent.all())
        if len(self._ended) > RECENT_LIMIT:
            self._ended = newest(self._ended)
        self._recent = Recent({}, self.min_kept)
        return Verdict.RESET
