"""Times as exchanges write them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.domain.times import NO_TIME_US
from collector.exchanges.times import (
    from_decimal_ms,
    from_decimal_secs,
    from_ms,
    from_ns,
    from_rfc3339,
    from_secs,
    from_us,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "time_us"),
    [
        ("2026-07-10T00:00:00Z", 1_783_641_600_000_000),
        ("2026-07-10T00:00:00.5Z", 1_783_641_600_500_000),
        ("2026-07-10T00:00:00.123456789Z", 1_783_641_600_123_456),
        ("2026-07-10T00:00:00.999999999Z", 1_783_641_600_999_999),
        ("2026-07-10 02:00:00.25+02:00", 1_783_641_600_250_000),
        ("2026-07-09t22:00:00-02:00", 1_783_641_600_000_000),
        ("2026-07-10t00:00:00.5z", 1_783_641_600_500_000),
    ],
)
def test_a_fraction_of_any_length_is_floored(text: str, time_us: int) -> None:
    assert from_rfc3339(text) == time_us


@pytest.mark.parametrize(
    "text",
    [
        "", "Z", ".", "2026-07-10", "2026-07-10T00:00:00", "2026-07-10T00:00:00.Z", "2026-07-10T00:00:00.1_0Z",
        "2026-07-10T00:00:00.٣Z", "2026-02-30T00:00:00Z", "0001-01-01T00:00:00.000000Z", "2026-07-10T00:00:00.5",
        "2026-07-10T00:00:00,5Z", None, 5, [], {},
    ],
)  # fmt: skip
def test_what_is_no_time_is_none(text: object) -> None:
    assert from_rfc3339(text) == NO_TIME_US


@given(
    st.integers(86_400 * 10**6, 250_000 * 86_400 * 10**6),
    st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
def test_every_time_of_iso_8601_is_read_alike(time_us: int, zone: timezone) -> None:
    moment = EPOCH + timedelta(microseconds=time_us)
    assert from_rfc3339(moment.astimezone(zone).isoformat()) == time_us
    assert from_rfc3339(moment.isoformat().replace("+00:00", "Z")) == time_us


def test_numbers_count_in_their_unit() -> None:
    read = [
        from_secs(7),
        from_ms("7"),
        from_us(7),
        from_ns(7_999),
        from_decimal_secs("1.0000019"),
        from_decimal_ms(1.5),
    ]
    assert read == [7_000_000, 7_000, 7, 7, 1_000_001, 1_500]


@pytest.mark.parametrize("value", ["soon", -1, None, True, 10**30, "9" * 30, [], "٣"])
def test_a_number_that_is_no_time_is_none(value: object) -> None:
    readers = (from_secs, from_ms, from_us, from_ns, from_decimal_secs, from_decimal_ms)
    assert [read(value) for read in readers] == [NO_TIME_US] * len(readers)
