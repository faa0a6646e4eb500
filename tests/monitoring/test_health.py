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
from collector.monitoring.host_facts import HostFacts
from collector.monitoring.silences import Silence
from collector.monitoring.undecodable import MIN_FRAMES, UndecodableShare
from collector.monitoring.view import ChildState
from collector.reports import JournalLag, PublishReport

WELL = Facts(
    processes=[ChildState("writer", 12, "running", 0, 0.4)],
    journals=[JournalLag(feed="binance", lag_secs=0.4)],
    store_error=None,
    quarantined=0,
    refusing=[],
    silent=[],
)


def codes(facts: Facts) -> list[str]:
    return [reason.code for reason in reasons(facts)]


def texts(facts: Facts) -> list[tuple[str, str]]:
    return [(reason.code, reason.text) for reason in reasons(facts)]


def test_a_recorder_that_does_all_it_should_has_no_reasons() -> None:
    assert texts(WELL) == []


@pytest.mark.parametrize("state", ["backoff", "failed"])
def test_a_process_that_is_not_up_again_is_failing(state: str) -> None:
    facts = WELL._replace(
        processes=[
            *WELL.processes,
            ChildState("archiver", 12, state, 3, None),
        ]
    )
    assert texts(facts) == [("child_failing", f"archiver is in state {state} after 3 restarts")]


@pytest.mark.parametrize("state", ["starting", "running", "draining"])
def test_a_process_on_its_way_is_not_failing(state: str) -> None:
    assert codes(WELL._replace(processes=[ChildState("writer", 12, state, 9, None)])) == []


def test_a_process_whose_report_is_old_is_named_with_its_age() -> None:
    children = [
        ChildState(name, 12, "running", 0, secs)
        for name, secs in (("writer", 0.8), ("ingest:binance", UNREPORTED_SECS), ("archiver", UNREPORTED_SECS + 7))
    ]
    waiting = children[2]._replace(name="repair", waits_for_disk=True)
    assert texts(WELL._replace(processes=[waiting])) == [("child_failing", "repair has waited for the disk for 37 s")]
    assert texts(WELL._replace(processes=children)) == [("child_failing", "archiver has reported nothing for 37 s")]


def silence(symbol: str, data_type: str = "trade", *, ever_spoke: bool = True) -> Silence:
    return Silence(StreamKey("binance", symbol, data_type), 50.0, 40.0, ever_spoke)


def test_silent_streams_are_grouped_and_counted() -> None:
    configured = [StreamKey("binance", f"S{n}", data_type) for data_type in ("trade", "ticker") for n in range(20)]
    silent = [silence(key.symbol, key.data_type) for key in configured[:25]]
    (reason,) = reasons(WELL._replace(silent=silent, configured=configured))
    assert reason.headline == reason.text == "25 of 40 streams silent: binance trade (all 20), ticker (5 of 20)"


def test_streams_that_never_had_a_row_are_counted_apart() -> None:
    silent = [silence("A"), silence("B", ever_spoke=False)]
    configured = [StreamKey("binance", symbol, "trade") for symbol in ("A", "B", "C")]
    (reason,) = reasons(WELL._replace(silent=silent, configured=configured))
    assert reason.headline == "2 of 3 streams silent: binance trade (A, B)"
    assert reason.text == f"{reason.headline}; 1 without a row since the start"


@pytest.mark.parametrize(
    ("undecodable", "total", "is_reason"),
    [
        (MIN_FRAMES - 1, 100, False),
        (MIN_FRAMES, 100, True),
        (MIN_FRAMES, 2_000, False),
        (50, 4_000, True),
        (0, 0, False),
    ],
)
def test_undecodable_frames_are_a_reason_above_a_share_and_a_number(
    undecodable: int, total: int, is_reason: bool
) -> None:
    facts = WELL._replace(undecodable={"okx": UndecodableShare(undecodable, total), "binance": UndecodableShare(1, 9)})
    assert codes(facts) == (["frames_undecodable"] if is_reason else [])


def test_undecodable_frames_are_told_with_their_share() -> None:
    (reason,) = reasons(WELL._replace(undecodable={"okx": UndecodableShare(312, 5_012)}))
    assert reason.headline == "undecodable frames: okx"
    assert reason.text == "312 of 5,012 frames of okx in the last 5 minutes could not be decoded"


def test_a_writer_is_behind_after_a_minute_of_journal() -> None:
    late = JournalLag(feed="binance", lag_secs=WRITER_BEHIND_SECS + 1)
    assert codes(WELL._replace(journals=[JournalLag(feed="binance", lag_secs=WRITER_BEHIND_SECS)])) == []
    assert texts(WELL._replace(journals=[late])) == [
        ("writer_behind", "the writer is 61 s behind the journal: binance")
    ]


