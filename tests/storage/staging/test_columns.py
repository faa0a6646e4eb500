from collections.abc import Iterable, Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.domain.records import TradeRow, TypedColumns
from collector.domain.times import EARLIEST_US, LONGEST_AHEAD_US
from collector.exchanges.registry import adapter
from collector.storage.staging.columns import gap_batch, message_batch, undecoded_batch
from collector.storage.staging.object_messages import ObjectMessages, of_rows
from tests.exchanges.rows import TypedRow, as_columns
from tests.storage.segment.segment_files import NOON_US, ToyRowReader, make_gap, trade

ROW_READER = ToyRowReader()


def messages(*payloads: bytes) -> ObjectMessages:
    return of_rows(
        [
            (3, number, number, NOON_US + number, NOON_US - number or None, 1, payload)
            for number, payload in enumerate(payloads)
        ]
    )


def raw_of(*payloads: bytes, data_type: str = "trade", keep_raw: bool = False) -> list[str | None]:
    raw: list[str | None] = (
        message_batch(ROW_READER, data_type, messages(*payloads), keep_raw=keep_raw).batch["raw"].to_pylist()
    )
    return raw


class Fixed:
    """Types every payload as it is told."""

    def __init__(self, *typed: TypedRow | None) -> None:
        self._typed = dict(enumerate(typed))

    def columns(self, data_type: str, payloads: Sequence[bytes]) -> TypedColumns:
        return as_columns(data_type, [self._typed[int(payload)] for payload in payloads])

    def decimals(self, data_type: str, payload: bytes) -> Iterable[str]:
        return []


def test_a_message_becomes_a_row_with_times_line_and_series() -> None:
    typed = message_batch(ROW_READER, "trade", messages(trade(7, "64000.10", "0.50", "sell")), keep_raw=False)
    (row,) = typed.batch.to_pylist()
    assert int(row.pop("received_at").timestamp() * 1_000_000) == NOON_US
    assert int(row.pop("exchange_at").timestamp() * 1_000_000) == NOON_US
    assert row == {
        "line": 1,
        "series": 3,
        "raw": None,
        "trade_id": "7",
        "price": 64000.1,
        "size": 0.5,
        "side": "sell",
        "sequence": None,
        "kind": "market",
    }


def test_a_message_without_an_exchange_time_has_none() -> None:
    row = (0, 0, 0, NOON_US, None, -1, trade(1))
    assert message_batch(ROW_READER, "trade", of_rows([row]), keep_raw=False).batch["exchange_at"].to_pylist() == [None]


@pytest.mark.parametrize(
    ("exchange_us", "is_kept"),
    [
        (0, False),
        (EARLIEST_US - 1, False),
        (EARLIEST_US, True),
        (NOON_US + LONGEST_AHEAD_US, True),
        (NOON_US + LONGEST_AHEAD_US + 1, False),
        (-(2**63), False),
        (2**63 - 1, False),
    ],
)
def test_an_impossible_time_is_null_and_keeps_the_raw_text(exchange_us: int, is_kept: bool) -> None:
    sound = (0, 0, 0, NOON_US, NOON_US, 0, trade(1))
    odd = (0, 1, 1, NOON_US, exchange_us, 0, trade(2))
    batch = message_batch(ROW_READER, "trade", of_rows([sound, odd]), keep_raw=False).batch
    assert [time is not None for time in batch["exchange_at"].to_pylist()] == [True, is_kept]
    assert batch["raw"].to_pylist() == [None, None if is_kept else trade(2).decode()]
    assert batch["trade_id"].to_pylist() == ["1", "2"]


def test_an_exact_number_needs_no_raw_text() -> None:
    assert raw_of(trade(1, "0.1"), trade(2, "123456789012345"), trade(3, "100.00000000")) == [None] * 3


def test_a_number_no_double_holds_keeps_the_raw_text() -> None:
    exact, inexact = trade(1, "0.1"), trade(2, "0.12345678901234567890")
    assert raw_of(exact, inexact, exact) == [None, inexact.decode(), None]


def test_a_long_number_that_a_double_holds_needs_no_raw_text() -> None:
    assert raw_of(trade(1, "9007199254740992")) == [None]


@pytest.mark.parametrize("text", ["", "abc", "1e999", "NaN"])
def test_an_unreadable_number_is_null_and_keeps_the_raw_text(text: str) -> None:
    payload = trade(1, size=text)
    batch = message_batch(ROW_READER, "trade", messages(trade(0), payload), keep_raw=False).batch
    assert batch["size"].to_pylist() == [0.5, None]
    assert batch["raw"].to_pylist() == [None, payload.decode()]


def test_an_unreadable_number_in_a_book_is_null_in_its_place() -> None:
    good = b'{"U": 1, "u": 2, "b": [["1.5", "2"]], "a": []}'
    bad = b'{"U": 3, "u": 4, "b": [["1.5", "2"], ["x", "3"]], "a": []}'
    batch = message_batch(ROW_READER, "book_delta", messages(good, bad), keep_raw=False).batch
    assert batch["bid_prices"].to_pylist() == [[1.5], [1.5, None]]
    assert batch["bid_sizes"].to_pylist() == [[2.0], [2.0, 3.0]]
    assert batch["ask_prices"].to_pylist() == [[], []], "an absent side is empty, never null"
    assert batch["raw"].to_pylist() == [None, bad.decode()]


