import re
from collections.abc import Mapping
from math import inf

import pytest
from prometheus_client.parser import text_string_to_metric_families

from collector.domain.histogram import BOUNDS_US
from collector.monitoring import status_json
from collector.monitoring.exposition import exposition
from collector.monitoring.metric_values import DISCONNECTS, REPAIR_KINDS, REPAIR_REASONS, STATES
from collector.monitoring.metrics_table import METRICS
from collector.monitoring.view import ChildState, Snapshot
from collector.reports import RepairReport, Report
from tests.promtool import promtool
from tests.supervision.made import (
    NOW_US,
    SECOND_US,
    archiver,
    cluster,
    ingest,
    known,
    publish,
    relay,
    repair,
    reports,
    status,
    stream,
    tabler,
    writer,
)

Labels = frozenset[tuple[str, str]]


def full_view() -> Snapshot:
    rows = [stream(saved=12, first=((0, 5), (1, 2))), stream(symbol="ETHUSDT", saved=0)]
    first = [("binance", 0, 5), ("binance", 1, 2)]
    told = reports(ingest(), writer(streams=rows, first=first), archiver(), repair())
    return status().look({**told, **reports(publish(), relay(), cluster(), tabler())}, known())


def samples(text: bytes) -> dict[tuple[str, Labels], float]:
    """What Prometheus' own parser reads, each series once."""
    found: dict[tuple[str, Labels], float] = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, key
            found[key] = sample.value
    return found


def value(view: Snapshot, name: str, **labels: str) -> float:
    return samples(exposition(view))[name, frozenset(labels.items())]


STREAM = {"exchange": "binance", "symbol": "BTCUSDT", "data_type": "trade"}


def test_every_metric_of_the_table_is_exported_and_no_other() -> None:
    families = {family.name: family for family in text_string_to_metric_families(exposition(full_view()).decode())}
    named = {name + "_total" if family.type == "counter" else name: family for name, family in families.items()}
    assert set(named) == set(METRICS)
    for name, family in named.items():
        assert family.type == METRICS[name].kind, name
        assert family.samples, name
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(METRICS[name].labels), name


@pytest.mark.parametrize(
    "child", [ChildState("ingest:binance", None, "backoff", 1), ChildState("ingest:binance", 17, "starting", 1)]
)
def test_connections_go_with_the_process_that_had_them(child: ChildState) -> None:
    board = status()
    told = reports(ingest(), writer())
    live = board.look(told, known())
    assert value(live, "collector_connections", feed="binance", state="open") == 1
    gone = board.look(told, known(children=(child,)))
    assert [value(gone, "collector_connections", feed="binance", state=state) for state in STATES] == [0, 0, 0, 0]
    assert value(gone, "collector_feed_last_data_timestamp_seconds", feed="binance") > 0
    (feed,) = status_json.status(gone)["feeds"]
    assert (feed["connections"], feed["connections_open"]) == (1, 0)


def test_before_any_report_nothing_is_missing_but_what_nobody_knows() -> None:
    found = {name for name, _ in samples(exposition(status().look({}, known())))}
    assert {"collector_messages_received_total", "collector_messages_stored_total", "collector_healthy"} <= found
    assert "collector_stream_last_stored_timestamp_seconds" not in found


def test_repair_tells_what_waits_what_came_and_what_it_costs() -> None:
    view = full_view()
    assert value(view, "collector_repair_requests_waiting", kind="book") == 2
    assert value(view, "collector_repair_answers_total", kind="trades") == 4
    assert value(view, "collector_repair_answers_total", kind="checkpoint") == 0
    assert value(view, "collector_repair_failures_total", kind="trades", reason="refused") == 2
    assert value(view, "collector_repair_weight_used", budget="binance") == 1_250
    assert value(view, "collector_rest_clock_offset_seconds", feed="binance") == -0.012
    assert value(view, "collector_instrument_list_age_seconds", feed="binance") == 60


def test_a_counter_whose_labels_are_known_begins_at_0_before_anything_happened() -> None:
    board = status()
    children = (
        ChildState("ingest:binance", None, "starting", 0),
        ChildState("repair", None, "starting", 0, report=RepairReport),
    )
    view = board.look({}, known(children=children))
    table = {
        "collector_disconnects_total": len(DISCONNECTS),
        "collector_repair_failures_total": len(REPAIR_KINDS) * len(REPAIR_REASONS),
    }
    for name, count in table.items():
        found = [number for (metric, _), number in samples(exposition(view)).items() if metric == name]
        assert found == [0.0] * count
    view = board.look(reports(ingest(), repair()), known(children=children))
    assert value(view, "collector_disconnects_total", feed="binance", cause="closed") == 2
    assert value(view, "collector_disconnects_total", feed="binance", cause="silent") == 0
    assert value(view, "collector_repair_failures_total", kind="book", reason="stale") == 1
    without = board.look({}, known())
    assert value(without, "collector_disconnects_total", feed="binance", cause="lost") == 0


