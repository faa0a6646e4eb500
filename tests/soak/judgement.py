"""Whether a soak lost anything. Pure: values in, counts and problems out.

A frame may be missing for one reason only: it was the tail of a connection whose ingest was killed, or that an outage of
the network cut, and a gap row covers it. The ledger's rows must say neither less nor more than what is missing.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from collector.domain.records import Gap
from collector.domain.repair_protocol import BOOK
from collector.domain.sequence.book_unknown import KIND as BOOK_UNKNOWN
from tests.soak.evidence import Connection, Evidence, Ids, Killed, Problem, Sent, Span, Stream, outages

CAUSES: Final = frozenset({"restart", "disconnect"})
SLACK_US: Final = 1_000_000
"""How far the exchange's and the recorder's notion of one moment may lie apart."""

ARCHIVED: Final = "an archived frame"

CLOSE_SLACK_US: Final = 5_000_000
"""How long after a kill the exchange, or the supervisor's log, may notice it."""

READ_SLACK_US: Final = 5_000_000
"""How long a frame may have waited to be read, on a busy machine, when its ingest was killed."""


@dataclass
class Count:
    """What became of the frames of one stream."""

    sent: int = 0
    archived: int = 0
    covered: int = 0
    lost: int = 0
    duplicated: int = 0


