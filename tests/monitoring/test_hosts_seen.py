"""What an edge and a storage host say of themselves and of each other."""

import pytest

from collector.monitoring import status_json
from collector.monitoring.exposition import exposition
from collector.monitoring.view import ChildState, Snapshot
from collector.reports import PublishReport
from tests.supervision.made import (
    NOW_US,
    SECOND_US,
    archiver,
    cluster,
    ingest,
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


def edge_view() -> Snapshot:
    return status("edge").look(reports(ingest(), publish(), cluster()), known_on("edge"))


def storage_view() -> Snapshot:
    told = reports(relay(), writer(), archiver(), cluster(members=["edge-1", "edge-2"]), tabler())
    return status("storage").look(told, known_on("storage"))


def codes(view: Snapshot) -> list[str]:
    return [reason["code"] for reason in view.reasons]


def test_an_edge_that_receives_and_publishes_is_healthy_without_any_row() -> None:
    view = edge_view()
    found = status_json.status(view)
    assert (found["role"], found["healthy"], found["headline"], found["ready"]) == ("edge", True, "Recording", True)
    assert found["streams"] == []
    assert found["publish"] == [
        {
            "feed": "binance", "connected": True, "lag_bytes": 100, "lag_secs": 0.25, "unpublished_bytes": 40, "rewinds": 1,
            "failures": 2, "journal_bytes": 900, "place_at": "2026-11-18T11:06:39.000000Z", "last_error": None,
        }
    ]  # fmt: skip
    assert found["journals"] == [{"feed": "binance", "lag_bytes": 100, "lag_secs": 0.25, "unread_files": 1, "files": 1}]
    assert [(stage["stage"], stage["total"], stage["unit"]) for stage in found["flow"]] == [
        ("frames", 9, ""), ("published", 800, "bytes"),
    ]  # fmt: skip
    assert (found["edges"], found["relays"]) == ([], [])


def test_a_storage_host_says_how_far_it_is_with_each_edge() -> None:
    found = status_json.status(storage_view())
    assert (found["role"], found["healthy"], found["headline"], found["ready"]) == ("storage", True, "Recording", True)
    assert found["edges"] == [
        {
            "edge": "edge-1", "feed": "binance", "slot": 0, "lag_secs": 1.0, "lag_bytes": 512, "pending": 2, "hole": False,
            "holes": 1, "late": 2, "lost": 3, "last_received_at": "2026-11-18T11:06:39.000000Z", "alive": True,
        }
    ]  # fmt: skip
    assert found["relays"] == [
        {
            "feed": "binance", "connected": True, "slices": 8, "bytes": 700, "copies": 1, "holes": 2, "late": 3, "lost": 4,
            "refused": "", "journal_bytes": 700, "last_error": None,
        }
    ]  # fmt: skip
    assert found["cluster"]["hosts"] == [
        {
            "host": "edge-1", "role": "edge", "run_id": "run-2", "version": "0", "healthy": True, "reasons": [],
            "lag_secs": 0.5, "lag_bytes": 30, "seen_secs": 0.7, "alive": True,
        }
    ]  # fmt: skip
    assert found["cluster"]["members"] == ["edge-1", "edge-2"]
    assert found["tables"]["last_commit_at"] == "2026-11-18T11:06:39.000000Z"
    (feed,) = found["feeds"]
    assert (feed["bytes"], feed["last_data_at"]) == (700, "2026-11-18T11:06:39.000000Z")
    assert [stage["stage"] for stage in found["flow"]] == ["relayed", "messages", "stored", "archived"]
    assert (found["publish"], [row["symbol"] for row in found["streams"]]) == ([], ["BTCUSDT"])


def test_an_edge_of_which_nothing_waits_has_no_lag_however_long_it_was_quiet() -> None:
    quiet = relay(sources=[source(received_us=NOW_US - 600 * SECOND_US, pending=0, pending_bytes=0)])
    view = status("storage").look(reports(quiet, writer(), cluster()), known_on("storage"))
    assert status_json.status(view)["edges"][0]["lag_secs"] == 0.0


def test_metrics_are_of_the_processes_that_a_host_has() -> None:
    edge, storage = exposition(edge_view()).decode(), exposition(storage_view()).decode()
    for name, on_edge, on_storage in (
        ("collector_publish_lag_seconds", True, False),
        ("collector_frames_received_total", True, False),
        ("collector_relay_lost_total", False, True),
        ("collector_batch_messages", False, True),
        ("collector_archive_backlog_segments", False, True),
        ("collector_host_up", True, True),
    ):
        assert [f"\n{name}{{" in text or f"\n{name} " in text for text in (edge, storage)] == [on_edge, on_storage], (
            name
        )
    assert '\ncollector_journal_lag_seconds{feed="binance"} 0.25\n' in edge
    assert '\ncollector_edge_lag_seconds{edge="edge-1",feed="binance"} 1.0\n' in storage


def test_an_edge_is_ready_once_something_was_published() -> None:
    view = status("edge").look(reports(ingest(), publish(slices=0)), known_on("edge"))
    assert (view.ready, view.headline) == (False, "Starting, nothing published yet")


def test_a_feed_whose_connections_bring_nothing_makes_an_edge_unhealthy() -> None:
    board = status("edge")

    def look(secs: int, data_secs: int, state: str = "open") -> Snapshot:
        lines = [line(state=state, last_data_us=NOW_US + data_secs * SECOND_US)]
        return board.look(reports(ingest(lines=lines), publish()), known_on("edge", float(secs)))

    for secs in range(20):
        assert codes(look(secs, secs)) == []
    assert codes(look(39, 19)) == []
    silent = look(40, 19)
    assert codes(silent) == ["feed_silent"]
    assert silent.headline == "Not recording; no data of binance"
    assert codes(look(41, 41)) == []


def test_a_quiet_feed_has_time_while_its_connection_stands_and_little_without_one() -> None:
    for state, secs, expected in (
        ("open", 300, []),
        ("open", 400, ["feed_silent"]),
        ("connecting", 40, ["feed_silent"]),
    ):
        board = status("edge")
        for at in (0.0, float(secs)):
            lines = [line(state=state, last_data_us=None)]
            view = board.look(reports(ingest(lines=lines), publish()), known_on("edge", at))
        assert codes(view) == expected


def test_a_feed_whose_symbols_other_edges_have_is_not_silent() -> None:
    board = status("edge")
    for at in (0.0, 1_000.0):
        view = board.look(reports(ingest(lines=[]), publish()), known_on("edge", at))
    assert codes(view) == []


def test_an_edge_that_lost_nats_records_into_its_journal() -> None:
    board = status("edge")
    told = reports(ingest(), publish(is_connected=False, last_error="refused"), cluster(is_connected=False))
    assert codes(board.look(told, known_on("edge", 1.0))) == []
    view = board.look(told, known_on("edge", 12.0))
    assert codes(view) == ["nats_away"]
    assert view.reasons[0]["text"] == "no connection to NATS for publish:binance, cluster: refused"
    assert view.headline == "Recording into the journal only; NATS is away"


def test_a_process_that_died_is_failing_and_not_without_nats() -> None:
    board = status("edge")
    children = (ChildState("publish:binance", None, "backoff", 1, feed="binance", report=PublishReport),)
    for at in (1.0, 20.0):
        view = board.look(reports(publish(is_connected=False)), known_on("edge", at, children=children))
    assert codes(view) == ["child_failing"]


@pytest.mark.parametrize(
    ("host", "seen_secs", "alive", "arrived_secs", "expected"),
    [
        ("edge-1", 0.7, True, 600, []),
        ("edge-1", 31.0, False, 31, ["edge_silent"]),
        ("edge-1", 4.0, False, 31, []),
        ("edge-2", 0.7, True, 29, []),
        ("edge-2", 0.7, True, 31, ["edge_silent"]),
        ("edge-1", 90_000.0, False, 90_000, []),
    ],
)
def test_an_edge_is_gone_once_it_neither_shows_itself_nor_sends(
    host: str, seen_secs: float, alive: bool, arrived_secs: int, expected: list[str]
) -> None:
    seen = cluster(hosts=[shown_host(host=host, seen_secs=seen_secs, is_alive=alive)])
    sent = relay(sources=[source(arrived_us=NOW_US - arrived_secs * SECOND_US)])
    board = status("storage")
    board.look(reports(sent, writer(), seen), known_on("storage"))
    assert codes(board.look(reports(sent, writer(), seen), known_on("storage", 60.0))) == expected


def test_a_host_that_is_not_well_is_told_where_all_are_watched_and_nowhere_else() -> None:
    ill = shown_host(healthy=False, reasons=[["publish_behind", "x"], ["disk_filling", "y"]])
    itself = shown_host(host="box", role="storage", healthy=False)
    seen = cluster(hosts=[ill, itself])
    view = status("storage").look(reports(relay(), writer(), seen), known_on("storage"))
    assert [(reason["code"], reason["text"]) for reason in view.reasons] == [
        ("host_unhealthy", "hosts that are not healthy: edge-1 (publish_behind, disk_filling)")
    ]
    assert codes(status("edge").look(reports(ingest(), publish(), seen), known_on("edge"))) == []
    begins = cluster(hosts=[shown_host(healthy=False)])
    assert codes(status("storage").look(reports(relay(), writer(), begins), known_on("storage"))) == []


def test_streams_learn_nothing_while_the_relay_is_cut_off() -> None:
    board, late = status("storage"), NOW_US + 600 * SECOND_US
    for secs in range(20):
        rows = [stream(last_durable_us=NOW_US + secs * SECOND_US)]
        board.look(reports(relay(), writer(streams=rows)), known_on("storage", float(secs)))
    board.look(reports(relay(is_connected=False), writer()), known_on("storage", 21.0))
    back = reports(relay(), writer(streams=[stream(last_durable_us=late)]))
    view = board.look(back, known_on("storage", 600.0, late))
    assert view.limit_secs(view.configured[0]) == 25.0


def test_streams_are_not_silent_while_the_storage_host_is_cut_off_from_its_edges() -> None:
    board = status("storage")

    def look(secs: int, *, is_connected: bool) -> Snapshot:
        now_us = NOW_US + secs * SECOND_US
        told = reports(relay(is_connected=is_connected, sources=[source(pending=0)]), writer(updated_us=now_us))
        return board.look(told, known_on("storage", 900.0 + secs, now_us))

    look(0, is_connected=True)
    for secs in range(1, 700, 10):
        view = look(secs, is_connected=False)
    assert codes(view) == ["nats_away"]
    assert view.headline == "Nothing comes from edges; NATS is away"
    assert codes(look(701, is_connected=True)) == ["stream_silent"]
    assert codes(look(740, is_connected=True)) == ["stream_silent", "edge_silent"]


def test_streams_are_not_silent_while_their_rows_wait_in_nats() -> None:
    board = status("storage")
    long_ago = NOW_US - 600 * SECOND_US
    old = writer(streams=[stream(last_durable_us=long_ago)])
    behind = relay(sources=[source(received_us=long_ago, pending=5)])
    assert codes(board.look(reports(behind, old), known_on("storage", 1_000.0))) == []
    caught_up = relay(sources=[source(received_us=long_ago, pending=0)])
    assert codes(board.look(reports(caught_up, old), known_on("storage", 1_000.0))) == ["stream_silent"]


def test_of_many_symbols_on_too_few_edges_the_first_are_named_and_all_counted() -> None:
    board = status("storage")
    seen = cluster(uncovered=[["binance", f"S{number:03}"] for number in range(100)], uncovered_count=250)
    for at in (1.0, 32.0):
        view = board.look(reports(relay(), writer(), seen), known_on("storage", at))
    assert view.reasons[0]["text"] == (
        "250 symbols are received by too few edges: binance S000, binance S001, binance S002 and 247 more"
    )


def test_an_edge_that_has_published_nothing_says_why() -> None:
    refused = publish(slices=0, last_error="subjects overlap with an existing stream")
    view = status("edge").look(reports(ingest(), refused, cluster()), known_on("edge"))
    assert view.headline == "Starting, nothing published yet: subjects overlap with an existing stream"
    behind = publish(last_error="subjects overlap with an existing stream", lag_secs=90.0)
    view = status("edge").look(reports(ingest(), behind, cluster()), known_on("edge"))
    assert [reason["text"] for reason in view.reasons] == [
        "storage is 90 s behind this edge: binance (subjects overlap with an existing stream)"
    ]


def test_a_host_that_is_unhealthy_only_because_of_others_is_well_itself() -> None:
    watches = shown_host(host="store-2", role="storage", healthy=False, reasons=[["host_unhealthy", "x"]])
    view = status("storage").look(reports(relay(), writer(), cluster(hosts=[watches])), known_on("storage"))
    assert codes(view) == []
    ill = {**watches, "reasons": [["host_unhealthy", "x"], ["disk_filling", "y"]]}
    view = status("storage").look(reports(relay(), writer(), cluster(hosts=[ill])), known_on("storage"))
    assert [reason["text"] for reason in view.reasons] == ["hosts that are not healthy: store-2 (disk_filling)"]
