import pytest

from collector.domain.records import StreamKey
from collector.supervision.health import RULES, WRITER_BEHIND_SECS, Facts, reasons

WELL = Facts(
    processes=[{"name": "writer", "state": "running", "restarts": 0}],
    journals=[{"feed": "binance", "lag_secs": 0.4}],
    store_error=None,
    quarantined=0,
    refusing=[],
    silent=[],
    silent_after_secs=40.0,
)


def codes(facts: Facts) -> list[str]:
    return [reason["code"] for reason in reasons(facts)]


def test_a_recorder_that_does_all_it_should_has_no_reasons() -> None:
    assert reasons(WELL) == []


@pytest.mark.parametrize("state", ["backoff", "failed"])
def test_a_process_that_is_not_up_again_is_failing(state: str) -> None:
    facts = WELL._replace(processes=[*WELL.processes, {"name": "archiver", "state": state, "restarts": 3}])
    assert reasons(facts) == [{"code": "child_failing", "text": f"archiver is in state {state} after 3 restarts"}]


@pytest.mark.parametrize("state", ["starting", "running", "draining"])
def test_a_process_on_its_way_is_not_failing(state: str) -> None:
    assert codes(WELL._replace(processes=[{"name": "writer", "state": state, "restarts": 9}])) == []


def test_silent_streams_are_named_up_to_three_and_counted() -> None:
    silent = [StreamKey("binance", symbol, "trade") for symbol in ("A", "B\x1b[31m", "C", "D", "E")]
    assert reasons(WELL._replace(silent=silent)) == [
        {
            "code": "stream_silent",
            "text": "no durable row for 40 s: binance A trade, binance B\\x1b[31m trade, binance C trade and 2 more",
        }
    ]


def test_a_writer_is_behind_after_a_minute_of_journal() -> None:
    late = {"feed": "binance", "lag_secs": WRITER_BEHIND_SECS + 1}
    assert codes(WELL._replace(journals=[{"feed": "binance", "lag_secs": WRITER_BEHIND_SECS}])) == []
    assert reasons(WELL._replace(journals=[late])) == [
        {"code": "writer_behind", "text": "the journal of binance is 61 s ahead"}
    ]


def test_refused_frames_mean_that_the_budget_is_spent() -> None:
    assert reasons(WELL._replace(refusing=["binance"])) == [
        {"code": "journal_over_budget", "text": "new frames are refused, the disk budget is spent: binance"}
    ]


def test_a_store_that_takes_nothing_is_unreachable() -> None:
    assert reasons(WELL._replace(store_error="403 Forbidden")) == [
        {"code": "store_unreachable", "text": "the archive's store takes no objects: 403 Forbidden"}
    ]


def test_a_segment_in_quarantine_is_a_reason_until_somebody_takes_it_out() -> None:
    assert reasons(WELL._replace(quarantined=2)) == [
        {"code": "segment_quarantined", "text": "segments in quarantine/ that could not be archived: 2"}
    ]


def test_every_fault_is_named_at_once() -> None:
    worst = Facts(
        [{"name": "writer", "state": "failed", "restarts": 1}],
        [{"feed": "binance", "lag_secs": 100.0}],
        "timeout",
        1,
        ["binance"],
        [StreamKey("binance", "BTCUSDT", "trade")],
        40.0,
    )
    assert codes(worst) == list(RULES)
