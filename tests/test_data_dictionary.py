"""The data dictionary has every column, and says of each exchange what its adapter does."""

import re
from types import NoneType
from typing import get_args, get_type_hints

import pytest

from collector.domain.records import GAP, ROW_TYPES, UNDECODED, Gap
from collector.exchanges import registry
from collector.storage.archive.schema import COMMON_SCHEMA, SCHEMA_VERSION, schema_of
from tests.dictionary_page import PAGE, cells, never_null, tables, told
from tests.exchanges.dictionary_tables import columns_of, data_types, empty_table, order_table, type_name

EVERY_ROW = "Columns of every row"


def test_every_data_type_has_a_chapter_and_a_line_at_the_top() -> None:
    chapters = re.findall(r"^## (\w+)$", PAGE, re.MULTILINE)
    assert chapters == list(data_types())
    assert re.findall(r"^\| \[`(\w+)`\]", PAGE, re.MULTILINE) == chapters


@pytest.mark.parametrize("data_type", data_types())
def test_exactly_the_columns_of_the_schema_are_told_with_their_types(data_type: str) -> None:
    assert {row["column"]: row["type"] for row in told(data_type)} == columns_of(data_type)
    assert [row["column"] for row in told(data_type)] == list(columns_of(data_type))


def test_exactly_the_columns_of_every_row_are_told_with_their_types() -> None:
    common = {field.name: type_name(field.type) for field in COMMON_SCHEMA}
    assert {row["column"]: row["type"] for row in told(EVERY_ROW)} == common


@pytest.mark.parametrize("data_type", [*ROW_TYPES, GAP])
def test_a_column_is_told_to_be_never_null_only_where_its_type_says_so(data_type: str) -> None:
    hints = get_type_hints(Gap if data_type == GAP else ROW_TYPES[data_type])
    never = never_null(data_type)
    assert [name for name in never if NoneType in get_args(hints[name])] == []
    others = {name for name, hint in hints.items() if NoneType not in get_args(hint)} - never
    assert others <= {"trade_id"}, "an exchange may leave it out"


@pytest.mark.parametrize("data_type", [*ROW_TYPES, UNDECODED, GAP])
def test_columns_that_came_later_say_so(data_type: str) -> None:
    first = schema_of(data_type, 1)
    assert first is not None
    since = {row["column"]: re.findall(r"Since version (\d)", row["meaning"]) for row in told(data_type)}
    assert {name: [] if name in first.names else ["2"] for name in since} == since
    assert f"The present one is {SCHEMA_VERSION}," in " ".join(PAGE.split())


@pytest.mark.parametrize("data_type", ROW_TYPES)
def test_order_proof_and_empty_columns_are_those_of_the_adapters(data_type: str) -> None:
    """`python -m tests.exchanges.dictionary_tables` prints them."""
    assert tables(data_type)[1:] == [table for table in (order_table(data_type), empty_table(data_type)) if table]


def test_only_exchanges_that_can_be_recorded_are_named_with_their_sizes() -> None:
    (rows,) = tables("Sizes of derivatives")
    named = [name for row in rows[2:] for name in re.findall(r"`(\w+)`", cells(row)[0])]
    assert named
    assert len(set(named)) == len(named)
    assert set(named) <= set(registry.data_types())
