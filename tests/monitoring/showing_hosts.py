"""Hosts of several as the page at `/` shows them, over made-up reports."""

import time
from typing import Any

from collector.domain.records import StreamKey
from collector.monitoring.status import Status
from collector.monitoring.view import Snapshot
from collector.reports import Report, StreamNumbers
from tests.supervision.made import (
    SECOND_US,
    archiver,
    cluster,
    config_of,
    ingest,
    known_on,
    line,
    publish,
    relay,
    reports,
    shown_host,
    source,
    tabler,
    writer,
)

STREAM = StreamKey("binance", "BTCUSDT", "trade")
STORE = {"host": "store-1", "role": "storage"}


class Host:
    """Makes views of a host of that role, five seconds apart; what a test changes is seen in the next one."""

    def __init__(self, role: str) -> None:
        self.role = role
        self.board = Status("4f2a9c01", config_of(role))
        self.secs = 0.0
        self.hosts: list[dict[str, Any]] = [shown_host(), shown_host(host="edge-2"), shown_host(**STORE)]
        self.changes: dict[str, dict[str, Any]] = {}
        """Fields of reports, by the report's name."""
        for _ in range(20):
            self.look()

    def look(self) -> Snapshot:
        self.secs += 5.0
        now_us = time.time_ns() // 1_000
        told = self._storage(now_us) if self.role == "storage" else self._edge(now_us)
        return self.board.look(told, known_on(self.role, self.secs, now_us))

    def _made(self, make: Any, now_us: int, **fields: Any) -> Report:
        made: Report = make(**{"updated_us": now_us, **fields, **self.changes.get(make.__name__, {})})
        return made

    def _cluster(self, now_us: int) -> Report:
        return self._made(cluster, now_us, hosts=self.hosts, members=["edge-1", "edge-2"])

    def _edge(self, now_us: int) -> dict[str, Report]:
        frames = round(self.secs * 1_400)
        return reports(
            self._made(ingest, now_us, frames=frames, bytes=frames * 640, lines=[line(last_data_us=now_us - 20_000)]),
            self._made(publish, now_us, bytes=frames * 640, place_us=now_us - SECOND_US),
            self._cluster(now_us),
        )

    def _storage(self, now_us: int) -> dict[str, Report]:
        taken, rows = round(self.secs * 900_000), round(self.secs * 1_100)
        sources = [source(edge=edge, received_us=now_us - 300_000) for edge in ("edge-1", "edge-2")]
        stream = StreamNumbers(*STREAM, rows, stored=rows, last_received_us=now_us, last_durable_us=now_us)
        return reports(
            self._made(relay, now_us, bytes=taken, lost=0, sources=sources),
            self._made(writer, now_us, messages=rows, stored=rows, undecodable=0, streams=[list(stream)]),
            self._made(archiver, now_us, quarantined=0),
            self._cluster(now_us),
            self._made(tabler, now_us),
        )
