"""What a relay reports."""

from itertools import islice
from typing import Final

from collector.bus.bus import Bus, StreamState
from collector.processes.disk_space import Space
from collector.processes.relay.edge_stream import EdgeStream
from collector.processes.relay.edges import Edges
from collector.processes.relay.intake import Intake
from collector.processes.relay.places import Places
from collector.reports import EdgeSource, JournalReport, RelayReport
from collector.storage.journal.writer import JournalWriter

_MOST_TROUBLES: Final = 8
"""So many edges of which nothing is taken are named."""


def report_of(
    feed: str, bus: Bus, edges: Edges, places: Places, journal: JournalWriter, space: Space, short: str | None
) -> RelayReport:
    """The numbers as they are now; `short` is why nothing can be appended."""
    intake = edges.intake
    counts = list(intake.counts.values())
    problems = [bus.last_error, places.last_error, edges.last_error]
    problems += [stream.last_error for stream in edges.streams.values()]
    problems += [f"{edge}: {why}" for edge, why in intake.holes.items()]
    return RelayReport(
        feed=feed,
        is_connected=bus.is_connected,
        slices=sum(each.slices for each in counts),
        bytes=sum(each.bytes for each in counts),
        copies=sum(each.copies for each in counts),
        holes=sum(each.holes for each in counts),
        late=sum(each.late for each in counts),
        lost=sum(each.lost for each in counts),
        refused=short or "; ".join(islice(intake.troubles(), _MOST_TROUBLES)),
        sources=[
            _source(intake, stream, edges.states.get(edge), edge)
            for edge, stream in edges.streams.items()
            if edge in intake.sources
        ],
        journal=JournalReport(
            number=journal.number, position=journal.position, files=space.journal_files, bytes=space.journal_bytes
        ),
        last_error=next(filter(None, problems), None),
    )


def _source(intake: Intake, stream: EdgeStream, state: StreamState | None, edge: str) -> EdgeSource:
    source, counts = intake.sources[edge], intake.counts[edge]
    pending = 0 if state is None else max(0, min(state.last - stream.handled, state.messages))
    return EdgeSource(
        edge=source.edge,
        slot=source.slot,
        received_us=source.newest_ns // 1_000 or None,
        arrived_us=source.seen_us if source.epoch else None,
        pending=pending,
        pending_bytes=0 if state is None or not pending else state.bytes * pending // state.messages,
        has_hole=edge in intake.holes,
        holes=counts.holes,
        late=counts.late,
        lost=counts.lost,
    )