def test_every_label_that_is_known_is_in_the_table() -> None:
    for name, labels in (
        ("collector_connections", STATES),
        ("collector_disconnects_total", DISCONNECTS),
        ("collector_repair_failures_total", REPAIR_REASONS),
    ):
        assert [label for label in labels if label not in METRICS[name].text] == []


def test_what_came_is_told_from_what_is_durable() -> None:
    view = full_view()
    assert value(view, "collector_messages_received_total", **STREAM) == 9
    assert value(view, "collector_messages_received_bytes_total", **STREAM) == 900
    assert value(view, "collector_messages_duplicate_total", **STREAM) == 2
    assert value(view, "collector_messages_stored_total", **STREAM) == 6
    assert value(view, "collector_messages_stored_bytes_total", **STREAM) == 600
    assert value(view, "collector_stream_last_stored_timestamp_seconds", **STREAM) == NOW_US / 1e6 - 2


def test_what_lines_saved_is_told_of_streams_with_several_lines_alone() -> None:
    name = "collector_messages_saved_by_lines_total"
    view = full_view()
    assert value(view, name, **STREAM) == 12
    assert f'{name}{{exchange="binance",symbol="ETHUSDT"' not in exposition(view).decode()
    assert value(view, "collector_messages_first_total", feed="binance", line="1") == 2


def test_a_histogram_counts_cumulatively_and_ends_with_all() -> None:
    view = full_view()
    name = "collector_exchange_to_receive_seconds"
    counts = [
        value(view, f"{name}_bucket", feed="binance", le=le)
        for le in [*(str(bound / 1e6) for bound in BOUNDS_US), "+Inf"]
    ]
    assert counts == [0, 0] + [5] * 13 + [6]
    assert value(view, f"{name}_count", feed="binance") == 6
    assert value(view, f"{name}_sum", feed="binance") == 400.0


def test_a_disk_that_is_not_filling_is_full_never() -> None:
    assert value(full_view(), "collector_disk_full_in_seconds") == inf


def test_the_store_is_in_exactly_one_state() -> None:
    report = archiver(store_state="refusing", store_away_secs=7.5, store_tries_failed=[["away", 3], ["refusing", 2]])
    view = status().look(reports(report), known())
    states = {state: value(view, "collector_store_state", state=state) for state in ("there", "away", "refusing")}
    assert states == {"there": 0, "away": 0, "refusing": 1}
    assert value(view, "collector_store_away_seconds") == 7.5
    assert value(view, "collector_store_tries_failed_total", kind="away") == 3
    assert value(view, "collector_store_tries_failed_total", kind="refusing") == 2


def test_a_reason_is_1_while_it_holds() -> None:
    view = status().look(reports(writer(clock_offsets_us={"binance": -SECOND_US})), known())
    assert value(view, "collector_healthy") == 0
    assert value(view, "collector_unhealthy_reason", code="clock_off") == 1
    assert value(view, "collector_unhealthy_reason", code="stream_silent") == 0


def test_a_counter_never_goes_back_while_the_supervisor_lives() -> None:
    board = status()
    lives: list[Mapping[str, Report]] = [
        reports(ingest(), writer(), archiver()),
        reports(
            ingest(incarnation=2, frames=1, disconnects=[]), writer(incarnation=2, streams=[], ledger=[], commits=[])
        ),
        {},
        reports(ingest(incarnation=3), writer(incarnation=3), archiver()),
    ]
    before: dict[tuple[str, Labels], float] = {}
    for step, life in enumerate(lives):
        now = samples(exposition(board.look(life, known(uptime_secs=10.0 + step))))
        rising = {key for key in before if re.search(r"_(total|bucket|sum|count)$", key[0])}
        assert bool(rising) is bool(step)
        assert [key for key in rising if now[key] < before[key]] == []
        before = now


def test_names_of_an_exchange_are_escaped() -> None:
    evil = 'B"\\\n{x}'
    view = status().look(reports(writer(streams=[stream(symbol=evil)])), known())
    assert value(view, "collector_messages_stored_total", **{**STREAM, "symbol": evil}) == 6


def test_promtool_finds_nothing_to_say() -> None:
    assert promtool("check", "metrics", stdin=exposition(full_view())) == (0, "")
