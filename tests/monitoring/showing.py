"""A recorder as the page at `/` shows it: a real server over a view of made-up reports, with a day behind it."""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from typing import Any

from msgspec.structs import replace

from collector.config import Config, FeedConfig
from collector.domain.log import Log
from collector.domain.records import Gap, StreamKey
from collector.http.server import StatusServer
from collector.monitoring.coverage import CELL_SECS, CELLS, Coverage
from collector.monitoring.routes import WITHOUT_TOKEN, pages
from collector.monitoring.status import Status
from collector.monitoring.usage import Usage
from collector.monitoring.view import ChildState, QueueDepth, Snapshot, SupervisorFacts
from collector.processes.roles import feed_of, report_of
from collector.reports import IngestReport, Report, StreamNumbers, SupervisorReport
from tests.ports import keep_port, port_of
from tests.supervision.made import GIB, SECOND_US, archiver, ingest, line, repair, writer

TYPES = ("book_snapshot", "book_delta", "trade", "agg_trade", "book_ticker")
CELL_US = CELL_SECS * SECOND_US
STEPS = 60


class Shown:
    """Makes views of a recorder that has run for a day; what a test plants is seen in the next one."""

    def __init__(
        self,
        symbols: Sequence[str],
        data_types: Sequence[str] = TYPES,
        known_hours: float = 24.0,
        stopped_hours: float = 0.0,
        exchanges: Sequence[str] = ("binance",),
    ) -> None:
        """It first started `known_hours` ago and did not run for the `stopped_hours` after that; a feed an exchange."""
        # Symbols no settings would allow: the page must not depend on them.
        plan = tuple(symbols), tuple(data_types)
        feeds = [FeedConfig(exchange=name, symbols=plan[0], data_types=plan[1]) for name in exchanges]
        self.feeds = list(exchanges)
        self.board = Status("4f2a9c01", Config(host_name="recorder-1", feed=tuple(feeds)))
        self.keys = [StreamKey(*key) for key in product(exchanges, symbols, data_types)]
        self.gaps: list[tuple[str, str, Gap]] = []
        self.events: list[tuple[int, str, str, str, str]] = []
        self.changes: dict[str, Any] = {}
        self.archive: dict[str, Any] = {}
        self.repair: dict[str, Any] = {}
        self.late: dict[StreamKey, float] = {}
        self.lines: dict[StreamKey, tuple[int | None, tuple[tuple[int, int], ...]]] = {}
        """What lines saved of a stream, and how many messages each brought first."""
        ingests = {f"ingest:{feed}": "running" for feed in self.feeds}
        self.children = {**ingests, "writer": "running", "archiver": "running"}
        self.disk_free_bytes = 212 * GIB
        self.line_state = "open"
        self.uptime_secs = 0.0
        self.uptime_before_secs = 86_400.0 * 12
        self.ahead_us = 0
        """How far its clock is ahead of this machine's."""
        self.is_demo = False
        now_us = time.time_ns() // 1_000
        started_us = now_us - min(round(known_hours * 3600 * SECOND_US), (CELLS - 1) * CELL_US)
        if stopped_hours:
            self._record(Coverage(self.keys), started_us)
            started_us += round(stopped_hours * 3600 * SECOND_US)
        for received_us in sorted({started_us, now_us - CELL_US}):
            self._record(self.board.coverage, received_us)
        for _ in range(STEPS):
            self.look()

    def _record(self, coverage: Coverage, received_us: int) -> None:
        rows = [StreamNumbers(*key, last_received_us=received_us, last_durable_us=received_us) for key in self.keys]
        coverage.update(received_us, rows, [], [])
        if coverage is not self.board.coverage:
            self.board.coverage.restore(coverage.saved())

    def cell(self, hours_ago: float) -> int:
        """The middle of the cell of so long ago, in microseconds."""
        return (time.time_ns() // 1_000 - round(hours_ago * 3600 * SECOND_US)) // CELL_US * CELL_US + CELL_US // 2

    def plant(
        self,
        key: StreamKey,
        hours_ago: float,
        cells: int = 1,
        status: str = "unrepairable",
        kind: str = "silence",
        name: str = "",
    ) -> None:
        """Put a gap into the ledger that overlaps so many cells."""
        started_us = self.cell(hours_ago)
        ended_us = started_us + (cells - 1) * CELL_US
        gap = Gap(
            name or f"{key}{started_us}",
            key.data_type,
            kind,
            "disconnect",
            None,
            None,
            None,
            started_us,
            ended_us,
            None,
            status,
            None,
            ended_us,
        )
        self.gaps.append((key.exchange, key.symbol, gap))

    def happen(self, hours_ago: float, level: str, event: str, text: str) -> None:
        """Put a line into the writer's log."""
        at = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(time.time() - hours_ago * 3600))
        self.events.append((len(self.events) + 1, at, level, event, text))

    def look(self) -> Snapshot:
        """What is known five seconds later."""
        self.uptime_secs += 5.0
        step = round(self.uptime_secs / 5)
        now_us = time.time_ns() // 1_000 + self.ahead_us
        messages = round(7_000 * step + 2_000 * math.sin(step / 6))
        reports: dict[str, Report] = {
            **{f"ingest:{feed}": self._ingest(feed, place, messages, now_us) for place, feed in enumerate(self.feeds)},
            "writer": writer(**{
                "messages": messages, "stored": messages - 900, "undecodable": 0, "updated_us": now_us,
                "gap_rows": self.gaps, "events": self.events, "segments": {"open": 1, "sealed": 0},
                "streams": [self._numbers(key, step, now_us) for key in self.keys],
                "journals": [
                    {"feed": feed, "lag_bytes": 48_000, "lag_secs": 0.2, "unread_files": 1, "files": 3}
                    for feed in self.feeds
                ],
                **self.changes,
            }),
            "archiver": archiver(**{
                "rows": max(0, messages // 50_000 * 50_000), "archived": step // 10, "quarantined": 0,
                "backlog_segments": 0, "backlog_bytes": 0, "backlog_since_us": None, "updated_us": now_us,
                **self.archive,
            }),
            "repair": repair(updated_us=now_us, **self.repair),
        }  # fmt: skip
        return self.board.look(reports, self._known(now_us))._replace(is_demo=self.is_demo)

    def _ingest(self, feed: str, place: int, messages: int, now_us: int) -> IngestReport:
        lines = [
            line(line=number, state=self.line_state, last_data_us=now_us - 20_000 - 30_000 * number)
            for number in range(2)
        ]
        frames = messages // len(self.feeds)
        report = ingest(pid=11 + place, frames=frames, bytes=frames * 640, updated_us=now_us, lines=lines)
        return replace(report, role=f"ingest:{feed}", feed=feed)

    def _numbers(self, key: StreamKey, step: int, now_us: int) -> list[Any]:
        place = self.keys.index(key) if len(self.keys) < 100 else hash(key) % 97
        received_us = now_us - round(self.late.get(key, 0.3) * SECOND_US)
        messages = step * (40 + 37 * (place % 11))
        gaps = sum(1 for exchange, symbol, gap in self.gaps if (exchange, symbol, gap.stream_type) == key)
        saved, first = self.lines.get(key, (None, ()))
        return list(
            StreamNumbers(
                *key, messages, stored=messages, gaps=gaps, last_received_us=received_us, last_durable_us=received_us,
                saved=saved, first=first,
            )
        )  # fmt: skip

    def _known(self, now_us: int) -> SupervisorFacts:
        children = [
            ChildState(name, 11 + place, state, 0, feed=feed_of(name), report=report_of(name))
            for place, (name, state) in enumerate(self.children.items())
        ]
        hops = [QueueDepth(f"ingest:{feed}", "writer", 1, 256) for feed in self.feeds]
        hops.append(QueueDepth("writer", "archiver", 0, 256))
        usage = {name: Usage(50_000_000, 3.5, 7.25, 20) for name in ("supervisor", *self.children)}
        return SupervisorFacts(
            now_us,
            self.uptime_before_secs + self.uptime_secs,
            children,
            hops,
            usage,
            self.disk_free_bytes,
            SupervisorReport(pid=10),
        )


class Served:
    """A recorder's window at `url`; `view` is what it shows, `answering` whether it says anything."""

    def __init__(self, view: Snapshot, token: str = "") -> None:
        self._keeper = keep_port()
        self.port = port_of(self._keeper)
        self.url = f"http://127.0.0.1:{self.port}/"
        self.view = view
        self.token = token
        self._seen_secs = time.monotonic()
        self._server = self._made()
        self.answer()

    def _made(self) -> StatusServer:
        served = pages(lambda: self.view, lambda: 0.0)
        return StatusServer("127.0.0.1", self.port, served, Log(print), self.token, WITHOUT_TOKEN)

    def answer(self) -> None:
        """Serve."""
        assert self._server.try_start(), self._server.error

    def fall_silent(self) -> None:
        """Answer no more."""
        self._server.close()

    def leave(self) -> None:
        """Answer no more, and give the port away."""
        self.fall_silent()
        self._keeper.close()


@contextmanager
def serving(view: Snapshot, token: str = "") -> Iterator[Served]:
    """A window for as long as the block lasts."""
    served = Served(view, token)
    try:
        yield served
    finally:
        served.leave()


def small() -> Shown:
    """Two symbols, of which one lost something."""
    shown = Shown(("BTCUSDT", "ETHUSDT"))
    btc, eth = StreamKey("binance", "BTCUSDT", "trade"), StreamKey("binance", "ETHUSDT", "book_snapshot")
    shown.plant(btc, 5.0, 3, status="repaired", kind="sequence")
    for data_type in TYPES:
        shown.plant(StreamKey("binance", "ETHUSDT", data_type), 9.5, 2)
    shown.plant(eth, 2.0)
    shown.happen(9.6, "warning", "disconnected", "feed=binance line=0 cause=lost")
    shown.happen(9.4, "info", "connected", "feed=binance line=0 connection=2")
    shown.happen(5.0, "warning", "process_died", "process=writer exit_code=-9 retry_in_secs=0")
    shown.happen(1.0, "info", "segment_sealed", "segment=20261123T120000Z-4f2a9c rows=1043221")
    shown.happen(0.99, "info", "segment_archived", "segment=20261123T120000Z-4f2a9c objects=10")
    return shown
