"""The relay process: from the streams of all edges of one feed into the feed's journal, and back how far that is durable.

Nothing is ever refused to an edge: what is not taken waits in NATS, and then on the edge, until it is. Errors: what the
servers do not answer is tried again; a slice that cannot be read is asked for again; a full disk is waited for; a failed
fsync ends the process.
"""

import errno
from collections.abc import Callable
from typing import Final

from collector.config import FeedConfig
from collector.processes.async_work import run_async
from collector.processes.context import Context
from collector.processes.journals import journal_folder, open_relay_journal
from collector.processes.line_overlap import overlap_secs
from collector.processes.nats_bus import open_bus
from collector.processes.relay.intake import Intake
from collector.processes.relay.relay import Relay
from collector.processes.relay.restore import restored
from collector.processes.relay.taker import taker_of
from collector.processes.roles import feed_of
from collector.reports import RelayReport
from collector.storage.journal.writer import JournalWriter

_FULL_DISK: Final = frozenset({errno.ENOSPC, errno.EDQUOT})

_PAUSE_SECS: Final = 1.0


def main(context: Context) -> None:
    """Run the relay process of the feed that the role names."""
    name = feed_of(context.role)
    feed = next(feed for feed in context.config.feed if feed.name == name)
    late_ns = int(overlap_secs(context.config) * 1e9)
    intake = Intake(context.clock.now_ns, late_ns, restored(journal_folder(context.config, name)))
    journal = begin_journal(context, feed, intake)
    if journal is not None:
        bus = open_bus(context)
        run_async(context, Relay(context, name, bus, journal, intake).run)


def begin_journal(
    context: Context, feed: FeedConfig, intake: Intake, open_: Callable[..., JournalWriter] = open_relay_journal
) -> JournalWriter | None:
    """Open the journal, as soon as the disk has room for a file; None if told to stop meanwhile. Raises OSError."""
    waited = False
    while not context.stopping():
        try:
            taker_of(journal_folder(context.config, feed.name))
            return open_(context.config, feed, context.clock.now_ns, lambda: tuple(intake.sources.values()))
        except OSError as error:
            if error.errno not in _FULL_DISK:
                raise
            if not waited:
                context.log.warning("no_room_for_journal", error=str(error))
        waited = True
        context.report(RelayReport(feed=feed.name, refused="no room for a journal file"))
        context.clock.sleep(_PAUSE_SECS)
    return None
