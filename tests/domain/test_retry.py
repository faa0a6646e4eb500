import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.domain.retry import LONGEST_BAN_SECS, ban_secs, renewal_secs, retry_after_secs

FRACTIONS = st.floats(0, 1, exclude_max=True)


@given(lifetime=st.floats(1, 1e9), fraction=FRACTIONS)
def test_a_connection_is_renewed_before_its_lifetime_ends(lifetime: float, fraction: float) -> None:
    age = renewal_secs(lifetime, lambda: fraction)

    assert 0.9 * lifetime <= age < 0.99 * lifetime


def test_a_connection_without_an_end_is_never_renewed() -> None:
    assert renewal_secs(float("inf"), lambda: 0.0) == float("inf")


@pytest.mark.parametrize(
    ("value", "secs"),
    [
        ("120", 120.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("99999999999999999999", LONGEST_BAN_SECS),
        ("Thu, 01 Jan 1970 00:16:50 GMT", 10.0),
        ("Thu, 01 Jan 1970 00:16:50 -0000", 10.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Fri, 01 Jan 2200 00:00:00 GMT", LONGEST_BAN_SECS),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("", None),
        ("٣", None),
        ("Thu, 01 Jan 1970 00:00:00 +99999999999999999999", None),
    ],
)
def test_retry_after_is_read_in_both_its_forms_and_nothing_else(value: str, secs: float | None) -> None:
    assert retry_after_secs(value, now_secs=1_000.0) == secs


@given(value=st.text(), now=st.floats(0, 4e9))
def test_no_retry_after_header_is_an_error(value: str, now: float) -> None:
    secs = retry_after_secs(value, now)

    assert secs is None or 0 <= secs <= LONGEST_BAN_SECS


def test_a_ban_without_a_time_doubles_with_each_ban_in_a_row() -> None:
    assert ban_secs(7.0, 5) == 7.0
    assert [ban_secs(None, before) for before in range(6)] == [120, 240, 480, 960, 1800, 1800]
    assert ban_secs(0.0, 1_000_000) == 1800
