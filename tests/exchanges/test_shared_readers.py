"""What the readers made from places do with frames of every shape."""

import pytest
from msgspec.json import Decoder

from collector.domain.errors import UndecodableError
from collector.domain.records import Envelope, StreamKey
from collector.domain.times import NO_TIME_US
from collector.exchanges import typed_rows
from collector.exchanges.places import places
from collector.exchanges.reading import Keys, Read, each, listed, several, single, witness
from collector.exchanges.rest_adapter import Unread
from collector.exchanges.rest_reading import items, readable, readable_names, readable_values, texts
from collector.exchanges.row_tables import OneLevel, level, marked, row_table
from collector.exchanges.times import from_ms
from collector.exchanges.typed_rows import UNREADABLE, RowReaders

TRADES = StreamKey("x", "A", "trade")
LIQUIDATIONS = StreamKey("x", "A", "liquidation")
KEYS = Keys({(key.data_type, key.symbol): key for key in (TRADES, LIQUIDATIONS)})


def ids(read: Read, frame: bytes) -> list[int | None]:
    return [envelope.id for envelope in read(frame, KEYS)]


def book_row(readers: RowReaders, payload: bytes) -> list[object] | None:
    found = typed_rows.columns(readers, [payload])
    return None if found.untyped else [getattr(column, "values", column) for column in found.columns]


def test_a_message_in_a_list_of_one_is_refused_beside_another() -> None:
    read = single("trade", symbol="data.0!.s", id="data.0!.i")
    assert ids(read, b'{"data":[{"s":"A","i":1}]}') == [1]
    for frame in (b'{"data":[{"s":"A","i":1},{"s":"A","i":2}]}', b'{"data":[]}'):
        with pytest.raises(UNREADABLE):
            read(frame, KEYS)


def test_an_array_may_be_longer_where_no_element_is_the_only_one() -> None:
    found = places({"first": "0"})
    assert found.getters["first"](found.struct(at_0=5)) == 5
    assert ids(single("trade", symbol="0", id="1"), b'["A",7,"more"]') == [7]


def test_lists_within_lists_are_read_one_after_the_other_and_put_in_order() -> None:
    read = listed("trade", "events.*.trades", symbol="s", id="i", common={"sent": ("t", from_ms)})
    frame = (
        b'{"t":5,"events":[{"trades":[{"s":"A","i":3},{"s":"A","i":2}]},{"trades":[]},{"trades":[{"s":"A","i":1}]}]}'
    )
    assert read(frame, KEYS) == [
        Envelope(TRADES, number, None, 5_000, b'{"s":"A","i":%d}' % number) for number in (1, 2, 3)
    ]


def test_a_witness_has_an_id_and_no_payload() -> None:
    assert witness("trade", symbol="s", id="i")(b'{"s":"A","i":9}', KEYS) == [Envelope(TRADES, 9, None, None, b"")]


def test_what_a_function_makes_nothing_of_is_not_told() -> None:
    read = several(
        {"trade": "i", "liquidation": ("k", lambda kind: kind if kind == "liq" else None)}, symbol="s", id="i"
    )
    assert [envelope.stream for envelope in read(b'{"s":"A","i":1,"k":"liq"}', KEYS)] == [TRADES, LIQUIDATIONS]
    assert [envelope.stream for envelope in read(b'{"s":"A","i":1,"k":"fill"}', KEYS)] == [TRADES]
    assert [envelope.stream for envelope in read(b'{"s":"A","i":1}', KEYS)] == [TRADES]


def test_each_text_of_a_list_is_read_like_a_frame() -> None:
    read = each("trades", single("trade", symbol="s", id="i"))
    found = read(b'{"trades":[{"s":"A","i":2}, {"s":"A","i":1}]}', KEYS)
    assert [(envelope.id, envelope.payload) for envelope in found] == [(1, b'{"s":"A","i":1}'), (2, b'{"s":"A","i":2}')]


def test_a_message_that_is_one_level_is_on_the_side_it_names() -> None:
    readers = row_table("book_delta", last_id="n", one_level=OneLevel("p", "q", "side", "buy", "sell"))
    payloads = [b'{"n":1,"side":"buy","p":1.5,"q":2}', b'{"n":2,"side":"sell","p":1.6,"q":0}']
    columns = typed_rows.columns(readers, payloads).columns
    assert [getattr(column, "lengths", column) for column in columns[1:]] == [
        [1, 2], [None, None], [False, False], [1, 0], [1, 0], [0, 1], [0, 1],
    ]  # fmt: skip
    assert typed_rows.decimals(readers, b'{"n":1,"side":"buy","p":1.50,"q":2}') == ["1.50", "2"]


