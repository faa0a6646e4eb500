"""Makes the snapshot from the newest reports, and keeps what must outlive a child. No I/O, no clock."""

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec.structs import replace

from collector.config import Config, FeedConfig
from collector.domain.names import iso_time
from collector.domain.redact import redact_urls
from collector.http.host_header import is_loopback
from collector.monitoring.coverage import Coverage
from collector.monitoring.disk_trend import DiskTrend
from collector.monitoring.events import Events
from collector.monitoring.headline import headline
from collector.monitoring.health import RESTART_LOOP_SECS, Facts, Reason, reasons
from collector.monitoring.rates import History
from collector.monitoring.silences import REPORTING_SECS, Silence, Silences
from collector.monitoring.totals import RoleTotals, first, ingests_of, totals_of
from collector.monitoring.undecodable import UndecodableWatch
from collector.monitoring.view import Snapshot, Stage, SupervisorFacts
from collector.reports import ArchiverReport, IngestReport, JournalLag, RepairReport, Report, WriterReport

_REFUSING_SECS: Final = 10.0
"""A feed that refused a frame this recently counts as refusing."""

DEMO_FEED: Final = "demo"
"""The name of the feed that records the built-in exchange."""

SUPERVISOR: Final = "supervisor"
_STAGES: Final = ("frames", "messages", "stored", "archived")