def test_a_writer_is_behind_sooner_if_rows_of_a_busy_stream_are_overdue() -> None:
    overdue = [silence("A")._replace(limit_secs=secs, feed="binance") for secs in (300.0, 25.0)]
    for feed, lag_secs, expected in (("binance", 25.0, []), ("binance", 26.0, ["writer_behind"]), ("okx", 26.0, [])):
        late = JournalLag(feed=feed, lag_secs=lag_secs)
        assert codes(WELL._replace(journals=[late], unstored=overdue)) == expected


def test_refused_frames_mean_that_the_budget_is_spent() -> None:
    assert texts(WELL._replace(refusing=["binance"])) == [
        ("journal_over_budget", "new frames are refused, the disk budget is spent: binance")
    ]


def test_a_store_that_takes_nothing_is_unreachable() -> None:
    assert texts(WELL._replace(store_error="403 Forbidden")) == [
        ("store_unreachable", "segments wait for the archive's store: 403 Forbidden")
    ]


def test_a_quarantined_segment_is_a_reason() -> None:
    assert texts(WELL._replace(quarantined=2)) == [
        ("segment_quarantined", "segments in quarantine/ that could not be archived: 2")
    ]


def test_every_fault_is_named_at_once() -> None:
    worst = Facts(
        [ChildState("writer", 12, "failed", 1, None)],
        [JournalLag(feed="binance", lag_secs=100.0)],
        "timeout",
        1,
        ["binance"],
        [Silence(StreamKey("binance", "BTCUSDT", "trade"), 41.0, 40.0)],
        {"writer": RESTART_LOOP},
        0.0,
        {"binance": -1.5},
        3.0,
        removed=["segments/"],
        undecodable={"binance": UndecodableShare(900, 1_000)},
        without_symbols={"pairs": "there is no list"},
        silent_feeds={"binance": 60.0},
        hosts=HostFacts(
            without_nats={"cluster": "refused"},
            publishing=[PublishReport(feed="binance", lag_secs=61.0)],
            standing_holes=[("binance", "edge-1")],
            refused={"binance": "no slot is left"},
            gone={"edge-1": 60.0},
            unwell={"edge-2": [("disk_filling", "the disk is full")]},
            uncovered=[("binance", "BTCUSDT")],
            waiting_segments=3,
            trouble="edges have other copies",
        ),
    )
    assert codes(worst) == list(RULES)


def test_a_process_in_a_restart_loop_is_failing() -> None:
    assert codes(WELL._replace(restarts_lately={"writer": RESTART_LOOP - 1})) == []
    assert texts(WELL._replace(restarts_lately={"writer": RESTART_LOOP})) == [
        ("child_failing", "writer was restarted 3 times in 5 minutes")
    ]


@pytest.mark.parametrize(
    ("secs", "text"),
    [
        (DISK_FILLING_SECS, "the disk is full in 24 hours at the present rate"),
        (1_800.0, "the disk is full in 30 minutes at the present rate"),
        (0.0, "the disk is full"),
    ],
)
def test_a_disk_that_is_full_within_a_day_is_filling(secs: float, text: str) -> None:
    assert texts(WELL._replace(disk_full_in_secs=secs)) == [("disk_filling", text)]


@pytest.mark.parametrize("secs", [None, DISK_FILLING_SECS + 1])
def test_a_disk_that_lasts_longer_is_not(secs: float | None) -> None:
    assert codes(WELL._replace(disk_full_in_secs=secs)) == []


def test_a_clock_is_off_if_the_exchange_says_so() -> None:
    assert codes(WELL._replace(asked_clocks_secs={"binance": (0.9, 0.5), "kraken": (-0.4, 0.0)})) == []
    assert texts(WELL._replace(asked_clocks_secs={"binance": (0.9, 0.1), "kraken": (-0.8, 0.1)})) == [
        (
            "clock_off",
            (
                "this machine's clock is 0.9 s fast according to the exchange of binance, "
                "this machine's clock is 0.8 s slow according to the exchange of kraken"
            ),
        )
    ]


def test_a_clock_that_is_off_is_slow_for_certain_or_perhaps_fast() -> None:
    assert codes(WELL._replace(clock_offsets_secs={"binance": CLOCK_OFF_SECS, "kraken": -CLOCK_OFF_SECS})) == []
    (reason,) = reasons(WELL._replace(clock_offsets_secs={"binance": 1.5, "kraken": -1.5}))
    assert reason.text == (
        "every message of binance arrives 1.5 s or more after it was sent: this machine's clock is fast, or the exchange "
        "sends late, messages of kraken arrive 1.5 s before they were sent: this machine's clock is slow"
    )


def test_a_segment_that_grows_far_past_its_limit_is_told() -> None:
    assert reasons(WELL._replace(open_segment_excess=1.9)) == []
    (reason,) = reasons(WELL._replace(open_segment_excess=2.5))
    assert reason.code == "seal_delayed"
    assert "2.5 times segment.max_bytes" in reason.text