@dataclass
class Judgement:
    """The counts, and everything that must not be."""

    counts: dict[Stream, Count] = field(default_factory=dict)
    gaps: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Rows of the ledger by kind and cause."""
    tails: int = 0
    """Connections that lost their tail."""
    longest_tail_frames: int = 0
    longest_tail_bytes: int = 0
    """Of an ingest that ran until it was killed: one read buffer, and what came since it last read."""
    longest_stopped_tail_bytes: int = 0
    """Of one that had been stopped: as much as the kernel holds for a connection whose reader does nothing."""
    problems: list[Problem] = field(default_factory=list)


def judge(evidence: Evidence) -> Judgement:
    """Hold the archive and its ledger against what was sent."""
    result = Judgement()
    missing: dict[Stream, list[Sent]] = {}
    for stream in evidence.streams:
        missing[stream] = _judge_frames(stream, evidence, result)
    _judge_tails(evidence, missing, result)
    for feed, streams in evidence.feeds.items():
        spans = outages([connection for connection in evidence.connections if connection.feed == feed])
        for stream in streams:
            result.problems += _ledger_problems(stream, evidence, missing[stream], spans)
    for stream, rows in evidence.gaps.items():
        result.gaps.update((row.kind, row.cause) for row in rows)
        if stream not in missing:
            result.problems += [Problem("gap row", f"{stream}: {_shown(row)}") for row in rows]
    return result


# Frames


def _judge_frames(stream: Stream, evidence: Evidence, result: Judgement) -> list[Sent]:
    """Count them; returns those that are missing."""
    sent, archived = evidence.sent.get(stream, ()), evidence.archived.get(stream, ())
    kept = Counter(archived)
    missing = [frame for frame in sent if frame.digest not in kept]
    is_covered = _coverage(stream, evidence.gaps.get(stream, ()))
    covered = sum(map(is_covered, missing))
    count = Count(
        sent=len(sent), archived=len(archived), covered=covered, lost=len(missing) - covered,
        duplicated=len(archived) - len(kept),
    )  # fmt: skip
    result.counts[stream] = count
    result.problems += [Problem("lost", f"{stream}: {count.lost} frames are missing without a row")] * (count.lost > 0)
    result.problems += [Problem("duplicated", f"{stream}: {count.duplicated} rows")] * (count.duplicated > 0)
    result.problems += list(_order_problems(stream, sent, archived))
    return missing


def _order_problems(stream: Stream, sent: Sequence[Sent], archived: Sequence[bytes]) -> Iterator[Problem]:
    place = {frame.digest: index for index, frame in enumerate(sent)}
    invented = sum(digest not in place for digest in archived)
    if invented:
        yield Problem("invented", f"{stream}: {invented} rows that nobody sent")
    places = [place[digest] for digest in dict.fromkeys(archived) if digest in place]
    turned = sum(later < earlier for earlier, later in pairwise(places))
    if turned:
        yield Problem("order", f"{stream}: {turned} rows stand before one that was sent earlier")


def _coverage(stream: Stream, rows: Sequence[Gap]) -> Callable[[Sent], bool]:
    """Whether the ledger says that a frame is missing."""
    if stream.provable:
        ranges = [ids for row in rows if _counts(row) and (ids := _ids(row))]
        return lambda frame: frame.ids is not None and any(_holds(known, frame.ids) for known in ranges)
    silences = [row for row in rows if row.kind == "silence"]
    return lambda frame: any(_lies_within(Span(frame.at_us, frame.at_us), row) for row in silences)


# Tails of connections


def _judge_tails(evidence: Evidence, missing: dict[Stream, list[Sent]], result: Judgement) -> None:
    lost = {(stream, frame.digest) for stream, frames in missing.items() for frame in frames}
    for connection in evidence.connections:
        tail = [frame for stream, frame in connection.frames if (stream, frame.digest) in lost]
        if tail:
            kills = _kills_of(connection, [*evidence.killed, *_cuts_of(connection, evidence.cuts)])
            _count_tail(tail, kills, result)
            about = f"connection {connection.number} of {connection.feed}, closed {connection.closed_us / 1e6:.3f}: "
            for text in _tail_problems(tail, kills):
                result.problems.append(Problem("tail", about + text))
            if kept := _kept_behind_the_first(connection, lost, evidence.connections):
                result.problems.append(Problem("tail", f"{about}{kept} frames were kept behind the first missing one"))


def _cuts_of(connection: Connection, cuts: Sequence[Span]) -> list[Killed]:
    """An outage ends a connection as a kill does, at any moment of it; until it began everything was read."""
    return [
        Killed(connection.feed, min(max(connection.closed_us, cut.start_us), cut.end_us), cut.start_us) for cut in cuts
    ]


def _kills_of(connection: Connection, killed: Sequence[Killed]) -> list[Killed]:
    """Those that may have ended the connection."""
    return [
        kill
        for kill in killed
        if kill.feed == connection.feed and abs(kill.at_us - connection.closed_us) <= CLOSE_SLACK_US
    ]


def _count_tail(tail: Sequence[Sent], kills: Sequence[Killed], result: Judgement) -> None:
    size_bytes = sum(frame.size_bytes for frame in tail)
    result.tails += 1
    result.longest_tail_frames = max(result.longest_tail_frames, len(tail))
    if any(kill.ran_until_us < kill.at_us for kill in kills):
        result.longest_stopped_tail_bytes = max(result.longest_stopped_tail_bytes, size_bytes)
    else:
        result.longest_tail_bytes = max(result.longest_tail_bytes, size_bytes)


def _tail_problems(tail: Sequence[Sent], kills: Sequence[Killed]) -> Iterator[str]:
    if not kills:
        yield f"{len(tail)} frames missing, but nobody killed its ingest and nothing cut it"
    elif (early_us := min(kill.ran_until_us for kill in kills) - tail[0].at_us) > READ_SLACK_US:
        yield f"{len(tail)} frames missing, the first sent {early_us / 1e6:.3f} s before its ingest last ran"


def _kept_behind_the_first(
    connection: Connection, lost: set[tuple[Stream, bytes]], connections: Sequence[Connection]
) -> int:
    keys = [(stream, frame.digest) for stream, frame in connection.frames]
    first = next(index for index, key in enumerate(keys) if key in lost)
    kept = {key for key in keys[first:] if key not in lost}
    others = (other for other in connections if kept and other is not connection)
    # A copy may have come on another connection.
    return len(kept.difference((stream, frame.digest) for other in others for stream, frame in other.frames))


# The ledger


def _ledger_problems(
    stream: Stream, evidence: Evidence, missing: Sequence[Sent], spans: Sequence[Span]
) -> Iterator[Problem]:
    found = evidence.gaps.get(stream, ())
    wanted = "sequence" if stream.provable else "silence"
    expected = {wanted, BOOK_UNKNOWN} if stream.data_type == BOOK else {wanted}
    yield from (
        Problem("gap row", f"{stream}: {_shown(row)} is unexpected") for row in found if row.kind not in expected
    )
    rows = [row for row in found if row.kind == wanted]
    kept = set(evidence.archived.get(stream, ()))
    archived = [frame for frame in evidence.sent.get(stream, ()) if frame.digest in kept]
    if stream.data_type == BOOK:
        yield from _book_problems(stream, archived, [row for row in found if row.kind == BOOK_UNKNOWN])
    if stream.provable:
        yield from _sequence_problems(stream, archived, rows, evidence.breaks.get(stream, ()))
    else:
        yield from _silence_problems(stream, archived, rows, missing, spans)


def _sequence_problems(
    stream: Stream, archived: Sequence[Sent], rows: Sequence[Gap], breaks: Sequence[Ids]
) -> Iterator[Problem]:
    """Archived ids and the ledger's together leave no hole and overlap nowhere."""
    links = [(frame.ids, ARCHIVED) for frame in archived if frame.ids]
    for row in rows:
        ids = _ids(row)
        if ids is None or row.missing != ids.last - ids.first + 1:
            yield Problem("sequence", f"{stream}: {_shown(row)} does not count what is missing")
        elif row.cause not in CAUSES and not any(_overlap(ids, own) for own in breaks):
            yield Problem("sequence", f"{stream}: {_shown(row)} has no cause of ours")
        if ids is not None and _counts(row):
            links.append((ids, f"gap row {row.gap_id}"))
    links.sort()
    if links and not links[0][1] == links[-1][1] == ARCHIVED:
        yield Problem("sequence", f"{stream}: a gap row lies outside of all that was archived")
    yield from _chain_problems(stream, links)


