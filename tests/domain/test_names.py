import itertools
from datetime import UTC, datetime
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.domain import names
from collector.domain.names import ObjectPartition
from collector.domain.records import StreamKey

NOON_US = 1_795_435_200_000_000  # 2026-11-23T12:00:00Z
STREAM = StreamKey("binance", "BTCUSDT", "book_delta")
# The text an exchange can name an instrument with: any UTF-8, so no half surrogate pairs.
SYMBOLS = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.mark.parametrize("text", ["a", "binance", "host-1.example_x", "...", "A" * 64])
def test_a_plain_name_can_be_part_of_a_path(text: str) -> None:
    assert names.is_path_name(text)


@pytest.mark.parametrize("text", ["", ".", "..", "a/b", "a b", "é", "a\n", "A" * 65, "a=b", "a%41"])
def test_a_name_that_could_mean_another_path_is_refused(text: str) -> None:
    assert not names.is_path_name(text)


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        ("BTCUSDT", "BTCUSDT"),
        ("BTC/USD", "BTC%2FUSD"),
        ("a-b.c_d~e", "a-b.c_d~e"),
        ("ä=b c", "%C3%A4%3Db%20c"),
        ("100%", "100%25"),
    ],
)
def test_partition_values_keep_only_unreserved_characters(value: str, encoded: str) -> None:
    assert names.encode_partition_value(value) == encoded


@given(SYMBOLS)
def test_a_partition_value_can_be_read_back(value: str) -> None:
    encoded = names.encode_partition_value(value)
    assert unquote(encoded, errors="strict") == value
    assert encoded.isascii()
    assert "/" not in encoded


def test_an_objects_key_is_its_partition_host_and_segment() -> None:
    partition = ObjectPartition("kraken", "trade", "BTC/USD", "2026-11-23")
    assert names.object_key(partition, "host-1", "20261123T120000Z-4f2a9c") == (
        "exchange=kraken/data_type=trade/symbol=BTC%2FUSD/date=2026-11-23/host-1-20261123T120000Z-4f2a9c.parquet"
    )


def test_a_manifest_stands_under_the_date_of_its_segments_id() -> None:
    key = names.manifest_key("host-1", "20261123T235959Z-4f2a9c")
    assert key == "_manifest/date=2026-11-23/host-1-20261123T235959Z-4f2a9c.json"


def test_a_segment_is_named_by_the_second_it_was_opened_in() -> None:
    assert names.make_segment_id(NOON_US + 999_999, None, "4f2a9c") == "20261123T120000Z-4f2a9c"


@given(st.lists(st.integers(NOON_US, NOON_US + 10_000_000), min_size=2, max_size=20))
def test_segment_ids_sort_in_the_order_made_whatever_the_clock_does(clock: list[int]) -> None:
    ids: list[str] = []
    for now_us in clock:
        ids.append(names.make_segment_id(now_us, ids[-1] if ids else None, "ffffff"))
    times = [names.parse_segment_id(segment_id).time for segment_id in ids]
    assert ids == sorted(ids)
    assert all((later - earlier).total_seconds() >= 1 for earlier, later in itertools.pairwise(times))


def test_a_segment_id_says_when_it_was_opened() -> None:
    segment_id = names.parse_segment_id("20261123T120000Z-4f2a9c")
    assert segment_id.time == datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert (segment_id.suffix, segment_id.date) == ("4f2a9c", "2026-11-23")
    assert str(segment_id) == "20261123T120000Z-4f2a9c"


@pytest.mark.parametrize(
    "text",
    ["", "20261123T120000Z", "20261123T120000Z-4F2A9C", "20261123T120000Z-4f2a9c.open", "20261399T120000Z-4f2a9c"],
)
def test_text_that_is_not_a_segment_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        names.parse_segment_id(text)


def test_a_suffix_that_would_not_be_read_back_is_refused() -> None:
    with pytest.raises(ValueError, match="not a segment id"):
        names.make_segment_id(NOON_US, None, "XYZ")


def test_a_gap_keeps_its_id_and_every_part_of_what_it_is_counts() -> None:
    base = names.gap_id(STREAM, 0, "sequence", "7", NOON_US)
    others = [
        names.gap_id(STREAM._replace(symbol="ETHUSDT"), 0, "sequence", "7", NOON_US),
        names.gap_id(STREAM, 1, "sequence", "7", NOON_US),
        names.gap_id(STREAM, 0, "silence", "7", NOON_US),
        names.gap_id(STREAM, 0, "sequence", None, NOON_US),
        names.gap_id(STREAM, 0, "sequence", "None", NOON_US),
        names.gap_id(STREAM, 0, "sequence", "7", NOON_US + 1),
    ]
    assert base == names.gap_id(STREAM, 0, "sequence", "7", NOON_US)
    assert len({base, *others}) == len(others) + 1
    assert len(base) == 16
    assert int(base, 16) >= 0


def test_a_gap_id_never_changes_between_versions() -> None:
    assert names.gap_id(STREAM, 0, "sequence", "7", NOON_US) == "a179f721b0dfecb5"


def test_the_date_of_a_time_is_the_utc_date() -> None:
    assert names.date_of((NOON_US) // names.DAY_US) == "2026-11-23"
    assert names.date_of((NOON_US + 12 * 3_600_000_000 - 1) // names.DAY_US) == "2026-11-23"
    assert names.date_of((NOON_US + 12 * 3_600_000_000) // names.DAY_US) == "2026-11-24"
    assert names.date_of((-1) // names.DAY_US) == "1969-12-31"


def test_a_time_is_shown_in_utc_with_microseconds() -> None:
    assert names.iso_time(NOON_US) == "2026-11-23T12:00:00.000000Z"
    assert names.iso_time(NOON_US + 1) == "2026-11-23T12:00:00.000001Z"
