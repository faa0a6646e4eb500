"""A process's counts over all its incarnations: they go on rising when a new process replaces an old one."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final, Generic, NamedTuple, TypeVar, get_type_hints

import msgspec

from collector.domain.records import StreamKey
from collector.reports import IngestReport, PublishReport, RelayReport, Report, StreamNumbers, Total, WriterReport

R = TypeVar("R", bound=Report)
F = TypeVar("F", PublishReport, RelayReport)

_STREAM_COUNTS: Final = ("messages", "bytes", "duplicates", "duplicate_bytes", "stored", "stored_bytes", "gaps")


class RoleTotals(NamedTuple, Generic[R]):
    """The newest report of a process, and the same with counts over all incarnations. Immutable."""

    newest: R
    total: R
    """Its `streams` are those of the newest report: see `stream_totals`."""
    before: R | None = None
    """The total and its streams as the earlier incarnations left them; None in the first."""

    def after(self, report: R) -> "RoleTotals[R]":
        """The totals with this report taken in."""
        before = self.before
        if self.newest.pid and _life(report) != _life(self.newest):
            before = _with_streams(self.total, self.stream_totals())
        return RoleTotals(report, report if before is None else _merged(before, report), before)

    def stream_totals(self) -> Sequence[StreamNumbers]:
        """Every stream over all incarnations."""
        now, before = _streams(self.newest), _streams(self.before)
        return list(_merged_streams(before, now)) if before else now


Totals = Mapping[str, RoleTotals[Any]]
"""By process."""


def totals_of(totals: Totals, kind: type[R]) -> RoleTotals[R]:
    """The totals of the one process that reports this type; empty before its first report."""
    return next((each for each in totals.values() if type(each.newest) is kind), first(kind()))


def ingests_of(totals: Totals) -> dict[str, RoleTotals[IngestReport]]:
    """The totals of every ingest that has reported, by feed."""
    return {each.newest.feed: each for each in totals.values() if isinstance(each.newest, IngestReport)}


def by_feed(totals: Totals, kind: type[F]) -> dict[str, F]:
    """What the processes of each feed report that report this type, with counts over all incarnations."""
    return {each.newest.feed: each.total for each in totals.values() if isinstance(each.newest, kind)}


def first(report: R) -> RoleTotals[R]:
    """The totals after the first report of a process."""
    return RoleTotals(report, report)


def _life(report: Report) -> tuple[int, int]:
    return report.pid, report.incarnation


def _streams(report: Report | None) -> Sequence[StreamNumbers]:
    return report.streams if isinstance(report, WriterReport) else ()


def _with_streams(report: R, streams: Sequence[StreamNumbers]) -> R:
    return msgspec.structs.replace(report, streams=streams) if isinstance(report, WriterReport) else report


def _merged(before: R, now: R) -> R:
    """The report `now` with its counts over all incarnations."""
    counts = _counts_of(type(now)).items()
    totals = {name: _total(getattr(before, name), getattr(now, name), how) for name, how in counts}
    return msgspec.structs.replace(now, **totals)


@cache
def _counts_of(report: type[Report]) -> Mapping[str, Total]:
    """The fields of a report type that are counts, and how each continues in a new incarnation."""
    hints = get_type_hints(report, include_extras=True)
    marked = ((name, getattr(hint, "__metadata__", ())) for name, hint in hints.items())
    return {name: marks[0] for name, marks in marked if marks and isinstance(marks[0], Total)}


def _total(before: Any, now: Any, how: Total) -> Any:
    if isinstance(now, int):
        return before + now if how is Total.ADDED else max(before, now)
    counts: dict[tuple[Any, ...], int] = {tuple(labels): count for *labels, count in before}
    for *labels, count in now:
        earlier = counts.get(tuple(labels), 0)
        counts[tuple(labels)] = earlier + count if how is Total.ADDED else max(earlier, count)
    return [(*labels, count) for labels, count in counts.items()]


def _merged_streams(before: Iterable[StreamNumbers], now: Iterable[StreamNumbers]) -> Iterator[StreamNumbers]:
    """Every stream over all incarnations; a new process does not know when the old one last stored a row."""
    new = {StreamKey(*stream[:3]): stream for stream in now}
    for stream in before:
        same = new.pop(StreamKey(*stream[:3]), None)
        yield stream if same is None else _together(stream, same)
    yield from new.values()


def _together(before: StreamNumbers, now: StreamNumbers) -> StreamNumbers:
    most = {name: max(getattr(before, name), getattr(now, name)) for name in _STREAM_COUNTS}
    saved = [count for count in (before.saved, now.saved) if count is not None]
    return now._replace(
        **most,
        saved=max(saved, default=None),
        first=tuple(_total(before.first, now.first, Total.RESUMED)),
        last_received_us=now.last_received_us or before.last_received_us,
        last_durable_us=now.last_durable_us or before.last_durable_us,
    )
