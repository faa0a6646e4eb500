"""Moves what version 1 of a feed's state kept per plan and per feed into the state of each stream."""

from collections.abc import Iterator

from collector.domain.silence import StreamActivity
from collector.processes.writer.gaps.feed_state import FeedState
from collector.processes.writer.gaps.plans import Plans
from collector.processes.writer.gaps.stream_ownership import StreamOwnership
from collector.processes.writer.streams import StreamState
from collector.storage.journal.format import FeedIdentity


def carry_over(
    state: FeedState, identity: FeedIdentity, plans: Plans, ownership: StreamOwnership, *, is_same: bool
) -> Iterator[StreamState]:
    """Move the fields that only version 1 wrote, and clear them. Yields the streams whose state this changes.

    `is_same` says whether the journal is from the incarnation of ingest that the state describes. If it is not,
    `StreamOwnership.hand_over` reads the remaining fields.
    """
    for key, since_us in state.unheard.items():
        state.unspoken[key] = StreamActivity(silent_since_us=since_us, first_us=since_us)
    state.unheard = {}
    links = state.links
    if not is_same or not (links.known or links.down or state.refusing_since_us is not None):
        return
    for plan in plans.numbers(identity):
        down = links.down.get(plan)
        if down is None and plan not in links.known and links.away_since_us is not None:
            down = links.away_since_us, "restart"
        first_us, quiet_connected_us = links.stood.get(plan, (links.since.get(plan, 0), 0))
        for _, stream, activity in ownership.members(identity.feed, plans.keys_of(identity, plan)):
            activity.refused_since_us = state.refusing_since_us
            if down is not None:
                activity.go_offline(*down)
            if stream is not None:
                yield stream
            else:
                activity.first_us, activity.quiet_connected_us = activity.first_us or first_us, quiet_connected_us
    state.refusing_since_us = None
    links.down, links.away_since_us, links.known, links.stood = {}, None, [], {}
