"""Tells a message seen before from a new one, by its id. Whatever cannot be proven a copy is new: nothing is lost.

A stream's memory holds the ids and digests of its newest messages. For dense ids it also holds the holes, so that an
id far back is known to be a copy (outside every hole) or a late one (inside). A dense id that falls back while the
exchange's own time moves on means that the exchange restarted its ids: a new series begins. Where the id is one that is
missing, or has come with other content, time must have moved on by more than messages are out of order. Ids that only
rise are held to it line by line, because one line may lag behind the other.

An exchange's time is taken at its word only where it goes with the time of receipt as those before did, or the message
after it bears it out: one odd time rules nothing.

Where nothing but the memory of ids tells a copy, it must reach as far back as one connection lags behind another. While
two bring a stream (redundant lines, a renewal, a second try) that is `overlap_secs`: from when a connection opens, or
brings its first message, until so long after the last change from one to the other. Otherwise it is
`SUCCESSOR_LAG_SECS`: whatever connects next may be that far behind the one before.
"""

from collections.abc import Collection
from enum import Enum, auto
from typing import Final

import msgspec

from collector.domain.counts import StreamCounts
from collector.domain.gaps import RowAllowance
from collector.domain.records import IdRule
from collector.domain.sequence.echoes import Echoes, is_echo
from collector.domain.sequence.hole import REFUSED, Finding, Hole
from collector.domain.sequence.holes import MAX_ASKED_HOLES, REORDER_SECS, Finder, forget, grow_older, outdated, settle
from collector.domain.sequence.recent_ids import DIGEST_MASK, RECENT_LIMIT, Recent, newest, packed, split, within
from collector.domain.sequence.rules import RULES, Ids, Mark
from collector.domain.silence import StreamActivity

RECENT_IDS: Final = 256
"""How many of a stream's newest ids are remembered at least; of a slow stream at most twice as many."""

RECENT_DENSE_IDS: Final = 48
"""So many are enough where ids are dense: last id and holes tell copies, these only what differs under one id."""

SUCCESSOR_LAG_SECS: Final = 10.0
"""A connection may begin so far behind what the one before it has brought."""

LEAP_US: Final = 60_000_000
"""By more than this an exchange's time does not leap against the time of receipt, unless one of the clocks was set."""

CONFLICTS: Final = 64
"""So many messages that came under another's id are remembered, so that redundant lines and repeats bring each once."""


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


class StreamProgress(msgspec.Struct, array_like=True):
    """The part of a stream's memory that changes with every message: it commits with the rows."""

    series: int = 0
    last_id: int | None = None
    last_exchange_us: int | None = None
    """When the newest message was sent, or must have been where its own time could not be believed."""
    last_received_us: int = 0
    floor: int = 0
    """Dense ids below this are unknown, seen or not."""
    holes: list[Hole] = []
    suspect: str | None = None
    """What happened since the last message that would explain a hole before the next."""
    allowance: RowAllowance = msgspec.field(default_factory=RowAllowance)
    """Which holes have a row of their own."""
    newest: dict[int, int | None] = {}
    """Of ids that only rise, the last one on each line; None while two connections share the line."""
    hearing: StreamActivity = msgspec.field(default_factory=StreamActivity)
    restarted_us: int = 0
    """When the series began, if another one came before."""
    conflicts: tuple[tuple[int, int], ...] = ()
    """Ids and digests of the newest messages that came under another's id."""
    source: int = 0
    """The connection that brought the newest message; 0 before the first."""
    joined_us: int = 0
    """When last a connection opened, or a message came by another one than the message before it."""
    echoes: Echoes = {}
    """Of messages without ids, what each connection is yet to bring of what others have brought."""
    counts: StreamCounts = StreamCounts()
    ahead_us: int = 0
    """How far exchange's times are ahead of their receipt, within a leap."""
    doubted_us: int | None = None
    """The same of the last time that leapt; another that leaps as far bears it out."""


