from collector.config import Config, FeedConfig
from collector.domain.records import StreamKey
from collector.metrics import StreamNumbers
from collector.supervision.silences import Silences
from tests.supervision.made import CONFIG, NOW_US, SECOND_US, SILENT_AFTER_SECS, stream

KEY = StreamKey("binance", "BTCUSDT", "trade")
LONG_SECS = 10_000.0


def rows(*ages_secs: float | None) -> list[StreamNumbers]:
    return [
        StreamNumbers(*stream(last_durable_us=None if age_secs is None else NOW_US - round(age_secs * SECOND_US)))
        for age_secs in ages_secs
    ]


def silent_after(silences: Silences, now_us: int = NOW_US, uptime_secs: float = LONG_SECS) -> list[StreamKey]:
    return [silence.key for silence in silences.silent(now_us, uptime_secs)]


def test_a_stream_is_silent_when_its_newest_durable_row_is_too_old() -> None:
    for age_secs, expected in ((SILENT_AFTER_SECS - 1, []), (SILENT_AFTER_SECS + 1, [KEY])):
        silences = Silences(CONFIG)
        silences.note(rows(age_secs))
        assert silent_after(silences) == expected


def test_no_stream_is_silent_before_the_recorder_was_up_that_long() -> None:
    silences = Silences(CONFIG)
    assert silent_after(silences, uptime_secs=SILENT_AFTER_SECS) == []
    assert silent_after(silences, uptime_secs=SILENT_AFTER_SECS + 1.0) == [KEY]


def test_rows_received_but_not_durable_do_not_count_as_life() -> None:
    silences = Silences(CONFIG)
    silences.note(rows(None))
    assert silent_after(silences) == [KEY]
    assert not silences.ready


def test_a_stream_nobody_configured_is_never_silent() -> None:
    silences = Silences(CONFIG)
    silences.note([StreamNumbers("binance", "_", "undecoded", last_durable_us=1), *rows(1.0)])
    assert silent_after(silences) == []
    assert silences.limit_secs(StreamKey("binance", "_", "undecoded")) is None


def test_it_is_ready_with_the_first_durable_row() -> None:
    silences = Silences(CONFIG)
    assert not silences.ready
    silences.note(rows(1.0))
    assert silences.ready


def test_a_stream_is_given_as_long_as_it_was_silent_before() -> None:
    silences = Silences(CONFIG)
    for age_secs in (1_800.0, 1_200.0, 600.0, 0.0):
        silences.note(rows(age_secs))
    assert silences.limit_secs(KEY) == 4 * 600.0
    assert silent_after(silences, NOW_US + 2_300 * SECOND_US) == []
    assert silent_after(silences, NOW_US + 2_500 * SECOND_US) == [KEY]


def test_a_busy_stream_is_missed_sooner_than_one_that_is_not_known_yet() -> None:
    silences = Silences(CONFIG)
    for age_secs in range(20, -1, -1):
        silences.note(rows(float(age_secs)))
    assert silences.limit_secs(KEY) == 25.0


def test_an_outage_that_the_recorder_knows_of_teaches_no_rhythm() -> None:
    silences = Silences(CONFIG)
    for age_secs in range(1_020, 1_000, -1):
        silences.note(rows(float(age_secs)))
    silences.note(rows(1_001.0), {"binance"})
    silences.note(rows(1_001.0))
    silences.note(rows(1.0))
    assert silences.limit_secs(KEY) == 25.0
    silences.note(rows(0.0), {"another"})
    silences.note(rows(-100.0))
    assert silences.limit_secs(KEY) == 50.0


def test_a_row_seen_twice_is_no_interval_and_a_clock_set_back_is_none_either() -> None:
    silences = Silences(CONFIG)
    for age_secs in (0.0, 0.0, 3_600.0, 3_600.0):
        silences.note(rows(age_secs))
    assert silences.limit_secs(KEY) == SILENT_AFTER_SECS


def test_the_limit_follows_the_configuration() -> None:
    feed = FeedConfig(symbols=("BTCUSDT",), data_types=("trade",))
    ingest = CONFIG.ingest.model_copy(update={"stale_timeout_secs": 3.0})
    writer = CONFIG.writer.model_copy(update={"batch_interval_secs": 0.5})
    silences = Silences(Config(feed=(feed,), ingest=ingest, writer=writer))
    assert silences.limit_secs(KEY) == 8.5
    for age_secs in range(20, -1, -1):
        silences.note(rows(float(age_secs)))
    assert silences.limit_secs(KEY) == 8.5
