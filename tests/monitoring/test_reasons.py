"""Each reason of ill health comes with its cause, is told everywhere alike, and goes with its cause."""

import json
from collections.abc import Callable, Iterator
from http import HTTPStatus

import pytest
from prometheus_client.parser import text_string_to_metric_families

from collector.domain.records import UNDECODED, UNKNOWN, StreamKey
from collector.monitoring.health import RULES
from collector.monitoring.routes import pages
from collector.monitoring.status import Status
from collector.monitoring.view import ChildState, Snapshot
from collector.reports import StreamNumbers
from tests.supervision.made import (
    GIB,
    NOW_US,
    SECOND_US,
    SILENT_AFTER_SECS,
    STREAM,
    archiver,
    ingest,
    known,
    line,
    reports,
    status,
    stream,
    writer,
)

Looks = Callable[[Status], Iterator[Snapshot]]
"""Looks one after the other: from the first on the reason holds, in the last it holds no more."""


def child_failing(board: Status) -> Iterator[Snapshot]:
    lives = (("backoff", None), ("failed", None), ("running", 31.0), ("running", 58.0), ("running", 0.4))
    for state, unreported_secs in lives:
        child = ChildState("archiver", 13, state, 1, unreported_secs)
        yield board.look(reports(ingest(), writer()), known(children=(child,)))


def stream_silent(board: Status) -> Iterator[Snapshot]:
    old = stream(last_durable_us=NOW_US - (SILENT_AFTER_SECS + 1) * SECOND_US)
    for newest in (old, stream()):
        yield board.look(reports(ingest(), writer(streams=[newest])), known(uptime_secs=1_000.0))


def symbols_unknown(board: Status) -> Iterator[Snapshot]:
    for trouble in ("there is no list", ""):
        yield board.look(reports(ingest(symbols_trouble=trouble), writer(streams=[stream()])), known())


def writer_behind(board: Status) -> Iterator[Snapshot]:
    for lag_secs in (3_600.0, 61.0, 0.1):
        journal = {"feed": "binance", "lag_bytes": 1, "lag_secs": lag_secs, "unread_files": 1, "files": 3}
        yield board.look(reports(ingest(), writer(journals=[journal])), known())


def journal_over_budget(board: Status) -> Iterator[Snapshot]:
    for refused, uptime_secs in ((3, 1.0), (4, 2.0), (4, 13.0)):
        yield board.look(reports(ingest(refused=refused), writer()), known(uptime_secs=uptime_secs))


def store_unreachable(board: Status) -> Iterator[Snapshot]:
    for error in ("connection refused", "403 Forbidden", None):
        yield board.look(reports(ingest(), writer(), archiver(last_error=error)), known())


