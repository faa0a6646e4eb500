"""Makes the snapshot from the newest reports, and keeps what must outlive a child. No I/O, no clock."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from collector.config import Config, FeedConfig
from collector.domain.redact import redact_urls
from collector.http.host_header import is_loopback
from collector.monitoring.coverage import Coverage
from collector.monitoring.disk_trend import DiskTrend
from collector.monitoring.events import Events
from collector.monitoring.feed_silences import FeedSilences
from collector.monitoring.flow import Flow
from collector.monitoring.headline import headline
from collector.monitoring.health import Facts, Reason, reasons
from collector.monitoring.host_facts import HostWatch
from collector.monitoring.journal_lag import JournalLags
from collector.monitoring.reason_times import ReasonTimes
from collector.monitoring.refusals import Refusals
from collector.monitoring.restarts import RecentRestarts
from collector.monitoring.silences import REPORTING_SECS, Silences, split_unstored
from collector.monitoring.totals import RoleTotals, Totals, by_feed, first, ingests_of, totals_of
from collector.monitoring.undecodable import UndecodableWatch
from collector.monitoring.view import Snapshot, SupervisorFacts
from collector.reports import (
    ArchiverReport,
    IngestReport,
    JournalLag,
    PublishReport,
    RelayReport,
    RepairReport,
    Report,
    WriterReport,
)

DEMO_FEED: Final = "demo"
"""The name of the feed that records the built-in exchange."""

SUPERVISOR: Final = "supervisor"


class Status:
    """What is known of the recorder. Counts start with the supervisor and go on rising when a child is restarted."""

    def __init__(self, run_id: str, config: Config) -> None:
        self._run_id = run_id
        self._host, self._role = config.host_name, config.role
        self._hosts = HostWatch(config.host_name, config.role)
        self._feed_silences = FeedSilences(config)
        self._silences = Silences(config)
        self.coverage = Coverage(self._silences.keys)
        self._disk = DiskTrend(config.segment.interval_secs, config.journal.min_free_bytes)
        self._read(config)
        self._undecodable = UndecodableWatch()
        self._events = Events()
        self._lags = JournalLags()
        self._refusals = Refusals()
        self._restarts = RecentRestarts()
        self._reason_times = ReasonTimes()
        self._flow = Flow(config.role)
        self._started_us: int | None = None
        self._roles: dict[str, RoleTotals[Any]] = {}

    @property
    def totals(self) -> Totals:
        """The counts of every process."""
        return self._roles

    def resume(self, totals: Totals) -> None:
        """Count on from these, as an earlier program left them."""
        self._roles = dict(totals)

    def _read(self, config: Config) -> None:
        self._is_demo = any(map(_is_demo, config.feed))
        self._exchanges = {feed.name: feed.exchange for feed in config.feed}
        self._seal_interval_us = round(config.segment.interval_secs * 1_000_000)
        self._segment_limit_bytes = config.segment.max_bytes
        self._min_free_bytes = config.journal.min_free_bytes
        self._stores = config.stores
        self._receives = config.receives

    def reconfigure(self, config: Config, uptime_secs: float) -> None:
        """Judge by this configuration from now on. What was counted and learned stays."""
        self._read(config)
        self._disk.reconfigure(config.segment.interval_secs, config.journal.min_free_bytes)
        self._silences.reconfigure(config, uptime_secs)
        self._feed_silences.reconfigure(config)

    def look(self, reports: Mapping[str, Report], known: SupervisorFacts) -> Snapshot:
        """Take in the newest report of each process; returns the snapshot."""
        self._take(reports, known)
        self._silences.follow(known.symbols, known.uptime_secs)
        facts = self._facts(known)
        self._cover(known.now_us, facts)
        return self._snapshot(known, facts, reasons(facts))

    def _snapshot(self, known: SupervisorFacts, facts: Facts, found: Sequence[Reason]) -> Snapshot:
        return Snapshot(
            run_id=self._run_id,
            host=self._host,
            started_us=self._started_us or known.now_us,
            known=known,
            headline=headline(facts, found, is_ready=self._is_ready),
            reasons=self._reason_times.update(found, known.now_us),
            ready=self._is_ready,
            roles=dict(self._roles),
            exchanges=self._exchanges,
            journals=facts.journals,
            store_error=facts.store_error,
            configured=self._silences.keys,
            limit_secs=self._silences.limit_secs,
            silent=frozenset(silence.key for silence in facts.silent),
            strips=self.coverage.strips(),
            disk_full_in_secs=facts.disk_full_in_secs,
            is_demo=self._is_demo,
            next_seal_us=(known.now_us // self._seal_interval_us + 1) * self._seal_interval_us,
            stages=self._flow.update(self._roles, known.uptime_secs),
            events=self._events.newest(),
            role=self._role,
            stores=self._stores,
            receives=self._receives,
        )

    def _facts(self, known: SupervisorFacts) -> Facts:
        """Take the reports into what is tracked over time; returns what the rules of health look at."""
        writer = self._writer.newest
        journals = self._journals(known.now_us)
        error = self._archiver.last_error
        self._silences.note(writer.streams, known.now_us, known.uptime_secs, self._interrupted(journals, known))
        self._undecodable.note(known.uptime_secs, self._writer.stream_totals())
        overdue = self._silences.overdue(known.now_us, known.uptime_secs)
        hosts = self._hosts.update(self._roles, _living(known), known.now_us, known.uptime_secs)
        lags_secs = dict(hosts.waiting_secs)
        for journal in journals:
            lags_secs[journal.feed] = lags_secs.get(journal.feed, 0.0) + journal.lag_secs
        silent, unstored = split_unstored(overdue, lags_secs)
        return Facts(
            processes=known.children,
            journals=journals,
            store_error=redact_urls(error) if error else None,
            quarantined=self._archiver.in_quarantine,
            refusing=self._refusing(known),
            silent=silent,
            unstored=unstored,
            open_segment_excess=writer.segments.open_bytes / self._segment_limit_bytes,
            restarts_lately=self._restarts.update(known.children, known.uptime_secs),
            disk_full_in_secs=self._disk_full_in_secs(known),
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
            without_symbols=self._without_symbols(known),
            silent_feeds=self._silent_feeds(known),
            stores=self._stores,
            receives=self._receives,
            hosts=hosts,
        )

    @property
    def _is_ready(self) -> bool:
        """Whether anything was stored since the start; on an edge, whether anything was published."""
        if self._stores:
            return self._silences.ready
        return any(report.slices for report in by_feed(self._roles, PublishReport).values())

    def _silent_feeds(self, known: SupervisorFacts) -> dict[str, float]:
        if self._stores:
            return {}
        living = _living(known)
        heard = {feed: report for feed, report in self._ingests().items() if living.get(report.role) == report.pid}
        return self._feed_silences.update(heard, known.uptime_secs)

    def _without_symbols(self, known: SupervisorFacts) -> dict[str, str]:
        living = {child.feed for child in known.children if child.report is IngestReport and child.pid is not None}
        found = {feed: report.symbols_trouble for feed, report in self._ingests().items() if feed in living}
        return {feed: trouble for feed, trouble in found.items() if trouble}

    def _is_connected(self, known: SupervisorFacts) -> bool:
        """Whether an ingest that lives has an open connection, or a relay one to NATS."""
        living = _living(known)
        reports = [each.total for each in self._roles.values() if living.get(each.newest.role) == each.newest.pid]
        relays = [report for report in reports if isinstance(report, RelayReport)]
        lines = [line for report in reports if isinstance(report, IngestReport) for line in report.lines]
        return any(relay.is_connected for relay in relays) or any(line.state == "open" for line in lines)

    def _removed(self) -> Iterator[str]:
        if self._writer.newest.segments_removed:
            yield "segments/"
        for feed, report in self._ingests().items():
            if report.journal_removed and feed in self._exchanges:
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
        for feed, relay in by_feed(self._roles, RelayReport).items():
            if not relay.is_connected:
                found.add(feed)
        return found

    def _cover(self, now_us: int, facts: Facts) -> None:
        writer = self._writer.newest
        # If the writer is behind, the rows that seem missing may be in the journal it has not read yet.
        behind = any(journal.lag_secs > REPORTING_SECS for journal in facts.journals)
        should_speak = () if behind else [silence.key for silence in facts.silent]
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
        if not self._stores:
            return [_unpublished(each, self._ingests()) for each in by_feed(self._roles, PublishReport).values()]
        received_bytes = {feed: ingest.bytes for feed, ingest in self._ingests().items()}
        received_bytes.update((feed, relay.bytes) for feed, relay in by_feed(self._roles, RelayReport).items())
        return self._lags.update(self._writer.newest, received_bytes, now_us)

    def _refusing(self, known: SupervisorFacts) -> list[str]:
        """Feeds that refuse frames: all of them below `min_free_bytes`, because on a full disk reports may not arrive."""
        if known.disk_free_bytes is not None and known.disk_free_bytes < self._min_free_bytes:
            return list(self._exchanges)
        refused = {feed: report.refused for feed, report in self._ingests().items()}
        recorded = {feed: report.frames for feed, report in self._ingests().items()}
        return self._refusals.update(refused, recorded, known.uptime_secs)

    def _disk_full_in_secs(self, known: SupervisorFacts) -> float | None:
        if known.disk_free_bytes is None:
            return None
        # The archiver removes its copies before the disk is full.
        free_bytes = known.disk_free_bytes + self._archiver.local_bytes
        self._disk.note(known.uptime_secs, free_bytes)
        return self._disk.full_in_secs(known.uptime_secs, free_bytes)


def _living(known: SupervisorFacts) -> dict[str, int | None]:
    return {child.name: child.pid for child in known.children}


def _unpublished(report: PublishReport, ingests: Mapping[str, IngestReport]) -> JournalLag:
    """What storage does not have yet of an edge's journal."""
    files = ingests.get(report.feed, IngestReport()).journal.files
    unread_files = files if report.lag_bytes else 0
    return JournalLag(
        feed=report.feed, lag_bytes=report.lag_bytes, lag_secs=report.lag_secs, unread_files=unread_files, files=files
    )


def _is_demo(feed: FeedConfig) -> bool:
    """Whether the feed records the built-in exchange, which speaks on this machine alone."""
    return feed.name == DEMO_FEED and is_loopback(urlsplit(feed.ws_url).hostname or "")
