from collections.abc import Container

from msgspec.structs import replace

from collector.config import Config, FeedConfig, WriterConfig
from collector.domain.records import StreamKey
from collector.monitoring.silences import Silence, Silences, split_unstored
from collector.reports import StreamNumbers
from tests.supervision.made import CONFIG, CUT_OFF_AFTER_SECS, NOW_US, SECOND_US, SILENT_AFTER_SECS, stream

KEY = StreamKey("binance", "BTCUSDT", "trade")
LONG_SECS = 10_000.0


def rows(*ages_secs: float | None) -> list[StreamNumbers]:
    return [
        StreamNumbers(*stream(last_durable_us=None if age_secs is None else NOW_US - round(age_secs * SECOND_US)))
        for age_secs in ages_secs
    ]


def speak(silences: Silences, *ages_secs: float | None, interrupted: Container[str] = ()) -> None:
    """A row after the other becomes durable, and is seen at once: so long before NOW_US, and before LONG_SECS of uptime."""
    for row, age_secs in zip(rows(*ages_secs), ages_secs, strict=True):
        ago_secs = age_secs or 0.0
        silences.note([row], NOW_US - round(ago_secs * SECOND_US), LONG_SECS - ago_secs, interrupted)


def silent_after(silences: Silences, now_us: int = NOW_US, uptime_secs: float = LONG_SECS) -> list[StreamKey]:
    return [silence.key for silence in silences.overdue(now_us, uptime_secs)]


def test_a_stream_is_silent_when_its_newest_durable_row_is_too_old() -> None:
    for age_secs, expected in ((SILENT_AFTER_SECS - 1, []), (SILENT_AFTER_SECS + 1, [KEY])):
        silences = Silences(CONFIG)
        speak(silences, age_secs)
        assert silent_after(silences) == expected


def test_no_stream_is_silent_before_the_recorder_was_up_that_long() -> None:
    silences = Silences(CONFIG)
    silences.note((), NOW_US, 1.0)
    assert silent_after(silences, uptime_secs=SILENT_AFTER_SECS) == []
    assert silent_after(silences, uptime_secs=SILENT_AFTER_SECS + 1.0) == [KEY]


def test_rows_received_but_not_durable_do_not_count_as_life() -> None:
    silences = Silences(CONFIG)
    speak(silences, None)
    assert silent_after(silences) == [KEY]
    assert not silences.ready


def test_a_stream_nobody_configured_is_never_silent() -> None:
    silences = Silences(CONFIG)
    unknown = StreamNumbers("binance", "_", "undecoded", last_durable_us=1)
    silences.note([unknown, *rows(1.0)], NOW_US, LONG_SECS)
    assert silent_after(silences) == []
    assert silences.limit_secs(StreamKey("binance", "_", "undecoded")) is None


def test_it_is_ready_with_the_first_durable_row() -> None:
    silences = Silences(CONFIG)
    assert not silences.ready
    speak(silences, 1.0)
    assert silences.ready


def test_a_stream_is_given_as_long_as_it_was_silent_before() -> None:
    silences = Silences(CONFIG)
    speak(silences, 1_800.0, 1_200.0, 600.0, 0.0)
    assert silences.limit_secs(KEY) == 4 * 600.0
    assert silent_after(silences, NOW_US + 2_300 * SECOND_US) == []
    assert silent_after(silences, NOW_US + 2_500 * SECOND_US) == [KEY]


def test_a_clock_set_forward_teaches_no_rhythm() -> None:
    hour_us = 3_600 * SECOND_US
    for spoke_before in (1, 20):
        silences = Silences(CONFIG)
        speak(silences, *map(float, range(spoke_before, 0, -1)))
        silences.note(rows(-3_600.0), NOW_US + hour_us, LONG_SECS)
        assert silences.limit_secs(KEY) in {SILENT_AFTER_SECS, 25.0}
        assert silent_after(silences, NOW_US + hour_us + 320 * SECOND_US, LONG_SECS + 320.0) == [KEY]