def _chain_problems(stream: Stream, links: Sequence[tuple[Ids, str]]) -> Iterator[Problem]:
    until: int | None = None
    for ids, name in links:
        if until is not None and ids.first <= until:
            yield Problem("sequence", f"{stream}: {name} {ids.first}..{ids.last} overlaps what ends at {until}")
        elif until is not None and ids.first > until + 1:
            yield Problem("sequence", f"{stream}: no row for the ids {until + 1}..{ids.first - 1}")
        until = ids.last if until is None else max(until, ids.last)


def _silence_problems(
    stream: Stream, archived: Sequence[Sent], rows: Sequence[Gap], missing: Sequence[Sent], spans: Sequence[Span]
) -> Iterator[Problem]:
    """Every stretch without a socket has its row, and a row covers nothing that was kept."""
    times = sorted(frame.at_us for frame in archived)
    for span in spans:
        if times and span.start_us > times[0] and not any(_lies_within(span, row) for row in rows):
            yield Problem("silence", f"{stream}: no row for {span}, when no socket was open")
    for row in rows:
        if _lies_over(row, times):
            yield Problem("silence", f"{stream}: {_shown(row)} lies over frames that were kept")
        if not any(_touches(row, span) for span in (*spans, *(Span(frame.at_us, frame.at_us) for frame in missing))):
            yield Problem("silence", f"{stream}: {_shown(row)} covers nothing that is missing")
        if row.cause not in CAUSES:
            yield Problem("silence", f"{stream}: {_shown(row)} has no cause of ours")


def _book_problems(stream: Stream, archived: Sequence[Sent], rows: Sequence[Gap]) -> Iterator[Problem]:
    """One row says that no book goes with the updates, from the first one on: a soak has nobody to ask for a book."""
    begins = [(str(frame.ids.first), None, None, None, "restart", "open") for frame in archived[:1] if frame.ids]
    if begins != [(row.expected_id, row.actual_id, row.missing, row.ended_at, row.cause, row.status) for row in rows]:
        yield Problem("book", f"{stream}: rows {[*map(_shown, rows)]} of an unknown book, and wanted is {begins}")


def _ids(row: Gap) -> Ids | None:
    """What a sequence row says is missing; None where it does not say."""
    try:
        ids = Ids(int(row.expected_id or ""), int(row.actual_id or "") - 1)
    except ValueError:
        return None
    return ids if ids.first <= ids.last else None


def _counts(row: Gap) -> bool:
    return row.kind == "sequence" and row.status != "repaired"


def _holds(outer: Ids, inner: Ids) -> bool:
    return outer.first <= inner.first and inner.last <= outer.last


def _overlap(one: Ids, other: Ids) -> bool:
    return one.first <= other.last and other.first <= one.last


def _lies_within(span: Span, row: Gap) -> bool:
    ended_us = row.ended_at
    return row.started_at - SLACK_US <= span.start_us and (ended_us is None or span.end_us <= ended_us + SLACK_US)


def _touches(row: Gap, span: Span) -> bool:
    ended_us = row.ended_at
    return row.started_at - SLACK_US <= span.end_us and (ended_us is None or span.start_us <= ended_us + SLACK_US)


def _lies_over(row: Gap, times: Sequence[int]) -> bool:
    """Whether any of the ascending times is well inside of it."""
    end = len(times) if row.ended_at is None else bisect_left(times, row.ended_at - SLACK_US)
    return end > bisect_left(times, row.started_at + SLACK_US)


def _shown(row: Gap) -> str:
    begun = f"{row.started_at / 1e6:.3f}"
    when = f"{begun} and lasting" if row.ended_at is None else f"{begun}..{row.ended_at / 1e6:.3f}"
    ids = f" ids {row.expected_id}..{row.actual_id} missing {row.missing}" if row.expected_id else ""
    return f"{row.kind} row {row.gap_id} ({row.cause}, {row.status}) of {when}{ids}"
