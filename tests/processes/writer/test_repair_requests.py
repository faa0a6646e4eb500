"""Requests to repair depend on what each exchange offers without an API key."""

import pytest

from collector.domain.records import IdRule, StreamKey
from collector.domain.repair_protocol import Request, TradesRequest
from collector.domain.sequence.verdict import Verdict
from collector.domain.silence import Bounds
from collector.exchanges.registry import adapter
from collector.processes.rest_adapters import RepairableFeeds
from collector.processes.writer.batch import CommitBatch
from collector.processes.writer.repair_requests import MAX_REQUESTED_IDS, RepairRequests
from collector.processes.writer.streams import StreamState, StreamTable

MARKETS = ("binance", "binance_usdm", "binance_coinm")


def asked(market: str, data_type: str, *, missing: int = 3) -> tuple[str, list[Request]]:
    """The status of a gap that begins at id 2, and the requests made for it."""
    source = adapter(market)
    assert source.rest is not None
    rule = source.id_rules[data_type]
    stream = StreamTable(40.0, Bounds(300.0, 30.0)).add(StreamKey(market, "X", data_type), "before", rule)
    judge(stream, 1)
    assert judge(stream, 2 + missing) is Verdict.AHEAD
    batch, requests_to_repair = CommitBatch(), RepairRequests(RepairableFeeds({stream.key: "f"}, {"f": source.rest}))
    requests_to_repair.begin(batch)
    (due_row,) = stream.dedup.holes.settle(10**9)
    row = requests_to_repair.request_missing(
        stream, due_row, due_row.row(stream.key, 10**9, chained=rule is IdRule.CHAINED)
    )
    return row.status, batch.requests.get("f", [])


def judge(stream: StreamState, message_id: int) -> Verdict:
    return stream.dedup.judge(message_id, None, message_id, message_id, message_id)


@pytest.mark.parametrize("market", MARKETS)
def test_the_updates_of_a_broken_book_are_gone(market: str) -> None:
    assert asked(market, "book_delta") == ("unrepairable", [])


@pytest.mark.parametrize("market", MARKETS)
def test_missing_aggregates_are_requested(market: str) -> None:
    status, (request,) = asked(market, "agg_trade")
    assert status == "open"
    assert isinstance(request, TradesRequest)
    assert (request.first, request.last) == (2, 4)


@pytest.mark.parametrize(("market", "expected"), [("binance", "open"), ("binance_usdm", "unrepairable")])
def test_trades_are_requested_only_where_no_api_key_is_needed(market: str, expected: str) -> None:
    status, requests = asked(market, "trade")
    assert (status, len(requests)) == (expected, int(expected == "open"))


def test_a_hole_too_large_to_fetch_is_not_requested() -> None:
    status, (request,) = asked("binance", "trade", missing=MAX_REQUESTED_IDS)
    assert status == "open"
    assert isinstance(request, TradesRequest)
    assert (request.first, request.last) == (2, MAX_REQUESTED_IDS + 1)
    assert asked("binance", "trade", missing=MAX_REQUESTED_IDS + 1) == ("unrepairable", [])


def test_a_feed_that_is_not_repaired_makes_no_requests() -> None:
    stream = StreamTable(40.0, Bounds(300.0, 30.0)).add(StreamKey("binance", "X", "trade"), "f", IdRule.DENSE)
    judge(stream, 1)
    judge(stream, 5)
    batch, requests_to_repair = CommitBatch(), RepairRequests(RepairableFeeds({stream.key: "f"}, {}))
    requests_to_repair.begin(batch)
    (due_row,) = stream.dedup.holes.settle(10**9)
    row = due_row.row(stream.key, 10**9, chained=False)
    assert requests_to_repair.request_missing(stream, due_row, row) is row
    assert batch.requests == {}
