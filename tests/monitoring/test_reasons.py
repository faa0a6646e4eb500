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
from collector.reports import PublishReport, Report, StreamNumbers
from tests.supervision.made import (
    GIB,
    NOW_US,
    SECOND_US,
    SILENT_AFTER_SECS,
    STREAM,
    archiver,
    cluster,
    ingest,
    known,
    known_on,
    line,
    publish,
    relay,
    reports,
    shown_host,
    source,
    status,
    stream,
    tabler,
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


def feed_silent(board: Status) -> Iterator[Snapshot]:
    def look(secs: int, data_secs: int) -> Snapshot:
        lines = [line(last_data_us=NOW_US + data_secs * SECOND_US)]
        return board.look(reports(ingest(lines=lines), publish()), known_on("edge", float(secs)))

    for secs in range(20):
        look(secs, secs)
    yield look(60, 19)
    yield look(61, 61)


def _after(board: Status, secs: float, *told: Report) -> Snapshot:
    """What holds once the reports have said the same for so long."""
    role = "edge" if any(isinstance(report, PublishReport) for report in told) else "storage"
    for at in (1.0, 1.0 + secs):
        stored = writer(streams=[stream(last_durable_us=NOW_US + round(at) * SECOND_US)])
        fresh = ingest(lines=[line(last_data_us=NOW_US + round(at) * SECOND_US)])
        view = board.look(reports(fresh if role == "edge" else stored, *told), known_on(role, at))
    return view


def symbols_uncovered(board: Status) -> Iterator[Snapshot]:
    yield _after(board, 31.0, relay(), cluster(uncovered=[["binance", "BTCUSDT"]]))
    yield _after(board, 1.0, relay(), cluster())


def edge_silent(board: Status) -> Iterator[Snapshot]:
    gone = shown_host(seen_secs=60.0, is_alive=False)
    yield _after(board, 1.0, relay(sources=[]), cluster(hosts=[gone]))
    yield _after(board, 31.0, relay(sources=[source(edge="edge-2", arrived_us=NOW_US - 60 * SECOND_US)]), cluster())
    yield _after(board, 1.0, relay(), cluster())


def relay_refused(board: Status) -> Iterator[Snapshot]:
    for why in ("edge-9 has no slot left", ""):
        yield _after(board, 1.0, relay(refused=why))


def relay_hole(board: Status) -> Iterator[Snapshot]:
    yield _after(board, 31.0, relay(sources=[source(has_hole=True)]))
    yield _after(board, 1.0, relay())


def nats_away(board: Status) -> Iterator[Snapshot]:
    yield _after(board, 11.0, relay(is_connected=False), cluster())
    yield _after(board, 11.0, relay(), cluster(has_quorum=False))
    yield _after(board, 11.0, relay(), cluster())


def publish_behind(board: Status) -> Iterator[Snapshot]:
    for lag_secs in (3_600.0, 61.0, 60.0):
        yield _after(board, 1.0, publish(lag_secs=lag_secs))


def tables_behind(board: Status) -> Iterator[Snapshot]:
    yield _after(board, 901.0, relay(), tabler(backlog_segments=3, last_error="the catalog is away"))
    yield _after(board, 901.0, relay(), tabler(backlog_segments=0))


def host_unhealthy(board: Status) -> Iterator[Snapshot]:
    for healthy in (False, True):
        reasons = [] if healthy else [["disk_filling", "the disk is full in 3 hours"]]
        ill = shown_host(healthy=healthy, reasons=reasons)
        yield _after(board, 1.0, relay(), cluster(hosts=[ill]))


def hosts_differ(board: Status) -> Iterator[Snapshot]:
    for trouble in ("edges have other copies", ""):
        yield _after(board, 1.0, relay(), cluster(trouble=trouble))


ON_EDGE = frozenset({"feed_silent", "publish_behind"})
ON_STORAGE = frozenset({
    "symbols_uncovered", "edge_silent", "relay_refused", "relay_hole", "nats_away", "tables_behind", "host_unhealthy", "hosts_differ",
})  # fmt: skip

CAUSES: dict[str, Looks] = {
    looks.__name__: looks
    for looks in (
        journal_over_budget, child_failing, symbols_unknown, stream_silent, feed_silent, symbols_uncovered, edge_silent,
        frames_undecodable, relay_refused, relay_hole, nats_away, publish_behind, writer_behind, disk_filling,
        store_unreachable, tables_behind, host_unhealthy, hosts_differ, clock_off, segment_quarantined, seal_delayed, data_removed,
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


def _role(code: str) -> str:
    return "edge" if code in ON_EDGE else "storage" if code in ON_STORAGE else "all"


@pytest.mark.parametrize("code", CAUSES)
def test_a_reason_holds_as_long_as_its_cause(code: str) -> None:
    *ill, well = [told(view) for view in CAUSES[code](status(_role(code)))]
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
