"""Keeps what must outlive a child, and makes of the newest reports what is known now. No I/O, no clock."""

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

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
from collector.monitoring.totals import Report, RoleTotals
from collector.monitoring.undecodable import UndecodableWatch
from collector.monitoring.view import Snapshot, Stage, SupervisorFacts

_REFUSING_SECS: Final = 10.0
"""A feed that refused a frame so recently is refusing."""

DEMO_FEED: Final = "demo"
"""The name of the feed that records the built-in exchange."""

SUPERVISOR: Final = "supervisor"
_STAGES: Final = ("frames", "messages", "stored", "archived")


class Status:
    """The supervisor's memory. Counts are since its start: they go on rising when a child is restarted."""

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
        self._roles: dict[str, RoleTotals] = {}
        self._refused: dict[str, tuple[int, float]] = {}
        self._restarts: defaultdict[str, deque[float]] = defaultdict(deque)
        self._restarts_seen: defaultdict[str, int] = defaultdict(int)
        self._histories = {name: History() for name in _STAGES}

    def look(self, reports: Mapping[str, Report], known: SupervisorFacts) -> Snapshot:
        """Take in the newest report of each role; returns what is known now."""
        self._take(reports, known)
        journals = self._journals(known.now_us)
        error = self._role("archiver").report.get("last_error")
        store_error = redact_urls(error) if error else None
        interrupted = self._interrupted(journals, known)
        self._silences.note(self._role("writer").streams, known.now_us, known.uptime_secs, interrupted)
        silent = self._silences.silent(known.now_us, known.uptime_secs)
        self._cover(known.now_us, journals, silent)
        self._undecodable.note(known.uptime_secs, self._role("writer").stream_totals())
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
        journals: Sequence[Mapping[str, Any]],
        store_error: str | None,
        silent: Sequence[Silence],
        disk_full_in_secs: float | None,
    ) -> Facts:
        writer, archiver = self._role("writer"), self._role("archiver")
        return Facts(
            processes=[child._asdict() for child in known.children],
            journals=journals,
            store_error=store_error,
            quarantined=archiver.report.get("in_quarantine", 0),
            refusing=self._refusing(known),
            silent=silent,
            open_segment_excess=writer.report.get("segments", {}).get("open_bytes", 0) / self._segment_limit_bytes,
            restarts_lately=self._restarts_lately(known),
            disk_full_in_secs=disk_full_in_secs,
            clock_offsets_secs={
                feed: offset_us / 1e6 for feed, offset_us in writer.report.get("clock_offsets_us", {}).items()
            },
            asked_clocks_secs={
                feed: (clock["offset_us"] / 1e6, clock["within_us"] / 1e6)
                for feed, clock in self._role("repair").report.get("clocks", {}).items()
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
        for feed in self._exchanges:
            report = self._role(f"ingest:{feed}").report
            is_alive = report.get("pid") == living.get(f"ingest:{feed}")
            if is_alive and any(line["state"] == "open" for line in report.get("lines", ())):
                return True
        return False

    def _removed(self) -> Iterator[str]:
        if self._role("writer").report.get("segments_removed"):
            yield "segments/"
        for feed in self._exchanges:
            if self._role(f"ingest:{feed}").report.get("journal_removed"):
                yield f"journal/{feed}/"

    def _take(self, reports: Mapping[str, Report], known: SupervisorFacts) -> None:
        if self._started_us is None:
            self._started_us = known.now_us - int(known.uptime_secs * 1e6)
        for role, report in {**reports, SUPERVISOR: known.own}.items():
            self._roles[role] = self._role(role).after(report)
            self._events.take(role, report)

    def _interrupted(self, journals: Sequence[Mapping[str, Any]], known: SupervisorFacts) -> set[str]:
        """Feeds that have no open connection, or rows that the writer has not come to."""
        found = {journal["feed"] for journal in journals if journal["lag_secs"] > REPORTING_SECS}
        found.update(child.name.partition(":")[2] for child in known.children if child.state in {"backoff", "failed"})
        for feed in self._exchanges:
            lines = self._role(f"ingest:{feed}").report.get("lines")
            if lines and not any(line["state"] == "open" for line in lines):
                found.add(feed)
        return found

    def _cover(self, now_us: int, journals: Sequence[Mapping[str, Any]], silent: Sequence[Silence]) -> None:
        writer = self._role("writer")
        # What a writer that is behind has not read yet may hold the rows that seem to be missing.
        behind = any(journal["lag_secs"] > REPORTING_SECS for journal in journals)
        should_speak = () if behind else [silence.key for silence in silent]
        self.coverage.update(now_us, writer.streams, writer.report.get("gap_rows", ()), should_speak)

    def _role(self, name: str) -> RoleTotals:
        return self._roles.get(name, RoleTotals())

    def _journals(self, now_us: int) -> list[dict[str, Any]]:
        """As the writer sees them; one that reports no more falls behind by what comes meanwhile."""
        report = self._role("writer").report
        updated_us = report.get("updated_us", now_us)
        if updated_us != self._writer_updated_us:
            self._writer_updated_us = updated_us
            self._bytes_then = {name: role.total("bytes") for name, role in self._roles.items()}
        return [self._journal(journal, (now_us - updated_us) / 1e6) for journal in report.get("journals", ())]

    def _journal(self, journal: Mapping[str, Any], unreported_secs: float) -> dict[str, Any]:
        standing = unreported_secs > REPORTING_SECS
        lag_bytes = journal["lag_bytes"] + (self._bytes_since(journal["feed"]) if standing else 0)
        # Where nothing waits nobody is behind, however long the writer has said nothing.
        lag_secs = journal["lag_secs"] + (unreported_secs if standing and lag_bytes else 0.0)
        return {**journal, "lag_bytes": lag_bytes, "lag_secs": round(lag_secs, 3)}

    def _bytes_since(self, feed: str) -> int:
        """What was received since the writer last reported."""
        name = f"ingest:{feed}"
        return self._role(name).total("bytes") - self._bytes_then.get(name, 0)

    def _refusing(self, known: SupervisorFacts) -> list[str]:
        """Below the mark it is every feed, whatever they say: on a full disk their numbers may not come."""
        if known.disk_free_bytes is not None and known.disk_free_bytes < self._min_free_bytes:
            return list(self._exchanges)
        uptime_secs = known.uptime_secs
        for name, role in self._roles.items():
            refused = role.total("refused")
            if name.startswith("ingest:") and refused > self._refused.get(name, (0, 0.0))[0]:
                self._refused[name] = (refused, uptime_secs)
        recent = (name for name, (_, at_secs) in self._refused.items() if uptime_secs - at_secs < _REFUSING_SECS)
        return [name.partition(":")[2] for name in recent]

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
        totals = {
            "frames": sum(role.total("frames") for role in self._roles.values()),
            "messages": self._role("writer").total("messages") + self._role("writer").total("undecodable"),
            "stored": self._role("writer").total("stored"),
            "archived": self._role("archiver").total("rows"),
        }
        for name, total in totals.items():
            self._histories[name].note(uptime_secs, total)
        return [
            Stage(name, totals[name], history.per_sec(), history.rates()) for name, history in self._histories.items()
        ]


def _is_demo(feed: FeedConfig) -> bool:
    """Whether the feed records the built-in exchange, which speaks on this machine alone."""
    return feed.name == DEMO_FEED and is_loopback(urlsplit(feed.ws_url).hostname or "")
