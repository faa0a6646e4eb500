"""Which days and objects a prune may take."""

import pytest

from collector.domain.names import ObjectPartition, first_kept_date, object_key, partition_in, time_us
from collector.storage.archive.prune_rules import DayFacts, PruneSelection, why_it_stays

OLD, KEPT = "2026-08-01", "2026-08-02"
NOW_US = time_us("2026-11-30T12:00:00Z")
ALL = PruneSelection(KEPT)


def partition(**changed: str) -> ObjectPartition:
    return ObjectPartition("binance", "trade", "BTCUSDT", OLD)._replace(**changed)


def test_a_day_goes_once_its_last_moment_is_as_old_as_asked() -> None:
    for now in ("2026-11-30T00:00:00Z", "2026-11-30T23:59:59.999999Z"):
        assert first_kept_date(time_us(now), 90) == "2026-09-01"
    assert PruneSelection("2026-09-01").is_old("2026-08-31")
    assert not PruneSelection("2026-09-01").is_old("2026-09-01")


def test_neither_today_nor_yesterday_is_ever_old() -> None:
    assert first_kept_date(NOW_US, 1) == "2026-11-29"


def test_an_age_before_the_year_1_is_refused() -> None:
    with pytest.raises(OverflowError):
        first_kept_date(NOW_US, 99_999 * 7 * 2)


def test_all_messages_of_an_old_day_go() -> None:
    assert ALL.wants(partition())
    assert ALL.wants(partition(data_type="undecoded", symbol="_"))
    assert not ALL.wants(partition(date=KEPT))


@pytest.mark.parametrize("data_types", [frozenset[str](), frozenset({"gap"})])
def test_the_gap_ledger_stays_whatever_is_asked_for(data_types: frozenset[str]) -> None:
    assert not PruneSelection(KEPT, data_types=data_types).wants(partition(data_type="gap"))


def test_instruments_stay_unless_they_are_named() -> None:
    instruments = partition(data_type="instrument")
    assert not ALL.wants(instruments)
    assert PruneSelection(KEPT, data_types=frozenset({"instrument"})).wants(instruments)


@pytest.mark.parametrize(
    "selection",
    [
        PruneSelection(KEPT, exchanges=frozenset({"binance"})),
        PruneSelection(KEPT, symbols=frozenset({"BTCUSDT"})),
        PruneSelection(KEPT, data_types=frozenset({"trade"})),
    ],
)
def test_only_the_named_streams_go(selection: PruneSelection) -> None:
    assert selection.wants(partition())
    assert not selection.wants(partition(exchange="okx", symbol="BTC-USDT", data_type="book_delta"))


def test_a_whole_day_has_no_reason_to_stay() -> None:
    assert why_it_stays(DayFacts()) == []


def test_every_reason_to_stay_is_named() -> None:
    facts = DayFacts(["damaged x"], ["20260801T120000Z-4f2a9c"], ["key"], ["missing y"])
    assert why_it_stays(facts) == [
        "damaged x",
        "segment 20260801T120000Z-4f2a9c of that day has no manifest: it may not be archived yet",
        "orphan key: no manifest names it; its upload may be under way",
        "missing y",
    ]


def test_the_partition_of_a_key_is_that_of_its_object() -> None:
    found = ObjectPartition("kraken", "trade", "BTC/USD ä", OLD)
    assert partition_in(object_key(found, "host-1", "20260801T120000Z-4f2a9c")) == found


@pytest.mark.parametrize(
    "key",
    [
        "_manifest/date=2026-08-01/host-1-20260801T120000Z-4f2a9c.json",
        "exchange=a/data_type=b/symbol=c/date=2026-08-01/x.parquet.tmp",
        "exchange=a/data_type=b/symbol=c/date=1/x.parquet",
        "exchange=a/data_type=b/symbol=c/d/date=2026-08-01/x.parquet",
        "x/exchange=a/data_type=b/symbol=c/date=2026-08-01/x.parquet",
    ],
)
def test_any_other_key_has_no_partition(key: str) -> None:
    assert partition_in(key) is None