def test_a_single_level_that_is_no_number_is_null_in_its_row() -> None:
    readers = row_table("book_delta", one_level=OneLevel("p", "q", "side", "buy", "sell"))
    found = typed_rows.columns(readers, [b'{"side":"buy","p":"x","q":"2"}'])
    bid_prices, bid_sizes = (list(getattr(column, "values", ())) for column in found.columns[4:6])
    assert (bid_prices, bid_sizes, list(found.unread)) == ([None], [2.0], [0])


@pytest.mark.parametrize(
    "readers",
    [
        row_table("book_delta", one_level=OneLevel("p", "q", "side", "buy", "sell")),
        row_table("book_delta", bids=("c", marked("buy")), levels=level("1", "2", "0", ("buy", "sell"))),
    ],
)
def test_a_level_of_a_side_nobody_knows_has_no_row(readers: RowReaders) -> None:
    assert book_row(readers, b'{"side":"buy","p":1,"q":2,"c":[["buy","1","2"]]}') is not None
    assert book_row(readers, b'{"side":"both","p":1,"q":2,"c":[["both","1","2"]]}') is None


def test_a_level_that_is_gone_may_have_no_size_if_its_key_says_so() -> None:
    payload = b'{"c":[{"side":"buy","p":1.50},{"side":"buy","p":2,"q":3}]}'
    optional, required = (
        row_table("book_delta", bids=("c", marked("buy")), levels=level("p", size, "side", ("buy", "sell")))
        for size in ("q?", "q")
    )
    row = book_row(optional, payload)
    assert row is not None
    assert [list(side) for side in row[4:6]] == [[1.5, 2.0], [0.0, 3.0]]  # type: ignore[call-overload]
    assert typed_rows.decimals(optional, payload) == ["1.50", "0", "2", "3"]
    assert book_row(required, payload) is None


def test_the_values_of_an_object_are_read_like_a_list() -> None:
    assert texts(b'{"a":{"x":1},"b":{"x":2}}', "") == [b'{"x":1}', b'{"x":2}']
    assert list(items(b'{"r":{"a":{"x":1}}}', "r", "x")) == [(b'{"x":1}', 1)]
    with pytest.raises(UndecodableError):
        texts(b"5", "")


def test_the_values_of_an_object_can_be_read_with_their_keys() -> None:
    assert readable_values(b'{"r":{"a":{"x":1},"b":{"x":2}}}', "r", "x").entries == [("a", 1), ("b", 2)]
    assert readable_values(b'{"a":{"x":1},"b":{}}', "", "x").entries == [("a", 1)]
    for body in (b'{"a":{}}', b"[1", b"5"):
        with pytest.raises(UndecodableError):
            readable_values(body, "", "x")


def test_an_entry_that_cannot_be_read_costs_only_itself() -> None:
    found = readable(b'{"r":[{"x":1},{"x":null},7,{"x":2}]}', "r", "x")
    assert found.entries == [(b'{"x":1}', 1), (b'{"x":2}', 2)]
    assert found.unread == Unread(2, 'not the expected response: {"x":null}')
    assert readable_names(b'["A",null,"","B"]', "") == (
        [(b'"A"', "A"), (b'"B"', "B")], Unread(2, "not a name: None")
    )  # fmt: skip


def test_a_list_without_any_entry_that_can_be_read_is_none() -> None:
    assert readable(b"[]", "", "x") == ([], Unread())
    for body in (b"[7]", b'[{"x":null},{}]', b'{"r":5}'):
        with pytest.raises(UndecodableError):
            readable(body, "", "x")


def test_an_object_that_may_be_null_has_no_values_then() -> None:
    rows = row_table("book_ticker", bid_price="bbo.0?.px?", bid_size="bbo.0?.sz?", ask_price="bbo.1?.px?")
    found = typed_rows.columns(rows, [b'{"bbo":[null,{"px":"2","sz":"3"}]}', b'{"bbo":[{"px":"1","sz":"x"},null]}'])
    assert found.columns[1:4] == ([None, 1.0], [None, None], [2.0, None])
    assert list(found.unread) == [1]
    assert typed_rows.columns(row_table("book_ticker", bid_price="bbo.0.px?"), [b'{"bbo":[null]}']).untyped == [0]


