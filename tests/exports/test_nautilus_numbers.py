"""Prices and sizes of a catalog are exactly the decimals that the exchange sent."""

from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.exports.nautilus_numbers import NUMBER, Decimals
from collector.read.errors import QuestionError
from tests.exports.catalogs import number

_DECIMALS = st.decimals(-(10**12), 10**12, places=None, allow_nan=False).map(lambda value: round(value, 9))
_LISTS = st.lists(_DECIMALS.filter(lambda value: len(value.normalize().as_tuple().digits) <= 15), min_size=1)


@settings(max_examples=40)
@given(_LISTS, _LISTS)
def test_each_number_is_the_decimal_whatever_came_before_it(first: list[Decimal], second: list[Decimal]) -> None:
    made = Decimals("price")
    for values in (first, second):
        found = made.numbers(pa.array([float(value) for value in values]))
        assert found.type == NUMBER
        assert [number(value) for value in found.to_pylist()] == values
    needed = max(len(f"{value.normalize():f}".partition(".")[2]) for value in first + second)
    assert made.most == needed


def test_decimals_are_those_of_the_data() -> None:
    made = Decimals("size")
    made.numbers(pa.array([25.0, 0.5]))
    assert made.most == 1
    made.numbers(pa.array([25.426189, 200_000.0]))
    assert made.most == 6
    made.numbers(pa.array([1.0]))
    assert (made.most, made.text(0.00001)) == (6, "0.000010")


def test_a_number_with_too_many_decimals_is_refused_by_name() -> None:
    with pytest.raises(QuestionError, match="nautilus_trader cannot store each price"):
        Decimals("price").numbers(pa.array([1e-17]))


def test_no_rows_are_no_numbers() -> None:
    assert Decimals("price").numbers(pa.array([], pa.float64())) == pa.array([], NUMBER)