def disk_filling(board: Status) -> Iterator[Snapshot]:
    # Of 50 GiB a GiB goes every ten seconds; then somebody makes room.
    def look(secs: int, free_bytes: int) -> Snapshot:
        now_us = NOW_US + secs * SECOND_US
        told = reports(ingest(), writer(updated_us=now_us, streams=[stream(last_durable_us=now_us)]))
        return board.look(told, known(uptime_secs=float(secs), now_us=now_us, disk_free_bytes=free_bytes))

    for secs in range(60, 200, 10):
        view = look(secs, 50 * GIB - secs * GIB // 10)
        if secs > 120:
            yield view
    yield look(200, 45 * GIB)


def clock_off(board: Status) -> Iterator[Snapshot]:
    for offset_us in (-3_600 * SECOND_US, 1_500_000, 20_000):
        yield board.look(reports(ingest(), writer(clock_offsets_us={"binance": offset_us})), known())


def frames_undecodable(board: Status) -> Iterator[Snapshot]:
    def look(secs: int, undecodable: int, messages: int) -> Snapshot:
        now_us = NOW_US + secs * SECOND_US
        undecoded = list(StreamNumbers("binance", UNKNOWN, UNDECODED, undecodable))
        streams = [stream(messages=messages, last_durable_us=now_us), undecoded]
        return board.look(
            reports(ingest(), writer(streams=streams, updated_us=now_us)), known(float(secs), now_us=now_us)
        )

    look(0, 0, 0)
    yield look(20, 30, 100)
    yield look(40, 31, 1_000)
    yield look(400, 31, 2_000)


def segment_quarantined(board: Status) -> Iterator[Snapshot]:
    for count in (2, 1, 0):
        yield board.look(reports(ingest(), writer(), archiver(in_quarantine=count)), known())


def seal_delayed(board: Status) -> Iterator[Snapshot]:
    for size_bytes in (2 * GIB, 9 * GIB, 4_096):
        segments = {"open": 1, "sealed": 0, "open_bytes": size_bytes}
        yield board.look(reports(ingest(), writer(segments=segments)), known())


def data_removed(board: Status) -> Iterator[Snapshot]:
    for segments, journal in ((True, False), (False, True), (True, True), (False, False)):
        yield board.look(reports(ingest(journal_removed=journal), writer(segments_removed=segments)), known())


CAUSES: dict[str, Looks] = {
    looks.__name__: looks
    for looks in (
        journal_over_budget, child_failing, symbols_unknown, stream_silent, frames_undecodable, writer_behind, disk_filling,
        store_unreachable, clock_off, segment_quarantined, seal_delayed, data_removed,
    )
}  # fmt: skip


def told(view: Snapshot) -> dict[str, set[str]]:
    """The codes that hold, by who says so."""
    served = pages(lambda: view, lambda: 0.0)
    healthz, page = served["/healthz"](), json.loads(served["/status"]().content)
    assert (healthz.code == HTTPStatus.OK) is page["healthy"] is json.loads(healthz.content)["healthy"]
    samples = [
        sample
        for family in text_string_to_metric_families(served["/metrics"]().content.decode())
        for sample in family.samples
    ]
    (healthy,) = (sample.value for sample in samples if sample.name == "collector_healthy")
    assert bool(healthy) is page["healthy"]
    return {
        "/healthz": {reason["code"] for reason in json.loads(healthz.content)["reasons"]},
        "/status": {reason["code"] for reason in page["reasons"]},
        "/metrics": {s.labels["code"] for s in samples if s.name == "collector_unhealthy_reason" and s.value},
    }


@pytest.mark.parametrize("code", CAUSES)
def test_a_reason_holds_as_long_as_its_cause(code: str) -> None:
    *ill, well = [told(view) for view in CAUSES[code](status())]
    assert ill
    for said in ill:
        assert said == {"/healthz": {code}, "/status": {code}, "/metrics": {code}}
    assert well == {"/healthz": set(), "/status": set(), "/metrics": set()}


def test_every_reason_has_its_cause_here() -> None:
    assert list(CAUSES) == list(RULES)


def test_a_reason_says_since_when_it_holds_without_a_break() -> None:
    board = status()

    def look(secs: int, error: str | None, quarantined: int) -> dict[str, str]:
        view = board.look(
            reports(archiver(last_error=error, in_quarantine=quarantined)), known(1.0, NOW_US + secs * SECOND_US)
        )
        return {reason["code"]: reason["since"][11:19] for reason in view.reasons}

    assert look(0, "timeout", 0) == {"store_unreachable": "11:06:40"}
    assert look(5, "403 Forbidden", 1) == {"store_unreachable": "11:06:40", "segment_quarantined": "11:06:45"}
    assert look(9, None, 1) == {"segment_quarantined": "11:06:45"}
    assert look(10, "timeout", 1) == {"store_unreachable": "11:06:50", "segment_quarantined": "11:06:45"}


def test_health_status_and_page_have_one_headline() -> None:
    view = status().look(reports(ingest(), writer(streams=[stream()]), archiver(last_error="timeout")), known())
    served = pages(lambda: view, lambda: 0.0)
    lines = {json.loads(served[path]().content)["headline"] for path in ("/healthz", "/status", "/page.json")}
    assert lines == {"Recording; segments wait for the store"}


def test_a_disk_below_min_free_bytes_is_over_budget() -> None:
    view = status().look(reports(ingest(refused=0), writer()), known(disk_free_bytes=0))
    codes = {reason["code"]: reason["text"] for reason in view.reasons}
    assert codes["journal_over_budget"].endswith(": binance")
    assert codes["disk_filling"] == "the disk is full"
    view = status().look(reports(ingest(refused=0), writer()), known(disk_free_bytes=GIB))
    assert "journal_over_budget" not in {reason["code"] for reason in view.reasons}


def test_a_feed_without_an_open_connection_learns_no_rhythm() -> None:
    told = status()
    limits = []
    for lines in ([line()], [line(state="connecting")]):
        for secs in range(20):
            told.look(
                reports(ingest(), writer(streams=[stream(last_durable_us=NOW_US + secs * SECOND_US)])), known(secs)
            )
        told.look(reports(ingest(lines=lines), writer(streams=[stream(last_durable_us=NOW_US)])), known(20.0))
        back = writer(streams=[stream(last_durable_us=NOW_US + 600 * SECOND_US)])
        limits.append(told.look(reports(ingest(), back), known(600.0)).limit_secs(StreamKey(**STREAM)))
        told = status()
    assert limits == [50.0, 25.0]