class Status:
    """What is known of the recorder. Counts start with the supervisor and go on rising when a child is restarted."""

    def __init__(self, run_id: str, config: Config) -> None:
        self._run_id = run_id
        self._host = config.host_name
        self._is_demo = any(map(_is_demo, config.feed))
        self._exchanges = {feed.name: feed.exchange for feed in config.feed}
        self._silences = Silences(config)
        self.coverage = Coverage(self._silences.keys)
        self._seal_interval_us = round(config.segment.interval_secs * 1_000_000)
        self._segment_limit_bytes = config.segment.max_bytes
        self._min_free_bytes = config.journal.min_free_bytes
        self._disk = DiskTrend(config.segment.interval_secs, config.journal.min_free_bytes)
        self._undecodable = UndecodableWatch()
        self._events = Events()
        self._reasons_since: Mapping[str, str] = {}
        self._started_us: int | None = None
        self._writer_updated_us = 0
        self._bytes_then: Mapping[str, int] = {}
        self._roles: dict[str, RoleTotals[Any]] = {}
        self._refused: dict[str, tuple[int, float]] = {}
        self._restarts: defaultdict[str, deque[float]] = defaultdict(deque)
        self._restarts_seen: defaultdict[str, int] = defaultdict(int)
        self._histories = {name: History() for name in _STAGES}

    def look(self, reports: Mapping[str, Report], known: SupervisorFacts) -> Snapshot:
        """Take in the newest report of each process; returns the snapshot."""
        self._take(reports, known)
        journals = self._journals(known.now_us)
        error = self._archiver.last_error
        store_error = redact_urls(error) if error else None
        interrupted = self._interrupted(journals, known)
        self._silences.note(self._writer.newest.streams, known.now_us, known.uptime_secs, interrupted)
        silent = self._silences.silent(known.now_us, known.uptime_secs)
        self._cover(known.now_us, journals, silent)
        self._undecodable.note(known.uptime_secs, self._writer.stream_totals())
        disk_full_in_secs = self._disk_full_in_secs(known)
        facts = self._facts(known, journals, store_error, silent, disk_full_in_secs)
        found = reasons(facts)
        return Snapshot(
            run_id=self._run_id,
            host=self._host,
            started_us=self._started_us or known.now_us,
            known=known,
            headline=headline(facts, found, is_ready=self._silences.ready),
            reasons=self._dated(found, known.now_us),
            ready=self._silences.ready,
            roles=dict(self._roles),
            exchanges=self._exchanges,
            journals=journals,
            store_error=store_error,
            configured=self._silences.keys,
            limit_secs=self._silences.limit_secs,
            silent=frozenset(silence.key for silence in silent),
            strips=self.coverage.strips(),
            disk_full_in_secs=disk_full_in_secs,
            is_demo=self._is_demo,
            next_seal_us=(known.now_us // self._seal_interval_us + 1) * self._seal_interval_us,
            stages=self._stages(known.uptime_secs),
            events=self._events.newest(),
        )

    def _facts(
        self,
        known: SupervisorFacts,
        journals: Sequence[JournalLag],
        store_error: str | None,
        silent: Sequence[Silence],
        disk_full_in_secs: float | None,
    ) -> Facts:
        writer = self._writer.newest
        return Facts(
            processes=known.children,
            journals=journals,
            store_error=store_error,
            quarantined=self._archiver.in_quarantine,
            refusing=self._refusing(known),
            silent=silent,
            open_segment_excess=writer.segments.open_bytes / self._segment_limit_bytes,
            restarts_lately=self._restarts_lately(known),
            disk_full_in_secs=disk_full_in_secs,
            clock_offsets_secs={feed: offset_us / 1e6 for feed, offset_us in writer.clock_offsets_us.items()},
            asked_clocks_secs={
                feed: (clock.offset_us / 1e6, clock.within_us / 1e6)
                for feed, clock in totals_of(self._roles, RepairReport).newest.clocks.items()
            },
            removed=list(self._removed()),
            configured=self._silences.keys,
            undecodable=self._undecodable.shares,
            feeds=list(self._exchanges),
            is_connected=self._is_connected(known),
        )

    def _dated(self, found: Sequence[Reason], now_us: int) -> list[dict[str, str]]:
        """Each reason with the time since when it has held without a break."""
        now = iso_time(now_us)
        self._reasons_since = {code: self._reasons_since.get(code, now) for code, _, _ in found}
        return [{"code": code, "text": text, "since": self._reasons_since[code]} for code, _, text in found]

    def _is_connected(self, known: SupervisorFacts) -> bool:
        """Whether an ingest that lives has an open connection."""
        living = {child.name: child.pid for child in known.children}
        reports = (report for report in self._ingests().values() if report.pid == living.get(report.role))
        return any(line.state == "open" for report in reports for line in report.lines)

    def _removed(self) -> Iterator[str]:
        if self._writer.newest.segments_removed:
            yield "segments/"
        for feed, report in self._ingests().items():
            if report.journal_removed:
                yield f"journal/{feed}/"

    def _take(self, reports: Mapping[str, Report], known: SupervisorFacts) -> None:
        if self._started_us is None:
            self._started_us = known.now_us - int(known.uptime_secs * 1e6)
        for role, report in {**reports, SUPERVISOR: known.own}.items():
            self._roles[role] = self._roles[role].after(report) if role in self._roles else first(report)
            self._events.take(role, report)

    def _interrupted(self, journals: Sequence[JournalLag], known: SupervisorFacts) -> set[str]:
        """Feeds without an open connection, and feeds whose rows the writer has not reached yet."""
        found = {journal.feed for journal in journals if journal.lag_secs > REPORTING_SECS}
        found.update(child.feed for child in known.children if child.state in {"backoff", "failed"})
        for feed, report in self._ingests().items():
            if report.lines and not any(line.state == "open" for line in report.lines):
                found.add(feed)
        return found

    def _cover(self, now_us: int, journals: Sequence[JournalLag], silent: Sequence[Silence]) -> None:
        writer = self._writer.newest
        # If the writer is behind, the rows that seem missing may be in the journal it has not read yet.
        behind = any(journal.lag_secs > REPORTING_SECS for journal in journals)
        should_speak = () if behind else [silence.key for silence in silent]
        self.coverage.update(now_us, writer.streams, writer.gap_rows, should_speak)

    @property
    def _writer(self) -> RoleTotals[WriterReport]:
        return totals_of(self._roles, WriterReport)

    @property
    def _archiver(self) -> ArchiverReport:
        return totals_of(self._roles, ArchiverReport).total

    def _ingests(self) -> Mapping[str, IngestReport]:
        return {feed: totals.total for feed, totals in ingests_of(self._roles).items()}

    def _journals(self, now_us: int) -> list[JournalLag]:
        """The lag of each journal as the writer reported it, plus what was received since if its report is old."""
        report = self._writer.newest
        updated_us = report.updated_us
        bytes_now = {feed: ingest.bytes for feed, ingest in self._ingests().items()}
        if updated_us != self._writer_updated_us:
            self._writer_updated_us, self._bytes_then = updated_us, bytes_now
        unreported_secs = (now_us - updated_us) / 1e6
        bytes_since = {feed: total - self._bytes_then.get(feed, 0) for feed, total in bytes_now.items()}
        return [_grown(journal, unreported_secs, bytes_since.get(journal.feed, 0)) for journal in report.journals]

    def _refusing(self, known: SupervisorFacts) -> list[str]:
        """Feeds that refuse frames: all of them below `min_free_bytes`, because on a full disk reports may not arrive."""
        if known.disk_free_bytes is not None and known.disk_free_bytes < self._min_free_bytes:
            return list(self._exchanges)
        uptime_secs = known.uptime_secs
        for feed, report in self._ingests().items():
            if report.refused > self._refused.get(feed, (0, 0.0))[0]:
                self._refused[feed] = (report.refused, uptime_secs)
        return [feed for feed, (_, at_secs) in self._refused.items() if uptime_secs - at_secs < _REFUSING_SECS]

    def _restarts_lately(self, known: SupervisorFacts) -> dict[str, int]:
        lately = {}
        for child in known.children:
            times = self._restarts[child.name]
            times.extend([known.uptime_secs] * (child.restarts - self._restarts_seen[child.name]))
            self._restarts_seen[child.name] = child.restarts
            while times and known.uptime_secs - times[0] > RESTART_LOOP_SECS:
                times.popleft()
            lately[child.name] = len(times)
        return lately

    def _disk_full_in_secs(self, known: SupervisorFacts) -> float | None:
        if known.disk_free_bytes is None:
            return None
        self._disk.note(known.uptime_secs, known.disk_free_bytes)
        return self._disk.full_in_secs(known.uptime_secs, known.disk_free_bytes)

    def _stages(self, uptime_secs: float) -> list[Stage]:
        writer = self._writer.total
        totals = {
            "frames": sum(report.frames for report in self._ingests().values()),
            "messages": writer.messages + writer.undecodable,
            "stored": writer.stored,
            "archived": self._archiver.rows,
        }
        for name, total in totals.items():
            self._histories[name].note(uptime_secs, total)
        return [
            Stage(name, totals[name], history.per_sec(), history.rates()) for name, history in self._histories.items()
        ]


def _is_demo(feed: FeedConfig) -> bool:
    """Whether the feed records the built-in exchange, which speaks on this machine alone."""
    return feed.name == DEMO_FEED and is_loopback(urlsplit(feed.ws_url).hostname or "")


def _grown(journal: JournalLag, unreported_secs: float, bytes_since: int) -> JournalLag:
    """The lag as of now: if the writer's report is old it grows by the time and the bytes since then."""
    is_late = unreported_secs > REPORTING_SECS
    lag_bytes = journal.lag_bytes + (bytes_since if is_late else 0)
    # A journal of which nothing is unread is not behind, however long ago the report was.
    lag_secs = journal.lag_secs + (unreported_secs if is_late and lag_bytes else 0.0)
    return replace(journal, lag_bytes=lag_bytes, lag_secs=round(lag_secs, 3))