class DuplicateFilter:
    """What one stream remembers. `judge` is its only rule; it depends on nothing but what it was told before.

    While connections overlap one may lag `overlap_secs` behind the other. For as long as any may, it also knows the ids
    of the series that ended.
    """

    def __init__(self, *, rule: IdRule, overlap_secs: float, progress: StreamProgress, recent: dict[int, int]) -> None:
        self._dense = rule.proves_continuity
        self._rises = rule is IdRule.RISING
        self._rule = RULES[rule]
        self.progress = progress
        self._overlap_us = round(overlap_secs * 1e6)
        self._least = RECENT_DENSE_IDS if self._dense else RECENT_IDS
        self._ended, running = split(recent, progress.restarted_us)
        self._recent = Recent(within(running, self._overlap_us, self._least), self._least)
        self._of_ended_series: list[Finding] = []
        self._finder: Finder | None = None
        self.stepped_back_from = 0
        """With `BACK`: the id before it."""

    @property
    def recent(self) -> dict[int, int]:
        """The newest ids in order of arrival, each with receive time (s) and digest in one 64-bit integer.

        Those of the series that ended are among them: at a seal and behind a restart a line may still lag.
        """
        return {**self._ended, **self._recent.all()}

    @property
    def unsettled(self) -> bool:
        """Whether a hole has a row due, now or after the reorder window."""
        return bool(self._of_ended_series) or not all(hole.has_row for hole in self.progress.holes)

    @property
    def broken_until(self) -> tuple[int, int]:
        """The id behind the newest hole that had its time to fill and did not, and when that came; zeros without one."""
        judged = (hole for hole in self.progress.holes if hole.state != "pending")
        return max(((hole.next_id, hole.until_us) for hole in judged), default=(0, 0))

    def judge(
        self,
        message_id: int,
        first_id: int | None,
        exchange_us: int | None,
        received_us: int,
        digest: int,
        line: int = 0,
        source: int = 1,
    ) -> Verdict:
        """Say what this message is, and remember it. `digest` is a 32-bit checksum of its content.

        `first_id` is the first of the ids it covers; None if it covers `message_id` alone. `exchange_us` is one that can be
        true, or None. `source` names the connection.
        """
        if source != self.progress.source:
            self.progress.source = source
            self.join(received_us)
        verdict = self._rise(message_id, line) if self._rises else Verdict.NEW
        if self._ended and self._is_of_ended(message_id, digest):
            return Verdict.COPY
        recent = self._recent
        known = recent.young.get(message_id)
        if known is None:
            known = recent.old.get(message_id)
        if known is not None:
            if known & DIGEST_MASK == digest or (message_id, digest) in self.progress.conflicts:
                return Verdict.COPY
            if not self._time_moved_on(self._sent_us(exchange_us, received_us)):
                self.progress.conflicts = (*self.progress.conflicts, (message_id, digest))[-CONFLICTS:]
                return Verdict.CONFLICT
        if self._dense:
            verdict = self._place(message_id, first_id, exchange_us, received_us)
        if verdict is not Verdict.COPY:
            # One that was known begins a series, whose memory is another.
            recent = self._recent
            recent.young[message_id] = packed(received_us, digest)
            if len(recent.young) >= recent.full_at:
                self._turn(received_us)
                self._forget_conflicts()
        return verdict

    def is_echo(self, content: bytes, received_us: int, source: int, beside: Collection[int]) -> bool:
        """Whether a message without an id is a copy; see `echoes`. `beside` are the connections that bring the same."""
        return is_echo(self.progress.echoes, source, beside, content, received_us, self._overlap_us)

    def backfill(self, message_id: int, first_id: int | None = None) -> bool:
        """Whether a message that came over REST was missing; it is not any more.

        It is not kept among the newest: one that then comes late over a socket is a copy, though its text differs.
        """
        first = message_id if first_id is None else first_id
        filled = [hole.backfill(first, message_id) for hole in self._touched(first, message_id)]
        return any(filled)

    def end_holes(self, first: int, last: int) -> None:
        """What is still missing of these ids will not be asked for any more."""
        for hole in self._touched(first, last):
            if hole.next_id > first:
                hole.end()

    def begin_line(self, line: int, *, alone: bool) -> bool:
        """A connection of the line has opened or ended; `alone` if at most one is left. True if that changes anything."""
        if self._rises and alone:
            return self.progress.newest.pop(line, 0) != 0
        if self._rises:
            self.progress.newest[line] = None
        return self._rises

    def join(self, at_us: int) -> None:
        """A connection may bring from now on what others have brought, or will bring what others bring now."""
        self.progress.joined_us = at_us

    def suspect(self, cause: str) -> None:
        """Something happened that may have cost messages: a hole before the next one is its doing.

        Refused frames explain a hole only where nothing else does: their own row covers no more than the refusal.
        """
        if self._dense and (cause != REFUSED or self.progress.suspect is None):
            self.progress.suspect = cause

    def settle(self, now_us: int, *, all_due: bool = False, most_asked: int = MAX_ASKED_HOLES) -> list[Finding]:
        """The holes whose row is due. Call it while `unsettled`. At most so many that are asked for are remembered."""
        progress = self.progress
        self._finder = None
        # First: those found below are asked for after this call.
        forgotten, behind = forget(progress.holes, progress.series, most_asked)
        progress.floor = max(progress.floor, behind)
        found = settle(progress.holes, progress.allowance, progress.series, now_us, all_due=all_due)
        findings = [*self._of_ended_series, *forgotten, *found]
        self._of_ended_series = []
        return findings

    def outdated(self) -> list[Finding]:
        """The holes whose row is behind."""
        return outdated(self.progress.holes, self.progress.series)

    def grow_older(self, oldest: int) -> bool:
        """Let the holes age, and forget those of that age which nothing fills any more; true if there were any."""
        progress, self._finder = self.progress, None
        behind = grow_older(progress.holes, oldest)
        progress.floor = max(progress.floor, behind)
        return behind > 0

    def remember(self, message_id: int, received_us: int, digest: int) -> None:
        """Keep an id among the newest, without judging it; of messages that share one, the first."""
        recent = self._recent
        if message_id not in recent.old:
            recent.young.setdefault(message_id, packed(received_us, digest))
        if len(recent.young) >= recent.full_at:
            self._turn(received_us)

    def remember_ended(self, message_id: int, received_us: int, digest: int) -> None:
        """As `remember`, for a message of a series that ended: those before its end may come again by a line that lags."""
        if 0 <= self.progress.restarted_us - received_us <= self._overlap_us:
            self._ended[message_id] = packed(received_us, digest)

    def _turn(self, now_us: int) -> None:
        progress = self.progress
        # Also before that: of what is restored nobody knows any more when others joined.
        overlap = now_us - progress.joined_us <= self._overlap_us
        lag_us = self._overlap_us if overlap else round(SUCCESSOR_LAG_SECS * 1e6)
        if now_us - progress.restarted_us > lag_us:
            self._ended = {}
        self._recent.turn(now_us, 0 if self._dense and not overlap else lag_us)

    def _forget_conflicts(self) -> None:
        """Of an id that is not remembered any more nobody asks what else came under it."""
        recent, progress = self._recent, self.progress
        progress.conflicts = tuple(one for one in progress.conflicts if one[0] in recent.young or one[0] in recent.old)

    def _is_of_ended(self, message_id: int, digest: int) -> bool:
        known = self._ended.get(message_id)
        return known is not None and known & DIGEST_MASK == digest

    def _rise(self, message_id: int, line: int) -> Verdict:
        newest = self.progress.newest
        last = newest.get(line, -1)
        if last is None:
            return Verdict.NEW
        newest[line] = message_id
        # The usual case needs no rule.
        if message_id > last or self._rule.judge(Mark(last), Ids(message_id, message_id)) is None:
            return Verdict.NEW
        self.stepped_back_from = last
        return Verdict.BACK

    def _place(self, message_id: int, first_id: int | None, exchange_us: int | None, received_us: int) -> Verdict:
        progress = self.progress
        last = progress.last_id
        # A message that claims to begin behind its own end covers, as far as anyone can tell, its own id.
        first = message_id if first_id is None or first_id > message_id else first_id
        verdict = Verdict.NEW
        if last is None:
            progress.floor = first
        elif first != last + 1:  # the usual case needs no rule
            found = self._rule.judge(Mark(last), Ids(first, message_id, first - 1))
            if found is not None and found.kind == "out_of_order":
                return self._behind(first, message_id, self._sent_us(exchange_us, received_us), received_us)
            if found is not None:
                self._add_hole(last + 1, first, received_us)
                verdict = Verdict.AHEAD
        progress.last_id = message_id
        if exchange_us is None or not -LEAP_US <= exchange_us - received_us - progress.ahead_us <= LEAP_US:
            exchange_us = self._newest_us(exchange_us, received_us)
        progress.last_exchange_us = exchange_us
        progress.last_received_us = received_us
        progress.suspect = None
        return verdict

    def _add_hole(self, first: int, behind: int, received_us: int) -> None:
        progress = self.progress
        cause = progress.suspect or "exchange"
        hole = Hole(first, behind, progress.last_received_us, received_us, cause, [(first, behind - 1)])
        progress.holes.append(hole)
        self._finder = None

    def _touched(self, first: int, last: int) -> list[Hole]:
        if self._finder is None:
            self._finder = Finder(self.progress.holes)
        return self._finder.touched(first, last)

    def _newest_us(self, exchange_us: int | None, received_us: int) -> int | None:
        """When a message must have been sent whose time is not what was expected."""
        expected_us = self._expected_us(received_us)
        if exchange_us is None or (expected_us is not None and not self._is_borne_out(exchange_us, received_us)):
            return expected_us
        self.progress.ahead_us = exchange_us - received_us
        return exchange_us

    def _sent_us(self, exchange_us: int | None, received_us: int) -> int | None:
        """When a message was sent whose id is behind the newest: it may be old; None where it cannot be as new as it says."""
        expected_us = self._expected_us(received_us)
        if exchange_us is None or expected_us is None or exchange_us - expected_us <= LEAP_US:
            return exchange_us
        return exchange_us if self._is_borne_out(exchange_us, received_us) else None

    def _expected_us(self, received_us: int) -> int | None:
        progress = self.progress
        if progress.last_exchange_us is None:
            return None
        return progress.last_exchange_us + received_us - progress.last_received_us

    def _is_borne_out(self, exchange_us: int, received_us: int) -> bool:
        before_us, ahead_us = self.progress.doubted_us, exchange_us - received_us
        self.progress.doubted_us = ahead_us
        return before_us is not None and abs(ahead_us - before_us) <= LEAP_US

    def _time_moved_on(self, exchange_us: int | None) -> bool:
        """Whether a message is newer than the newest by more than messages are out of order; what a line lags is old."""
        newest_us = self.progress.last_exchange_us
        if exchange_us is None or newest_us is None:
            return False
        return exchange_us - newest_us > REORDER_SECS * 1_000_000

    def _behind(self, first: int, last: int, exchange_us: int | None, received_us: int) -> Verdict:
        if self._time_moved_on(exchange_us):
            # An id that once jumped ahead would else leave a hole in which all that follows is late, and nothing missed.
            return self._restart(first, last, exchange_us, received_us)
        filled = [hole.fill(first, last, received_us) for hole in self._touched(first, last)]
        if any(filled):
            return Verdict.LATE
        newest_us = self.progress.last_exchange_us
        if exchange_us is None or newest_us is None:
            return Verdict.NEW
        if exchange_us > newest_us:
            return self._restart(first, last, exchange_us, received_us)
        return Verdict.NEW if first < self.progress.floor else Verdict.COPY

    def _restart(self, first: int, last: int, exchange_us: int | None, received_us: int) -> Verdict:
        ended = self.progress
        for hole in ended.holes:
            hole.end()
        self._of_ended_series += settle(ended.holes, ended.allowance, ended.series, received_us, all_due=True)
        self.progress = StreamProgress(
            ended.series + 1, last, exchange_us, received_us, first, allowance=ended.allowance, hearing=ended.hearing,
            restarted_us=received_us, source=ended.source, joined_us=ended.joined_us, ahead_us=ended.ahead_us,
        )  # fmt: skip
        # A line that lags may also be in a series before that one.
        self._ended.update(self._recent.all())
        if len(self._ended) > RECENT_LIMIT:
            self._ended = newest(self._ended)
        self._recent, self._finder = Recent({}, self._least), None
        return Verdict.RESET
