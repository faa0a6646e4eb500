"""Requests and answers keep their meaning as bytes."""

import pytest

from collector.domain.errors import NewerDataError, UndecodableError
from collector.domain.records import StreamKey
from collector.domain.repair_protocol import (
    BookRequest,
    RepairAnswer,
    TradesRequest,
    decode_answer,
    decode_request,
    encode_answer,
    encode_request,
    is_rest_journal,
    rest_journal,
)

TRADES = TradesRequest(StreamKey("binance", "BTCUSDT", "trade"), 0, "00ff", 101, 250, 1_700_000_000_000_000)
BOOK = BookRequest(StreamKey("binance", "币USDT", "book_delta"), 2, 77, 1_700_000_000_000_000)


@pytest.mark.parametrize("request_", [TRADES, BOOK])
def test_a_request_is_read_as_it_was_written(request_: TradesRequest | BookRequest) -> None:
    assert decode_request(encode_request(request_)) == request_


@pytest.mark.parametrize("request_", [TRADES, BOOK])
def test_a_request_that_says_no_version_is_of_the_first(request_: TradesRequest | BookRequest) -> None:
    text = encode_request(request_)
    assert b',"version":1' in text
    assert decode_request(text.replace(b',"version":1', b"")) == request_


def test_a_request_of_a_newer_program_is_refused_whatever_it_asks_for() -> None:
    with pytest.raises(NewerDataError, match=r"f/x\.request is of version 2, this program knows 1"):
        decode_request(b'{"kind":"candles","version":2}', "f/x.request")


def test_a_request_is_named_by_what_it_asks_for() -> None:
    assert TRADES.name == "trades-00ff"
    later = BookRequest(BOOK.stream, 2, 78, BOOK.asked_us)
    other = BookRequest(StreamKey("binance", "BTCUSDT", "book_delta"), 2, 77, BOOK.asked_us)
    assert len({BOOK.name, later.name, other.name}) == 3
    assert BOOK.name.isascii()


def test_an_answer_keeps_the_text_of_the_exchange_untouched() -> None:
    body = b'[ {"id":1},\n\n{"id":2} ]'
    page = RepairAnswer("BTCUSDT", "trade", "page", series=0, first=101, last=250)
    frame = encode_answer(page, body)
    assert frame.startswith(b'{"symbol":"BTCUSDT","data_type":"trade","answer":"page","series":0,"first":101,')
    assert decode_answer(frame) == (page, body)
    end = RepairAnswer("BTCUSDT", "trade", "end", series=0, first=101, last=250, reason="HTTP 403")
    assert decode_answer(encode_answer(end)) == (end, b"")


@pytest.mark.parametrize("frame", [b"", b"[]\n", b'{"symbol":"X"}\n', b"\xff\n", b'{"answer":"nothing"}'])
def test_a_frame_that_is_not_an_answer_cannot_be_decoded(frame: bytes) -> None:
    with pytest.raises(UndecodableError):
        decode_answer(frame)
    with pytest.raises(UndecodableError):
        decode_request(frame)


def test_the_journal_of_repair_is_told_from_that_of_ingest() -> None:
    name = rest_journal("binance")
    assert name == "binance~rest"
    assert is_rest_journal(name)
    assert not is_rest_journal("binance")