def test_an_unlearned_stream_has_the_long_limit_while_connected() -> None:
    silences = Silences(CONFIG)
    speak(silences, 540.0)
    for ago_secs in range(539, 360, -1):
        assert silent_after(silences, NOW_US - ago_secs * SECOND_US, LONG_SECS - ago_secs) == []
    speak(silences, 360.0)
    assert silences.limit_secs(KEY) == 4 * 180.0


def test_an_unlearned_stream_has_the_short_limit_while_disconnected() -> None:
    silences = Silences(CONFIG)
    speak(silences, 0.0)
    for later_secs, expected in ((CUT_OFF_AFTER_SECS - 1, []), (CUT_OFF_AFTER_SECS + 1, [KEY])):
        now_us, uptime_secs = NOW_US + later_secs * SECOND_US, LONG_SECS + later_secs
        silences.note(rows(0.0), now_us, uptime_secs, {"binance"})
        assert silent_after(silences, now_us, uptime_secs) == expected


def test_a_stored_limit_counts_from_the_start() -> None:
    silences = Silences(CONFIG)
    quiet = rows(0.0)[0]._replace(silence_limit_secs=4_000.0)
    silences.note([quiet], NOW_US, LONG_SECS)
    assert silences.limit_secs(KEY) == 4_010.0
    busy = rows(0.0)[0]._replace(silence_limit_secs=30.0)
    silences.note([busy], NOW_US, LONG_SECS)
    assert silences.limit_secs(KEY) == CUT_OFF_AFTER_SECS
    speak(silences, *map(float, range(20, -1, -1)))
    assert silences.limit_secs(KEY) == 25.0


def test_a_silence_is_noticed_although_the_clock_was_set_back() -> None:
    silences = Silences(CONFIG)
    speak(silences, 1.0, 0.0)
    long_before_us = NOW_US - 3_600 * SECOND_US
    assert silent_after(silences, long_before_us, LONG_SECS + SILENT_AFTER_SECS - 1.0) == []
    assert silent_after(silences, long_before_us, LONG_SECS + SILENT_AFTER_SECS + 1.0) == [KEY]


def test_a_row_from_before_the_start_begins_an_interval() -> None:
    silences = Silences(CONFIG)
    silences.note(rows(600.0), NOW_US, 5.0)
    assert [silence.secs for silence in silences.overdue(NOW_US, 5.0)] == [600.0]
    silences.note(rows(0.0), NOW_US, 6.0)
    assert silences.limit_secs(KEY) == 4 * 600.0


def test_a_busy_stream_is_silent_sooner_than_an_unlearned_one() -> None:
    silences = Silences(CONFIG)
    speak(silences, *map(float, range(20, -1, -1)))
    assert silences.limit_secs(KEY) == 25.0


def test_an_outage_that_the_recorder_knows_of_teaches_no_rhythm() -> None:
    silences = Silences(CONFIG)
    speak(silences, *map(float, range(1_020, 1_000, -1)))
    speak(silences, 1_001.0, interrupted={"binance"})
    speak(silences, 1_001.0, 1.0)
    assert silences.limit_secs(KEY) == 25.0
    speak(silences, 0.0, interrupted={"another"})
    speak(silences, -100.0)
    assert silences.limit_secs(KEY) == 50.0


def test_a_repeated_row_and_a_clock_set_back_are_no_interval() -> None:
    silences = Silences(CONFIG)
    for age_secs in (0.0, 0.0, 3_600.0, 3_600.0):
        silences.note(rows(age_secs), NOW_US, LONG_SECS)
    assert silences.limit_secs(KEY) == SILENT_AFTER_SECS


