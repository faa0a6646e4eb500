"""Tells a message seen before from a new one, by its id. What cannot be proven a copy is new, so nothing is lost.

Each stream has a filter that holds the ids and digests of its newest messages. For dense ids it also holds the holes, so
that an id far back is known to be a copy (outside every hole) or late (inside one). A dense id that falls back while the
exchange's own time moves on means that the exchange restarted its ids: a new series begins. If that id is missing, or
came with other content, time must have moved on by more than messages come out of order. Ids that only rise are compared
line by line, because one line may lag behind the other.

Where only the recent ids can tell a copy, they must reach as far back as one connection lags behind another. While two
connections bring a stream (redundant lines, a renewal, a second try) that is `overlap_secs`: from when a connection
opens, or brings its first message, until that long after the last change from one to the other. Otherwise it is
`SUCCESSOR_LAG_SECS`: the next connection may be that far behind the one before it.
"""

from collections.abc import Collection
from enum import Enum, auto
from typing import Final

from collector.domain.records import IdRule
from collector.domain.sequence.echoes import is_echo
from collector.domain.sequence.exchange_time import LEAP_US, has_moved_on, newest_sent_us, older_sent_us
from collector.domain.sequence.hole import REFUSED
from collector.domain.sequence.recent_ids import DIGEST_MASK, RECENT_LIMIT, Recent, newest, packed, split, within
from collector.domain.sequence.stream_holes import StreamHoles
from collector.domain.sequence.stream_progress import StreamProgress

RECENT_IDS: Final = 256
"""Ids remembered of a stream at least; of a slow stream at most twice as many."""

RECENT_DENSE_IDS: Final = 48
"""The same for dense ids: last id and holes tell copies, the recent ids only what differs under one id."""

SUCCESSOR_LAG_SECS: Final = 10.0
"""How far behind its predecessor's newest message a connection may begin."""

CONFLICTS: Final = 64
"""Messages remembered whose id was taken by other content, so that lines and repeats bring each of them once."""


class Verdict(Enum):
    """What a message is to its stream."""

    NEW = auto()
    AHEAD = auto()
    """New, and leaves a hole before it."""
    LATE = auto()
    """New, and fills a hole."""
    COPY = auto()
    """Same id, same content: merged and counted."""
    CONFLICT = auto()
    """A known id with content that has not come under it: stored and reported."""
    RESET = auto()
    """The first message of a new series."""
    BACK = auto()
    """New, though its id should be higher than the last one of its line."""


