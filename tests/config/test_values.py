from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ConfigDict, TypeAdapter, ValidationError

from collector.config.validation import pydantic_type
from collector.config.values import (
    MAX_BYTES,
    DayPart,
    Folder,
    HostName,
    Name,
    Secs,
    SecsFromOne,
    Size,
    Symbols,
    at_least,
    between,
    machine_name,
    size_bytes,
    size_text,
)


def accepts(kind: Any, value: object) -> bool:
    try:
        TypeAdapter(pydantic_type(kind), config=ConfigDict(strict=True)).validate_python(value)
    except ValidationError:
        return False
    return True


@given(st.integers(0, MAX_BYTES))
def test_a_size_survives_being_written_and_read(size: int) -> None:
    assert size_bytes(size_text(size)) == size


@given(st.integers(0, 10**6), st.sampled_from([("KiB", 2**10), ("MiB", 2**20), ("GiB", 2**30)]), st.booleans())
def test_a_size_is_its_number_times_its_unit(number: int, unit: tuple[str, int], space: bool) -> None:
    name, factor = unit
    assert size_bytes(f"{number}{' ' if space else ''}{name}") == number * factor


@given(st.text(max_size=12))
@example("0 ")
def test_a_text_is_a_size_only_if_it_is_digits_and_a_known_unit(text: str) -> None:
    unit = text[-3:]
    digits = text.removesuffix(unit).removesuffix(" ") if unit in {"KiB", "MiB", "GiB"} else text
    assert isinstance(size_bytes(text), int) == (digits.isascii() and digits.isdigit())


@pytest.mark.parametrize(
    "value", ["20GB", "1.5GiB", "gib", "", "-1", "20gib", "1TiB", "1  KiB", "٣KiB", True, 1.0, None]
)
def test_sizes_in_other_forms_are_refused(value: object) -> None:
    assert not accepts(Annotated[Size, at_least(0)], value)


def test_a_size_has_a_lower_bound_and_fits_64_bits() -> None:
    kind = Annotated[Size, at_least(1024)]
    assert accepts(kind, "1KiB")
    assert accepts(kind, MAX_BYTES)
    assert not accepts(kind, 1023)
    assert not accepts(kind, "9999999999GiB")


@pytest.mark.parametrize(
    ("value", "fits"), [(1, True), (16, True), (0, False), (17, False), (True, False), ("1", False)]
)
def test_a_whole_number_has_bounds_and_is_not_a_boolean(value: object, fits: bool) -> None:
    assert accepts(Annotated[int, between(1, 16)], value) is fits


@pytest.mark.parametrize("value", [0, -1, 86_401, float("nan"), float("inf"), True, "5", 10**400])
def test_a_time_is_a_finite_number_above_zero_and_at_most_a_day(value: object) -> None:
    assert not accepts(Secs, value)


@pytest.mark.parametrize("value", [0.001, 0.5, 5, 86_400])
def test_a_time_may_have_a_fraction(value: float) -> None:
    assert TypeAdapter(pydantic_type(Secs)).validate_python(value) == value


@pytest.mark.parametrize("value", [0, 0.999, 86_401, float("nan"), True, "5"])
def test_a_time_from_one_second_is_at_least_that_and_at_most_a_day(value: object) -> None:
    assert not accepts(SecsFromOne, value)
    assert accepts(SecsFromOne, 1)
    assert accepts(SecsFromOne, 86_400)


@pytest.mark.parametrize("value", [1, 1.2, 1.5, 2, 60, 3600, 7200, 86_400])
def test_a_part_of_a_day_divides_it_evenly(value: float) -> None:
    assert accepts(DayPart, value)


@pytest.mark.parametrize("value", [0.5, 7, 1.0001, 50_000, 172_800, float("nan")])
def test_other_parts_of_a_day_are_refused(value: float) -> None:
    assert not accepts(DayPart, value)


@pytest.mark.parametrize("value", ["a", "A.b_c-9", "x" * 64, "..."])
def test_a_name_can_be_part_of_a_path(value: str) -> None:
    assert accepts(Name, value)


@pytest.mark.parametrize("value", [".", "..", "a/b", "x" * 65, "a b", "ä", "a\n", "a\x00"])
def test_a_name_that_cannot_be_part_of_a_path_is_refused(value: str) -> None:
    assert not accepts(Name, value)


@given(st.text())
def test_any_machine_name_becomes_fit_for_a_path(name: str) -> None:
    assert accepts(HostName, machine_name(name))
    assert machine_name(name)


def test_a_fit_machine_name_stays_as_it_is() -> None:
    assert machine_name("recorder-1.example.org") == "recorder-1.example.org"
    assert machine_name("my host (1)") == "my-host-1-"
    assert machine_name("_a.b_") == "a.b_"
    assert machine_name("..") == "host"


def test_a_host_name_does_not_begin_like_files_that_readers_skip() -> None:
    assert accepts(HostName, "a_b.c")
    assert not accepts(HostName, "_a")
    assert not accepts(HostName, ".a")


@pytest.mark.parametrize("value", [["BTCUSDT"], ["BTC/USD", "tBTCUSD"], ["币安人生USDT"], ["x" * 80]])
def test_symbols_are_printable_words_as_exchanges_use_them(value: list[str]) -> None:
    assert accepts(Symbols, value)


@pytest.mark.parametrize("symbol", ["", " ", "BTC USDT", "BTC\nUSDT", "_", "x" * 81, "币" * 27, "\udc80", 5, None])
def test_a_symbol_that_cannot_be_one_is_refused(symbol: object) -> None:
    assert not accepts(Symbols, ["BTCUSDT", symbol])


@pytest.mark.parametrize("value", [[], ["A", "A"], "BTCUSDT", {"A": 1}, None])
def test_symbols_are_a_list_of_one_or_more_different_ones(value: object) -> None:
    assert not accepts(Symbols, value)


def test_a_folder_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    folder = TypeAdapter(pydantic_type(Folder)).validate_python
    assert folder("data") == tmp_path / "data"
    assert folder("/srv/data") == Path("/srv/data")
    assert folder("~/data") == Path("/home/somebody/data")


@pytest.mark.parametrize("value", ["", "a\x00b", "a\nb", "data ", " data", 5, None, "~no-such-user-here/data"])
def test_a_path_that_cannot_be_a_folder_is_refused(value: object) -> None:
    assert not accepts(Folder, value)
