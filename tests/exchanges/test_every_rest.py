"""Rules that hold for each exchange's REST side, whatever its server answers."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import pytest

from collector.domain.errors import UndecodableError
from collector.domain.records import StreamKey
from collector.exchanges import registry
from collector.exchanges.rest_adapter import Get, Hole, Refusal, RestAdapter

EXCHANGES: Final = tuple(name for name in registry.data_types() if registry.adapter(name).rest is not None)
LISTED: Final = (
    b'{"symbol":%s,"instId":%s,"instrument_name":%s,"id":%s,"product_id":%s,"name":%s,"wsname":%s,"market_symbol":%s,'
    b'"pair":%s,"status":"online","state":"live","instType":"SPOT","trade_status":"tradable","trading":"Enabled",'
    b'"enableTrading":true,"kind":"spot","is_active":true,"tradeable":true,"type":"spot","product_type":"SPOT"}'
)
"""An instrument in the lists of many exchanges at once."""

ITEMS: Final = (
    *(LISTED.replace(b"%s", name) for name in (b"7", b"null", b'""', b"[]", b"{}", b'"A"')),
    b"{}", b"null", b"7", b'"x"', b"[]", b"[null,null,null,null,null,null,null,null]", b'{"symbol":7}', b'{"symbol":null,"id":[]}',
    b'{"symbol":"A","turnover24h":"x","volValue":"x","volume":{},"vwap":"x","quote_volume":[],"volCcy24h":"x","market":"A"}',
    b'{"id":"A","name":"A","instId":"A","instrument_name":"A","pair":"A","currency_pair":"A","market_symbol":"A"}',
    b'{"symbol":"A","status":[],"enableTrading":{},"trade_status":7,"trading":null,"market_type":[],"contractType":{}}',
)  # fmt: skip
WRAPS: Final = (
    b"%s", b"[%s]", b"[[%s]]", b'{"data":%s}', b'{"data":[%s]}', b'{"data":{"ticker":[%s]}}', b'{"result":%s}',
    b'{"result":[%s]}', b'{"result":{"list":[%s]}}', b'{"result":{"A":%s}}', b'{"universe":[%s],"tokens":[%s]}',
    b'{"symbols":[%s]}', b'{"instruments":[%s]}', b'{"tickers":[%s]}', b'{"products":[%s]}',
)  # fmt: skip
BODIES: Final = (
    b"", b" ", b"{", b"\xff\xfe", b"[" * 9_999, b'{"a":' * 9_999, b'{"code":"50011","msg":7}', b'{"code":[],"msg":{}}', b'{"retCode":[],"retMsg":{}}',
    b'{"error":["EGeneral:Too many requests"]}', b'{"error":{"code":{},"message":[]}}',
    *(wrap.replace(b"%s", item) for wrap in WRAPS for item in ITEMS),
)  # fmt: skip

HOLE: Final = Hole(1, 9, 1_700_000_000_000_000, 1_700_000_001_000_000)

Read = Callable[[bytes], Any]


def rest_of(exchange: str) -> RestAdapter:
    rest = registry.adapter(exchange).rest
    assert rest is not None
    return rest


def readers(exchange: str) -> Iterator[tuple[Get, Read]]:
    """Every request that there is, and what reads its answer."""
    rest = rest_of(exchange)
    clock = rest.clock()
    if clock is not None:
        yield clock, rest.read_clock
    yield from ((get, partial(rest.read_list, get)) for get in rest.lists())
    yield from ((get, partial(rest.read_volumes, get)) for get in rest.volumes())
    for data_type in registry.data_types()[exchange]:
        stream = StreamKey(exchange, "A", data_type)
        book, page = rest.snapshot("A"), rest.page(stream, HOLE, "")
        if book is not None and data_type == "book_delta":
            yield book, partial(rest.read_snapshot, stream)
        if page is not None:
            yield page, partial(rest.read_page, stream, HOLE, "")
        if data_type in rest.polls:
            yield rest.polls[data_type].get("A"), partial(rest.read_poll, stream)


def read_or_none(read: Read, body: bytes) -> Any:
    """What is read; None for what is undecodable."""
    try:
        return read(body)
    except UndecodableError as error:
        return None if str(error) else error


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_another_answer_than_the_expected_one_is_undecodable_and_nothing_else(exchange: str) -> None:
    for get, read in readers(exchange):
        found = [read_or_none(read, body) for body in BODIES]
        assert found.count(None) > len(BODIES) / 4, get.target
        assert not any(isinstance(one, UndecodableError) for one in found), "it says why"


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_an_answer_is_a_refusal_or_none_or_undecodable(exchange: str) -> None:
    rest = rest_of(exchange)
    for body in BODIES:
        refusal = read_or_none(rest.refusal, body)
        assert refusal is None or (isinstance(refusal[0], Refusal) and isinstance(refusal[1], str))


LISTS: Final = (
    b'{"symbol":"tBTCUSD","instId":"A-B","instrument_name":"A","id":"A","product_id":"A","name":"A","wsname":"A/B",'
    b'"market_symbol":"a","pair":"a","status":"online","state":"live","instType":"SPOT","trade_status":"tradable",'
    b'"trading":"Enabled","enableTrading":true,"kind":"spot","is_active":true,"tradeable":true,"typ":"FFWCSX"}'
)
"""An instrument that each exchange's list may have; Kraken's futures have symbols such as `PF_XBTUSD`."""


@pytest.mark.parametrize("bad", [b"null", b"7", b'{"symbol":null,"wsname":""}', b"[]", b'{"symbol":7,"wsname":7}'])
@pytest.mark.parametrize("exchange", [name for name in EXCHANGES if rest_of(name).lists()])
def test_an_entry_that_cannot_be_read_costs_the_list_only_itself(exchange: str, bad: bytes) -> None:
    rest = rest_of(exchange)
    good = b'"BTCUSD"' if exchange == "bitfinex" else LISTS
    if exchange == "kraken_futures":
        good = good.replace(b"tBTCUSD", b"PF_XBTUSD")
    for get in rest.lists():
        bodies = [wrap.replace(b"%s", b"%b,%b" % (good, bad)) for wrap in WRAPS if b"[%s]" in wrap]
        pages = [page for body in bodies if (page := read_or_none(partial(rest.read_list, get), body)) is not None]
        found = [(len(page.listings), page.unread.number, bool(page.unread.first)) for page in pages]
        assert found == [(1, 1, True)], get.target


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_listed_symbols_are_names(exchange: str) -> None:
    rest = rest_of(exchange)
    for get in rest.lists():
        for body in BODIES:
            page = read_or_none(partial(rest.read_list, get), body)
            symbols: list[Any] = [] if page is None else [listing.symbol for listing in page.listings]
            assert all(isinstance(symbol, str) and symbol for symbol in symbols), body


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_no_request_costs_more_than_the_limit(exchange: str) -> None:
    limit = rest_of(exchange).limits.weight
    weights = {get.target: get.weight for get, _ in readers(exchange)}
    assert weights
    assert {target: weight for target, weight in weights.items() if not 0 < weight <= limit} == {}