def test_a_stream_whose_rows_may_wait_in_the_journal_is_not_silent() -> None:
    overdue = [Silence(KEY, 60.0, 25.0, feed="binance")]
    for lag_secs, is_silent in ((0.0, True), (34.0, True), (35.0, False), (58.0, False)):
        found = split_unstored(overdue, {"binance": lag_secs, "okx": 100.0})
        assert found == ((overdue, []) if is_silent else ([], overdue))
    assert split_unstored(overdue, {"okx": 100.0}) == (overdue, [])


def test_the_limit_follows_the_configuration() -> None:
    feed = FeedConfig(symbols=("BTCUSDT",), data_types=("trade",))
    ingest = replace(CONFIG.ingest, stale_timeout_secs=3.0)
    writer = replace(CONFIG.writer, batch_interval_secs=0.5)
    silences = Silences(Config(feed=(feed,), ingest=ingest, writer=writer))
    assert silences.limit_secs(KEY) == 8.5  # nobody listens yet
    silences.note((), NOW_US, LONG_SECS)
    assert silences.limit_secs(KEY) == 305.5
    speak(silences, *map(float, range(20, -1, -1)))
    assert silences.limit_secs(KEY) == 8.5


def chosen(*symbols: str) -> dict[str, tuple[str, ...]]:
    return {"pairs": symbols}


def test_streams_that_join_and_leave_are_followed() -> None:
    pairs = FeedConfig(name="pairs", symbols=("*USDT",), data_types=("trade",))
    silences = Silences(Config(feed=(pairs,)))
    assert silences.keys == []
    silences.follow(chosen("BTCUSDT", "ETHUSDT"), 0.0)
    speak(silences, 1.0)
    late = LONG_SECS + SILENT_AFTER_SECS * 100
    assert [key.symbol for key in silent_after(silences, NOW_US, late)] == ["BTCUSDT", "ETHUSDT"]
    silences.follow(chosen("ETHUSDT"), late)
    assert silences.keys == [StreamKey("binance", "ETHUSDT", "trade")]
    assert [key.symbol for key in silent_after(silences, NOW_US, late)] == ["ETHUSDT"]
    assert silences.limit_secs(KEY) is None


def test_a_stream_that_joins_late_or_returns_is_not_silent_at_once() -> None:
    pairs = FeedConfig(name="pairs", symbols=("*USDT",), data_types=("trade",))
    silences = Silences(Config(feed=(pairs,)))
    silences.follow(chosen("BTCUSDT"), LONG_SECS)
    silences.note(rows(SILENT_AFTER_SECS * 100), NOW_US, LONG_SECS)
    assert silent_after(silences) == []
    assert silent_after(silences, uptime_secs=LONG_SECS + SILENT_AFTER_SECS * 100) == [KEY]


def test_with_other_feeds_their_streams_are_followed_and_what_was_learned_stays() -> None:
    silences = Silences(CONFIG)
    speak(silences, *range(100, 0, -1))
    limit_secs = silences.limit_secs(KEY)
    other = FeedConfig(exchange="kraken", symbols=("BTC/USD",), data_types=("trade",))
    silences.reconfigure(replace(CONFIG, feed=(*CONFIG.feed, other)), LONG_SECS)
    added = StreamKey("kraken", "BTC/USD", "trade")
    assert silences.keys == [KEY, added]
    assert silences.limit_secs(KEY) == limit_secs
    assert silent_after(silences) == [], "one that joins is silent only if it stays so"
    assert silent_after(silences, NOW_US, LONG_SECS + SILENT_AFTER_SECS + 1) == [KEY, added]
    silences.reconfigure(replace(CONFIG, feed=(other,)), LONG_SECS)
    assert silences.keys == [added]
    assert silences.limit_secs(KEY) is None


def test_limits_are_learned_anew_where_rows_become_durable_later() -> None:
    silences = Silences(CONFIG)
    speak(silences, *range(100, 0, -1))
    slow = replace(CONFIG, writer=WriterConfig(batch_interval_secs=600.0))
    silences.reconfigure(slow, LONG_SECS)
    assert silent_after(silences, NOW_US + 600 * SECOND_US, LONG_SECS + 600) == []
