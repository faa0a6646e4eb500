import pytest

from collector.domain.records import StreamKey
from collector.monitoring.health import (
    CLOCK_OFF_SECS,
    DISK_FILLING_SECS,
    RESTART_LOOP,
    RULES,
    UNREPORTED_SECS,
    WRITER_BEHIND_SECS,
    Facts,
    reasons,
)
from collector.monitoring.silences import Silence

WELL = Facts(
    processes=[{"name": "writer", "state": "running", "restarts": 0, "unreported_secs": 0.4, "waits_for_disk": False}],
    journals=[{"feed": "binance", "lag_secs": 0.4}],
    store_error=None,
    quarantined=0,
    refusing=[],
    silent=[],
)


def codes(facts: Facts) -> list[str]:
    return [reason["code"] for reason in reasons(facts)]


def test_a_recorder_that_does_all_it_should_has_no_reasons() -> None:
    assert reasons(WELL) == []


@pytest.mark.parametrize("state", ["backoff", "failed"])
def test_a_process_that_is_not_up_again_is_failing(state: str) -> None:
    facts = WELL._replace(
        processes=[
            *WELL.processes,
            {"name": "archiver", "state": state, "restarts": 3, "unreported_secs": None, "waits_for_disk": False},
        ]
    )
    assert reasons(facts) == [{"code": "child_failing", "text": f"archiver is in state {state} after 3 restarts"}]


@pytest.mark.parametrize("state", ["starting", "running", "draining"])
def test_a_process_on_its_way_is_not_failing(state: str) -> None:
    assert (
        codes(
            WELL._replace(
                processes=[
                    {"name": "writer", "state": state, "restarts": 9, "unreported_secs": None, "waits_for_disk": False}
                ]
            )
        )
        == []
    )


def test_a_process_whose_report_is_old_is_named_with_its_age() -> None:
    children = [
        {"name": name, "state": "running", "restarts": 0, "unreported_secs": secs, "waits_for_disk": False}
        for name, secs in (("writer", 0.8), ("ingest:binance", UNREPORTED_SECS), ("archiver", UNREPORTED_SECS + 7))
    ]
    waiting = {**children[2], "name": "repair", "waits_for_disk": True}
    assert reasons(WELL._replace(processes=[waiting])) == [
        {"code": "child_failing", "text": "repair has waited for the disk for 37 s"}
    ]
    assert reasons(WELL._replace(processes=children)) == [
        {"code": "child_failing", "text": "archiver has reported nothing for 37 s"}
    ]


def test_silent_streams_are_named_up_to_three_and_counted() -> None:
    symbols = ("A", "B\x1b[31m", "C", "D", "E")
    silent = [Silence(StreamKey("binance", symbol, "trade"), 50.0 - n, 40.0) for n, symbol in enumerate(symbols)]
    assert reasons(WELL._replace(silent=silent)) == [
        {
            "code": "stream_silent",
            "text": "no durable row of binance A trade for 50 s (its limit is 40 s), "
            "no durable row of binance B\\x1b[31m trade for 49 s (its limit is 40 s), "
            "no durable row of binance C trade for 48 s (its limit is 40 s) and 2 more",
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
        {"code": "store_unreachable", "text": "segments wait for the archive's store: 403 Forbidden"}
    ]


def test_a_segment_in_quarantine_is_a_reason_until_somebody_takes_it_out() -> None:
    assert reasons(WELL._replace(quarantined=2)) == [
        {"code": "segment_quarantined", "text": "segments in quarantine/ that could not be archived: 2"}
    ]


def test_every_fault_is_named_at_once() -> None:
    worst = Facts(
        [{"name": "writer", "state": "failed", "restarts": 1, "unreported_secs": None, "waits_for_disk": False}],
        [{"feed": "binance", "lag_secs": 100.0}],
        "timeout",
        1,
        ["binance"],
        [Silence(StreamKey("binance", "BTCUSDT", "trade"), 41.0, 40.0)],
        {"writer": RESTART_LOOP},
        0.0,
        {"binance": -1.5},
        3.0,
        removed=["segments/"],
    )
    assert codes(worst) == list(RULES)


def test_those_are_named_first_that_are_the_longest_beyond_their_limit() -> None:
    slow = Silence(StreamKey("binance", "SLOW", "trade"), 4_100.0, 4_000.0)
    quick = Silence(StreamKey("binance", "QUICK", "trade"), 80.0, 25.0)
    (reason,) = reasons(WELL._replace(silent=[slow, quick]))
    assert reason["text"].index("QUICK") < reason["text"].index("SLOW")


def test_a_process_that_was_restarted_too_often_is_failing_while_it_runs() -> None:
    assert codes(WELL._replace(restarts_lately={"writer": RESTART_LOOP - 1})) == []
    assert reasons(WELL._replace(restarts_lately={"writer": RESTART_LOOP})) == [
        {"code": "child_failing", "text": "writer was restarted 3 times in 5 minutes"}
    ]


@pytest.mark.parametrize(
    ("secs", "text"),
    [
        (DISK_FILLING_SECS, "the disk is full in 24.0 hours at the present rate"),
        (1_800.0, "the disk is full in 0.5 hours at the present rate"),
        (0.0, "the disk is full"),
    ],
)
def test_a_disk_that_is_full_within_a_day_is_filling(secs: float, text: str) -> None:
    assert reasons(WELL._replace(disk_full_in_secs=secs)) == [{"code": "disk_filling", "text": text}]


@pytest.mark.parametrize("secs", [None, DISK_FILLING_SECS + 1])
def test_a_disk_that_lasts_longer_is_not(secs: float | None) -> None:
    assert codes(WELL._replace(disk_full_in_secs=secs)) == []


def test_a_clock_that_the_exchange_itself_says_is_off_is_off_for_certain() -> None:
    assert codes(WELL._replace(asked_clocks_secs={"binance": (0.9, 0.5), "kraken": (-0.4, 0.0)})) == []
    assert reasons(WELL._replace(asked_clocks_secs={"binance": (0.9, 0.1), "kraken": (-0.8, 0.1)})) == [
        {
            "code": "clock_off",
            "text": "this machine's clock is 0.9 s fast, as the exchange of binance says, "
            "this machine's clock is 0.8 s slow, as the exchange of kraken says",
        }
    ]


def test_a_clock_that_is_off_is_slow_for_certain_or_perhaps_fast() -> None:
    assert codes(WELL._replace(clock_offsets_secs={"binance": CLOCK_OFF_SECS, "kraken": -CLOCK_OFF_SECS})) == []
    (reason,) = reasons(WELL._replace(clock_offsets_secs={"binance": 1.5, "kraken": -1.5}))
    assert reason == {
        "code": "clock_off",
        "text": "every message of binance comes 1.5 s or more after it was sent: this machine's clock is fast, "
        "or the exchange late, messages of kraken come 1.5 s before they were sent: this machine's clock is slow",
    }


def test_a_segment_that_grows_far_past_its_limit_is_told() -> None:
    assert reasons(WELL._replace(open_segment_excess=1.9)) == []
    (reason,) = reasons(WELL._replace(open_segment_excess=2.5))
    assert reason["code"] == "seal_delayed"
    assert "2.5 times segment.max_bytes" in reason["text"]