class DuplicateFilter:
    """Judges the messages of one stream. Its verdicts follow from what it was told before, and from nothing else.

    While connections overlap one may lag `overlap_secs` behind the other. For as long as any may lag, the filter also
    knows the ids of the series that ended.
    """

    def __init__(self, *, rule: IdRule, overlap_secs: float, progress: StreamProgress, recent: dict[int, int]) -> None:
        self._dense = rule.proves_continuity
        self._rises = rule is IdRule.RISING
        self.progress = progress
        self.holes = StreamHoles(progress)
        self._overlap_us = round(overlap_secs * 1e6)
        self._min_kept = RECENT_DENSE_IDS if self._dense else RECENT_IDS
        self._ended, running = split(recent, progress.restarted_us)
        self._recent = Recent(within(running, self._overlap_us, self._min_kept), self._min_kept)
        self.stepped_back_from = 0
        """After the verdict `BACK`: the id before it on its line."""

    @property
    def recent(self) -> dict[int, int]:
        """The newest ids in order of arrival, each with receive time (s) and digest in one 64-bit integer.

        Those of the series that ended are among them: after a seal or a restart a line may still lag.
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
        """Say what this message is, and remember it.

        `first_id` is the first of the ids it covers; None if it covers `message_id` alone. `exchange_us` is a time that
        can be true, or None. `digest` is a 32-bit checksum of the content. `connection` names the connection.
        """
        if connection != self.progress.connection:
            self.progress.connection = connection
            self.join(received_us)
        verdict = self._check_rising(message_id, line) if self._rises else Verdict.NEW
        if self._ended and self._is_of_ended(message_id, digest):
            return Verdict.COPY
        recent = self._recent
        known = recent.young.get(message_id)
        if known is None:
            known = recent.old.get(message_id)
        if known is not None:
            if known & DIGEST_MASK == digest or (message_id, digest) in self.progress.conflicts:
                return Verdict.COPY
            if self._is_conflict(message_id, exchange_us, received_us, digest):
                return Verdict.CONFLICT
        if self._dense:
            verdict = self._place(message_id, first_id, exchange_us, received_us)
        if verdict is not Verdict.COPY:
            self._keep(message_id, received_us, digest)
        return verdict

    def is_echo(self, content: bytes, received_us: int, connection: int, beside: Collection[int]) -> bool:
        """Whether a message without an id is a copy; see `echoes`. `beside` are the connections that bring the same."""
        return is_echo(self.progress.echoes, connection, beside, content, received_us, self._overlap_us)

    def backfill(self, message_id: int, first_id: int | None = None) -> bool:
        """Whether a message that came over REST was missing; it no longer is.

        Its id is not kept as a recent one: the same message over a socket, whose text differs, is then a copy.
        """
        return self.holes.backfill(message_id if first_id is None else first_id, message_id)

    def begin_line(self, line: int, *, alone: bool) -> bool:
        """A connection of the line has opened or ended; `alone` if at most one is left. True if that changes anything."""
        if self._rises and alone:
            return self.progress.newest.pop(line, 0) != 0
        if self._rises:
            self.progress.newest[line] = None
        return self._rises

    def join(self, at_us: int) -> None:
        """From now on a connection may bring what others brought, or others may bring what it brings."""
        self.progress.joined_us = at_us

    def suspect(self, cause: str) -> None:
        """Something happened that may have cost messages: it is the cause of a hole before the next one.

        Refused frames explain a hole only if nothing else does: their own row covers no more than the refusal.
        """
        if self._dense and (cause != REFUSED or self.progress.suspect is None):
            self.progress.suspect = cause

    def remember(self, message_id: int, received_us: int, digest: int) -> None:
        """Keep a stored message's id as a recent one, without judging it; of messages that share an id, the first."""
        recent = self._recent
        if message_id not in recent.old:
            recent.young.setdefault(message_id, packed(received_us, digest))
        if len(recent.young) >= recent.full_at:
            self._turn(received_us)

    def remember_ended(self, message_id: int, received_us: int, digest: int) -> None:
        """As `remember`, for a series that ended: a lagging line may repeat what came shortly before its end."""
        if 0 <= self.progress.restarted_us - received_us <= self._overlap_us:
            self._ended[message_id] = packed(received_us, digest)

    def _keep(self, message_id: int, received_us: int, digest: int) -> None:
        recent = self._recent
        recent.young[message_id] = packed(received_us, digest)
        if len(recent.young) >= recent.full_at:
            self._turn(received_us)
            self._forget_conflicts()

    def _turn(self, now_us: int) -> None:
        progress = self.progress
        # What was restored may come before `joined_us`: when others joined then is not known any more.
        overlap = now_us - progress.joined_us <= self._overlap_us
        lag_us = self._overlap_us if overlap else round(SUCCESSOR_LAG_SECS * 1e6)
        if now_us - progress.restarted_us > lag_us:
            self._ended = {}
        self._recent.turn(now_us, 0 if self._dense and not overlap else lag_us)

    def _forget_conflicts(self) -> None:
        """Forget those whose id is not remembered: a message with that id is not compared any more."""
        recent, progress = self._recent, self.progress
        progress.conflicts = tuple(one for one in progress.conflicts if one[0] in recent.young or one[0] in recent.old)

    def _is_of_ended(self, message_id: int, digest: int) -> bool:
        known = self._ended.get(message_id)
        return known is not None and known & DIGEST_MASK == digest

    def _is_conflict(self, message_id: int, exchange_us: int | None, received_us: int, digest: int) -> bool:
        """Whether a known id has other content in the same series; if time has moved on, the series is another."""
        progress = self.progress
        if has_moved_on(progress, older_sent_us(progress, exchange_us, received_us)):
            return False
        progress.conflicts = (*progress.conflicts, (message_id, digest))[-CONFLICTS:]
        return True

    def _check_rising(self, message_id: int, line: int) -> Verdict:
        newest_of_line = self.progress.newest
        last = newest_of_line.get(line, -1)
        if last is None:
            return Verdict.NEW
        newest_of_line[line] = message_id
        if message_id > last:
            return Verdict.NEW
        self.stepped_back_from = last
        return Verdict.BACK

    def _place(self, message_id: int, first_id: int | None, exchange_us: int | None, received_us: int) -> Verdict:
        """Place a message among the ids before it: next, beyond a hole, or behind the newest."""
        progress = self.progress
        last = progress.last_id
        # A message that claims to begin after its own end covers, as far as anyone can tell, its own id.
        first = message_id if first_id is None or first_id > message_id else first_id
        verdict = Verdict.NEW
        if last is None:
            progress.known_from_id = first
        elif message_id <= last:
            return self._place_older(first, message_id, older_sent_us(progress, exchange_us, received_us), received_us)
        elif first > last + 1:
            self.holes.add(last + 1, first, received_us)
            verdict = Verdict.AHEAD
        progress.last_id = message_id
        if exchange_us is None or not -LEAP_US <= exchange_us - received_us - progress.ahead_us <= LEAP_US:
            exchange_us = newest_sent_us(progress, exchange_us, received_us)
        progress.last_exchange_us = exchange_us
        progress.last_received_us = received_us
        progress.suspect = None
        return verdict

    def _place_older(self, first: int, last: int, sent_us: int | None, received_us: int) -> Verdict:
        progress = self.progress
        if has_moved_on(progress, sent_us):
            # After an id that once jumped ahead all that follows would else be late, and no loss would ever be found.
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
        self.progress = StreamProgress(
            ended.series + 1, last, sent_us, received_us, first, allowance=ended.allowance, activity=ended.activity,
            restarted_us=received_us, connection=ended.connection, joined_us=ended.joined_us, ahead_us=ended.ahead_us,
        )  # fmt: skip
        self.holes.end_series(self.progress, received_us)
        # A lagging line may also be in the series before the one that ends.
        self._ended.update(self._recent.all())
        if len(self._ended) > RECENT_LIMIT:
            self._ended = newest(self._ended)
        self._recent = Recent({}, self._min_kept)
        return Verdict.RESET
