"""Judges messages of a source that is read late, while another source has long brought the same time. No I/O.

Nothing of that time is remembered any more, so such a message is judged by what is known to be missing alone: with ids that
prove continuity, by the holes; else by the outages in which no source carried the stream. Everything else is a copy.
"""

from collections.abc import Callable
from typing import Final

from collector.domain.past_outage import Known, PastOutage
from collector.domain.records import Envelope, IdRule
from collector.domain.sequence.echoes import digest_of
from collector.processes.writer.gaps.ledger import GapLedger
from collector.processes.writer.receipt import NUMBER_MASK, Receipt
from collector.processes.writer.streams import StreamState

MARGIN_US: Final = 5_000_000
"""Of what was received up to so long ago as one connection may lag, some may be forgotten: lines lag behind each other."""


class LateMessages:
    """Which late messages are stored."""

    def __init__(self, ledger: GapLedger, overlap_secs: float) -> None:
        """`overlap_secs` is how far one connection may lag behind another; a message that is older than that is late."""
        self._ledger = ledger
        self._lag_us = round(overlap_secs * 1e6)
        self._known_us = max(0, self._lag_us - MARGIN_US)

    def is_late(self, stream: StreamState, received_us: int, source: str) -> bool:
        """Whether a stream has messages that were received so much later that nothing of that time is remembered.

        In an outage a message counts as late a little sooner, because the same one of another line may have been late. Without
        ids nothing is remembered of before the source was met.
        """
        if stream.rule is IdRule.NONE and received_us < min(stream.last_message_us, self._ledger.met_us(source)):
            return True
        before_us = stream.last_message_us - received_us
        if before_us <= self._known_us - MARGIN_US:
            return False
        past = stream.dedup.progress.activity.past_outages
        return before_us > self._known_us or any(outage.is_near(received_us) for outage in past)

    def are_missing(
        self, stream: StreamState, receipt: Receipt, envelope: Envelope, content: Callable[[bytes], bytes]
    ) -> bool | None:
        """Whether a late message is missing; None if it is none of the past, because its id is above all that have come."""
        if stream.proves_continuity and envelope.id is not None:
            return self._fills_a_hole(stream, receipt, envelope)
        at_us, past = receipt.received_us, stream.dedup.progress.activity.past_outages
        near = [outage for outage in past if outage.is_near(at_us)]
        if envelope.id is not None and stream.rule is not IdRule.NONE:
            return self._is_between(stream, envelope.id, at_us, near)
        beside = self._ledger.connections.beside_in_source(receipt.identity.feed, receipt.connection & NUMBER_MASK)
        text = content(envelope.payload)
        taken = [outage.takes_content(text, at_us, receipt.connection, beside, self._lag_us) for outage in near]
        return bool(taken) and all(taken)

    def note_next(self, stream: StreamState, received_us: int, message_id: int, content: bytes) -> None:
        """Note a message that came soon after an outage; only its content says what it is if the stream has no ids."""
        known = Known(digest_of(content) if stream.rule is IdRule.NONE else message_id, received_us)
        open_ = [outage for outage in stream.dedup.progress.activity.past_outages if outage.is_open]
        for outage in open_:
            outage.note_next(known)
        stream.is_at_border = any(outage.is_open for outage in open_)

    def _is_between(self, stream: StreamState, message_id: int, at_us: int, near: list[PastOutage]) -> bool:
        """Whether its id, too, says that a message was received in an outage, or next to it."""
        if any(message_id in outage.taken for outage in near):
            return False
        within = [outage for outage in near if outage.since_us <= at_us <= outage.until_us]
        taken = [outage.takes_id(message_id, rises=stream.rule is IdRule.RISING) for outage in within or near]
        return bool(taken) and all(taken)

    def _fills_a_hole(self, stream: StreamState, receipt: Receipt, envelope: Envelope) -> bool | None:
        progress, message_id = stream.dedup.progress, envelope.id
        if receipt.received_us < progress.restarted_us or message_id is None:
            return False  # of a series that ended
        if progress.last_id is None or message_id > progress.last_id:
            return None
        first_id = message_id if envelope.first_id is None else min(envelope.first_id, message_id)
        # The row follows when no more come: by the time of the messages that are not late.
        if envelope.is_snapshot or not stream.dedup.holes.fill(first_id, message_id, stream.last_message_us):
            return False
        self._ledger.holes.watch(stream)
        return True
