"""What a relay reports."""

from collector.bus.bus import Bus, StreamState
from collector.processes.disk_space import Space
from collector.processes.relay.edge_stream import EdgeStream
from collector.processes.relay.edges import Edges
from collector.processes.relay.places import Places
from collector.reports import EdgeSource, JournalReport, RelayReport
from collector.storage.journal.relayed import Source
from collector.storage.journal.writer import JournalWriter


def report_of(
    feed: str, bus: Bus, edges: Edges, places: Places, journal: JournalWriter, space: Space, short: str | None
) -> RelayReport:
    """The numbers as they are now; `short` is why nothing can be appended."""
    intake, counts = edges.intake, edges.intake.counts
    problems = [bus.last_error, places.last_error, edges.last_error]
    problems += [stream.last_error for stream in edges.streams.values()]
    problems += [f"{edge}: {why}" for edge, why in intake.holes.items()]
    return RelayReport(
        feed=feed,
        is_connected=bus.is_connected,
        slices=counts.slices,
        bytes=counts.bytes,
        copies=counts.copies,
        holes=counts.holes,
        late=counts.late,
        lost=counts.lost,
        refused=short or next(iter(intake.refused.values()), ""),
        sources=[
            _source(intake.sources[edge], stream, edges.states.get(edge), has_hole=edge in intake.holes)
            for edge, stream in edges.streams.items()
        ],
        journal=JournalReport(
            number=journal.number, position=journal.position, files=space.journal_files, bytes=space.journal_bytes
        ),
        last_error=next(filter(None, problems), None),
    )


def _source(source: Source, stream: EdgeStream, state: StreamState | None, *, has_hole: bool) -> EdgeSource:
    pending = 0 if state is None else max(0, min(state.last - stream.handled, state.messages))
    return EdgeSource(
        edge=source.edge,
        slot=source.slot,
        received_us=source.newest_ns // 1_000 or None,
        arrived_us=source.seen_us if source.epoch else None,
        pending=pending,
        pending_bytes=0 if state is None or not pending else state.bytes * pending // state.messages,
        has_hole=has_hole,
    )
