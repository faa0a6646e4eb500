import pyarrow as pa
import pytest

from collector.domain.records import ROW_TYPES, Gap
from collector.storage.archive.schema import GAP_SCHEMA, MESSAGE_SCHEMAS, UNDECODED_SCHEMA, schema_of

COMMON = [
    "received_at: timestamp[us, tz=UTC]",
    "exchange_at: timestamp[us, tz=UTC]",
    "line: int8",
    "series: int32",
    "raw: string",
]
TRADE = ["trade_id: string", "price: double", "size: double", "side: string"]
BOOK = [
    "first_id: int64",
    "last_id: int64",
    "previous_id: int64",
    "is_snapshot: bool",
    "bid_prices: list<item: double>",
    "bid_sizes: list<item: double>",
    "ask_prices: list<item: double>",
    "ask_sizes: list<item: double>",
]
TICKER = ["update_id: int64", "bid_price: double", "bid_size: double", "ask_price: double", "ask_size: double"]

FURTHER = {
    "trade": [*TRADE, "sequence: int64", "kind: string"],
    "agg_trade": [*TRADE, "first_trade_id: string", "last_trade_id: string"],
    "book_delta": BOOK,
    "book_snapshot": BOOK,
    "book_ticker": TICKER,
    "mark_price": ["mark_price: double", "index_price: double", "settle_price: double"],
    "funding_rate": [
        "funding_rate: double",
        "predicted_rate: double",
        "next_funding_at: timestamp[us, tz=UTC]",
        "interval_secs: int32",
    ],
    "open_interest": ["open_interest: double", "open_interest_value: double"],
    "liquidation": [
        "liquidation_id: string",
        "side: string",
        "price: double",
        "size: double",
        "average_price: double",
        "status: string",
    ],
    "instrument": [
        *(f"{name}: string" for name in ("status", "kind", "base", "quote", "settle")),
        *(f"{name}: double" for name in ("tick_size", "lot_size", "min_size", "min_notional", "contract_size")),
        "listed_at: timestamp[us, tz=UTC]",
        "expires_at: timestamp[us, tz=UTC]",
    ],
}


def columns(schema: pa.Schema) -> list[str]:
    return [f"{field.name}: {field.type}" for field in schema]


@pytest.mark.parametrize("data_type", ROW_TYPES)
def test_the_columns_of_a_data_type_are_exactly_these(data_type: str) -> None:
    assert columns(MESSAGE_SCHEMAS[data_type]) == COMMON + FURTHER[data_type]


@pytest.mark.parametrize("data_type", ROW_TYPES)
def test_files_of_an_older_version_have_the_columns_of_that_version(data_type: str) -> None:
    of_version_1 = {**FURTHER, "trade": TRADE}
    assert columns(schema_of(data_type, 1)) == COMMON + of_version_1[data_type]
    assert schema_of(data_type, 2) == MESSAGE_SCHEMAS[data_type]
    assert schema_of(data_type, 3) is None, "nobody here knows"


def test_an_undecoded_row_has_its_frame_and_a_reason() -> None:
    assert columns(UNDECODED_SCHEMA) == [*COMMON, "frame: binary", "reason: string"]


def test_the_gap_ledger_has_its_own_columns_and_no_others() -> None:
    assert columns(GAP_SCHEMA) == [
        "gap_id: string",
        "stream_type: string",
        "kind: string",
        "cause: string",
        "expected_id: string",
        "actual_id: string",
        "missing: int64",
        "started_at: timestamp[us, tz=UTC]",
        "ended_at: timestamp[us, tz=UTC]",
        "line: int8",
        "status: string",
        "repaired_by: string",
        "detected_at: timestamp[us, tz=UTC]",
    ]
    assert tuple(GAP_SCHEMA.names) == Gap._fields