DECIMALS = st.from_regex(r"-?[0-9]{1,20}(\.[0-9]{0,20})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)


@given(st.lists(DECIMALS, min_size=1, max_size=20))
def test_every_number_is_exact_or_its_raw_text_is_kept(texts: list[str]) -> None:
    payloads = [trade(number, text, text) for number, text in enumerate(texts)]
    batch = message_batch(ROW_READER, "trade", messages(*payloads), keep_raw=False).batch
    for row, text, payload in zip(batch.to_pylist(), texts, payloads, strict=True):
        if row["raw"] is None:
            assert Decimal(repr(row["price"])) == Decimal(repr(row["size"])) == Decimal(text)
        else:
            assert row["raw"] == payload.decode()


def test_an_unknown_side_is_null_and_needs_no_raw_text() -> None:
    batch = message_batch(ROW_READER, "trade", messages(trade(1, side=None)), keep_raw=False).batch
    assert batch["side"].to_pylist() == batch["raw"].to_pylist() == [None]


def test_an_instrument_always_keeps_its_text() -> None:
    listed = b'{"symbol":"BTCUSDT","status":"Trading","priceFilter":{"tickSize":"0.01"},"lotSizeFilter":{}}'
    batch = message_batch(adapter("bybit_spot"), "instrument", messages(listed, listed), keep_raw=False).batch
    assert batch["raw"].to_pylist() == [listed.decode()] * 2
    assert batch["tick_size"].to_pylist() == [0.01] * 2


def test_with_keep_raw_every_row_keeps_its_text() -> None:
    payloads = trade(1), trade(2)
    assert raw_of(*payloads, keep_raw=True) == [payload.decode() for payload in payloads]


def test_untyped_messages_are_returned_in_order() -> None:
    given = messages(b"a", trade(1), b"b")
    typed = message_batch(ROW_READER, "trade", given, keep_raw=False)
    assert typed.batch.num_rows == 1
    assert (typed.messages, typed.untyped) == (given.only([1]), given.only([0, 2]))


def test_untyped_messages_alone_make_an_empty_batch() -> None:
    typed = message_batch(ROW_READER, "book_delta", messages(b"a"), keep_raw=False)
    assert (typed.batch.num_rows, typed.messages.number, typed.untyped.number) == (0, 0, 1)


@pytest.mark.parametrize(
    "value",
    [TradeRow("\ud800", 1.0, 1.0, None, None, None), None],
    ids=["text that is no UTF-8", "no row"],
)
def test_a_value_no_column_can_hold_makes_its_own_message_untyped(value: TypedRow | None) -> None:
    good = TradeRow("1", 1.0, 1.0, None, None, None)
    typed = message_batch(Fixed(good, value, good), "trade", messages(b"0", b"1", b"2"), keep_raw=False)
    assert typed.batch["trade_id"].to_pylist() == ["1", "1"]
    assert typed.untyped.payloads == [b"1"]


def test_an_id_beyond_64_bits_makes_its_own_message_untyped() -> None:
    good, bad = (b'{"U": 1, "u": %d, "b": [], "a": []}' % last for last in (2, 2**64))
    typed = message_batch(ROW_READER, "book_delta", messages(good, bad, good), keep_raw=False)
    assert typed.batch["last_id"].to_pylist() == [2, 2]
    assert typed.untyped.payloads == [bad]


def test_text_that_is_not_utf_8_makes_its_own_message_untyped() -> None:
    good = TradeRow("1", 1.0, 1.0, None, None, None)
    typing = Fixed(good, good)
    typing.columns = lambda data_type, payloads: as_columns("trade", [good] * len(payloads))  # type: ignore[method-assign]
    typed = message_batch(typing, "trade", messages(b"fine", b"\xff"), keep_raw=True)
    assert typed.batch["raw"].to_pylist() == ["fine"]
    assert typed.untyped.payloads == [b"\xff"]


def test_undecoded_frames_are_kept_unchanged_with_their_reasons() -> None:
    batch = undecoded_batch(messages(b"\xff\x00", b""), ["binary", None])
    assert batch["frame"].to_pylist() == [b"\xff\x00", b""]
    assert batch["reason"].to_pylist() == ["binary", None]
    assert batch["raw"].to_pylist() == [None, None]
    assert batch["series"].to_pylist() == [3, 3]


def test_a_gap_is_a_row_of_its_columns() -> None:
    batch = gap_batch([tuple(make_gap()), tuple(make_gap(missing=None, ended_at=None, line=1))])
    assert batch["missing"].to_pylist() == [3, None]
    assert batch["ended_at"].is_null().to_pylist() == [False, True]
    assert batch["line"].to_pylist() == [None, 1]
    assert batch["gap_id"].to_pylist() == ["00112233445566ff"] * 2
