"""A role's numbers over all the lives of its process: counts go on rising when a new one begins.

Most begin at nothing. What a process keeps with its data, as the writer does, it goes on from: there the new number is
the total, and until it has read again what the one before had read, the number of that one.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from collector.domain.records import StreamKey
from collector.stats_files import StreamNumbers

Report = Mapping[str, Any]

Labels = tuple[str | int, ...]
"""The name of a count, then what tells it from the others of that name."""

COUNTS: Final = frozenset({
    "frames", "bytes", "refused", "refused_bytes", "control", "subscriptions_refused", "reconnects", "connect_failures",
    "disconnects", "never_spoke",
    "messages", "stored", "duplicates", "late", "undecodable", "ledger", "commit_failures",
    "to_receive", "to_durable", "commits",
    "archived", "quarantined", "uploaded_objects", "failed_uploads", "store_tries_failed", "rows",
    "answers", "requests_failed",
    "log_lines_dropped", "pings",
})  # fmt: skip
"""What only rises in a report: a number, or rows of labels and a number."""

_STREAM_COUNTS: Final = ("messages", "bytes", "duplicates", "duplicate_bytes", "stored", "stored_bytes", "gaps")


class RoleTotals(NamedTuple):
    """The newest report of a role, and what the processes before this one counted. It never changes."""

    report: Report = MappingProxyType({})
    counts: Mapping[Labels, int] = {}
    streams: Sequence[StreamNumbers] = ()
    counts_before: Mapping[Labels, int] = {}
    streams_before: Mapping[StreamKey, StreamNumbers] = {}
    kept: frozenset[str] = frozenset()
    """Counts that a new process goes on from. The streams' always are."""

    def after(self, report: Report) -> "RoleTotals":
        """The numbers once this report has come."""
        counts_before, streams_before = self.counts_before, self.streams_before
        if self.report and _life(report) != _life(self.report):
            counts_before = dict(self.by_label())
            streams_before = {StreamKey(*stream[:3]): stream for stream in self.stream_totals()}
        streams = [StreamNumbers(*row) for row in report.get("streams", ())]
        kept = frozenset(report.get("kept", ()))
        return RoleTotals(report, dict(_counts(report)), streams, counts_before, streams_before, kept)

    def total(self, *labels: str | int) -> int:
        """A count over all lives."""
        before, now = self.counts_before.get(labels, 0), self.counts.get(labels, 0)
        return max(before, now) if labels[0] in self.kept else before + now

    def by_label(self, name: str | None = None) -> Iterator[tuple[Labels, int]]:
        """Every count of that name, or all of them, over all lives."""
        for labels in {**self.counts_before, **self.counts}:
            if name is None or labels[0] == name:
                yield labels, self.total(*labels)

    def stream_totals(self) -> Iterator[StreamNumbers]:
        """Every stream over all lives; a new process does not know when the one before last stored a row."""
        if not self.streams_before:
            yield from self.streams
            return
        now = {StreamKey(*stream[:3]): stream for stream in self.streams}
        for key, before in self.streams_before.items():
            yield _together(before, now.pop(key)) if key in now else before
        yield from now.values()


def _life(report: Report) -> tuple[Any, Any]:
    return report.get("pid"), report.get("incarnation")


def _counts(report: Report) -> Iterator[tuple[Labels, int]]:
    for name in COUNTS & report.keys():
        value = report[name]
        if isinstance(value, int):
            yield (name,), value
        else:
            yield from (((name, *labels), number) for *labels, number in value)


def _together(before: StreamNumbers, now: StreamNumbers) -> StreamNumbers:
    most = {name: max(getattr(before, name), getattr(now, name)) for name in _STREAM_COUNTS}
    return now._replace(
        **most,
        last_received_us=now.last_received_us or before.last_received_us,
        last_durable_us=now.last_durable_us or before.last_durable_us,
    )