@pytest.mark.parametrize("value", [b"{}", b"[]", b"null", b"5", b'"other"', b"true"])
def test_a_value_that_is_no_known_word_has_none(value: bytes) -> None:
    sides = row_table("trade", trade_id="i", price="p", size="p", side=("s?", {"b": "buy"}.get))
    assert typed_rows.columns(sides, [b'{"i":1,"p":1,"s":%b}' % value]).columns[3] == [None]
    books = row_table("book_delta", is_snapshot=("s?", "full".__eq__), bids="b", asks="b")
    assert typed_rows.columns(books, [b'{"b":[],"s":%b}' % value]).columns[3] == [False]


@pytest.mark.parametrize(("place", "missing"), [("t", NO_TIME_US), ("t|T", NO_TIME_US), ("t?", None)])
def test_a_time_that_may_be_absent_is_none_and_one_that_must_be_there_could_not_be_read(
    place: str, missing: int | None
) -> None:
    read = single("trade", symbol="s", sent=(place, from_ms))
    (told,) = read(b'{"s":"A","t":7}', KEYS)
    (untold,) = read(b'{"s":"A","t":null}', KEYS)
    (wrong,) = read(b'{"s":"A","t":"soon"}', KEYS)
    assert (told.exchange_us, untold.exchange_us, wrong.exchange_us) == (7_000, missing, NO_TIME_US)


def test_the_sign_of_a_size_tells_the_side() -> None:
    trades = row_table("trade", trade_id="0", size="1", price="2", signed=("buy", "sell"))
    found = typed_rows.columns(trades, [b"[1,-0.5,3]", b'[2,"2",3]', b"[3,0,3]", b'[4,"x",3]'])
    assert found.columns[1:4] == ([3.0] * 4, [0.5, 2.0, 0.0, None], ["sell", "buy", None, None])
    assert typed_rows.decimals(trades, b"[1,-0.50,3]") == ["-0.50", "3"]


def test_an_array_may_end_at_the_first_place_that_may_be_absent() -> None:
    rates = row_table("funding_rate", funding_rate="1?", predicted_rate="4?")
    found = typed_rows.columns(rates, [b"[0]", b"[0,1.5]", b"[0,null,2,3,4.5,6]", b"[]"])
    assert (found.columns[:2], found.untyped) == (([None, 1.5, None], [None, None, 4.5]), [3])


def test_a_function_may_make_a_value_of_several() -> None:
    read = single(
        "trade", symbol="s", id="last", first_id=(("before", "first?"), lambda before, own: own or before + 1)
    )
    (one,), (other,) = (
        read(frame, KEYS) for frame in (b'{"s":"A","before":4,"last":9}', b'{"s":"A","before":4,"first":7,"last":9}')
    )
    assert (one.first_id, other.first_id) == (5, 7)
    with pytest.raises(UNREADABLE):
        read(b'{"s":"A","first":7,"last":9}', KEYS)


def test_a_column_has_what_each_message_gives() -> None:
    found = places(
        {"plain": "a", "made": ("b?", from_ms), "either": ("c|d", from_ms), "both": (("a", "b?"), lambda a, b: (a, b))}
    )
    read = Decoder(found.struct).decode
    messages = [read(text) for text in (b'{"a":1,"b":2,"d":3}', b'{"a":4,"c":5}')]
    for name, expected in {
        "plain": [1, 4],
        "made": [2_000, None],
        "either": [3_000, 5_000],
        "both": [(1, 2), (4, None)],
    }.items():
        assert found.column(name, messages) == [found.get(name)(message) for message in messages] == expected
    assert found.column("absent", messages) == [None, None]


@pytest.mark.parametrize("side", ['"Buy"', "7", "null", "[1]", "{}", "true"])
def test_what_a_look_up_does_not_know_is_null_in_its_row_only(side: str) -> None:
    readers = row_table("trade", trade_id="i", price="p", size="v", side=("S?", {"Buy": "buy"}.get))
    payloads = [b'{"i":1,"p":"2","v":"3","S":%s}' % text.encode() for text in ('"Buy"', side, '"Buy"')]
    found = typed_rows.columns(readers, payloads)
    assert found.untyped == []
    assert found.columns[3] == ["buy", "buy" if side == '"Buy"' else None, "buy"]
