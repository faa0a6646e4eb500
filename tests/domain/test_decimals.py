"""Which decimals a double holds exactly, and that no inexact number is overlooked."""

import json
import math
from collections.abc import Callable
from decimal import Decimal, InvalidOperation

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collector.domain.decimals import is_exact, suspects, to_double

digits = st.text("0123456789", min_size=1, max_size=25)
signs = st.sampled_from(["", "-", "+"])
exponents = st.one_of(st.just(""), st.builds("{}{}{}".format, st.sampled_from("eE"), signs, digits))
plain = st.one_of(digits, st.builds("{}.{}".format, digits, digits), digits.map(".{}".format), digits.map("{}.".format))
decimals = st.builds("{}{}{}".format, signs, plain, exponents)
unicode_digits = st.text("0123456789.٣৩８", min_size=1, max_size=20)
texts = st.one_of(decimals, unicode_digits, st.text(max_size=20))


def equal_as_numbers(text: str) -> bool:
    """The definition, written out."""
    try:
        return Decimal(repr(float(text))) == Decimal(text)
    except InvalidOperation:
        return False


@given(decimals)
@example("1e999")
@example("1e-999")
@example("0e99999999999999999999")
def test_exact_means_that_the_double_is_numerically_the_decimal(text: str) -> None:
    assert is_exact(text) == equal_as_numbers(text)


@given(st.integers(-(10**15) + 1, 10**15 - 1), st.integers(-290, 290))
def test_every_decimal_of_15_significant_digits_is_exact(mantissa: int, exponent: int) -> None:
    assert is_exact(f"{mantissa}e{exponent}")


@pytest.mark.parametrize(
    "text",
    ["0", "-0", "61837.63000000", "0.00000001", "9007199254740992", "20014582.00000000", "1e5", "5e-324"],
)
def test_exact_decimals_are_exact(text: str) -> None:
    assert is_exact(text)


@pytest.mark.parametrize(
    "text", ["9007199254740993", "0.1000000000000000055", "123456789012345.678", "1e-400", "1e400"]
)
def test_inexact_decimals_are_not_exact(text: str) -> None:
    assert not is_exact(text)


@given(texts)
@example("nan")
@example("Infinity")
@example("1_0")
@example(" 1.5")
@example("1.5\n")
@example("٣.5")
@example("1e999")
def test_a_double_is_finite_and_comes_only_from_plain_ascii_decimals(text: str) -> None:
    value = to_double(text)
    if value is None:
        assert not is_exact(text)
        return
    assert math.isfinite(value)
    assert value == float(text)
    assert set(text) <= set("0123456789.eE+-")


@pytest.mark.parametrize(
    "text", ["", "abc", "NaN", "-inf", "1e999", "-1e999", "0x10", "1,5", "1 ", "1_0", "--1", ".", "e5"]
)
def test_text_that_is_not_a_finite_decimal_has_no_double(text: str) -> None:
    assert to_double(text) is None


@pytest.mark.parametrize(("text", "value"), [("+1.5", 1.5), ("007", 7.0), (".5", 0.5), ("5.", 5.0), ("1E+2", 100.0)])
def test_quoted_decimals_need_not_be_valid_json_numbers(text: str, value: float) -> None:
    assert to_double(text) == value


def escaped(text: str) -> str:
    """A JSON string that spells every character as an escape."""
    return '"' + "".join(f"\\u{ord(c):04x}" for c in text) + '"'


@given(
    st.lists(st.lists(st.tuples(decimals, st.sampled_from(["quoted", "bare", "escaped", "half escaped"]))), max_size=8)
)
@example([[("1234567890123450000", "quoted"), ("12345678901234560000", "quoted")]])
@example([[("1e-10000", "quoted")]])
@example([[("12345678901234567890", "half escaped")]])
def test_a_payload_with_an_inexact_number_is_always_a_suspect(batch: list[list[tuple[str, str]]]) -> None:
    spell: dict[str, Callable[[str], str]] = {
        "quoted": json.dumps,
        "bare": str,
        "escaped": escaped,
        "half escaped": lambda text: json.dumps(text[:9])[:-1] + escaped(text[9:])[1:],
    }
    payloads = [f'{{"e":"x","p":[{",".join(spell[how](text) for text, how in row)}]}}'.encode() for row in batch]
    inexact = {index for index, row in enumerate(batch) for text, _ in row if not is_exact(text)}
    named = suspects(payloads)
    assert inexact <= set(named)
    assert named == sorted(set(named))


@given(
    st.lists(st.from_regex(r'\{"p":"-?[0-9]{1,7}\.[0-9]{1,7}","q":"[0-9]{1,10}\.0{8}"\}', fullmatch=True), max_size=9)
)
def test_numbers_proven_by_their_length_are_no_suspects(payloads: list[str]) -> None:
    assert suspects([payload.encode() for payload in payloads]) == []


def test_suspects_are_named_by_their_place_in_the_batch() -> None:
    proven, inexact = b'{"p":"1.5"}', b'{"p":"1234567890.1234567"}'
    assert suspects([inexact, proven, inexact, inexact, proven]) == [0, 2, 3]
    assert suspects([proven] * 3) == []
    assert suspects([]) == []
    assert suspects([b"", b""]) == []


def test_digits_of_neighbours_do_not_run_together() -> None:
    assert suspects([b"12345678", b"12345678", b"1", b"e5"]) == []


def test_fifteen_digits_pass_and_sixteen_are_looked_at() -> None:
    assert suspects([b"[123456789012345]"]) == []
    assert suspects([b"[1234567890123456]"]) == [0]


@pytest.mark.parametrize(
    "payload",
    [
        b'{"topic":"orderbook.200.ETHUSDT","data":{"b":[["1922.48","0.5"]]}}',
        b'{"i":"19d7df56-4f10-5290-a969-d9e9f2c74cc3","p":"1922.50"}',
        b'{"s":"1e5x","p":"1.5"}',
    ],
)
def test_a_name_that_only_looks_like_an_exponent_makes_no_suspect(payload: bytes) -> None:
    assert suspects([payload]) == []


@pytest.mark.parametrize("number", ["1e5", "1E-5", '"+1e5"', "1.5e+10", "1e5\n", "\t1e5 "])
def test_a_number_with_an_exponent_is_looked_at_wherever_it_stands(number: str) -> None:
    for text in (f"[{number}]", f'{{"p":{number}}}', f"[1,{number},2]", number):
        assert suspects([text.encode()]) == [0]
