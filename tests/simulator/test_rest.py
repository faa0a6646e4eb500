import json
from typing import Any

import pytest

from collector.simulator.listings import Listings
from collector.simulator.market import Market
from collector.simulator.market_history import MarketHistory
from collector.simulator.rest import Rest

NOW_MS = 1_700_000_040_000


@pytest.fixture
def listings() -> Listings:
    return Listings(["BTCUSDT"], 1)


@pytest.fixture
def market(listings: Listings) -> Market:
    market = listings.known["BTCUSDT"].market
    market.step(NOW_MS, 3_000)
    return market


@pytest.fixture
def rest(listings: Listings) -> Rest:
    return Rest(MarketHistory(listings))


def get(rest: Rest, target: str, now_ms: int = NOW_MS) -> tuple[int, Any, dict[str, str]]:
    response = rest.respond("GET", target, now_ms)
    return response.status, json.loads(response.body) if response.body else None, dict(response.headers)


@pytest.mark.parametrize(("limit", "weight"), [(1, 5), (100, 5), (101, 25), (500, 25), (1000, 50), (5000, 250)])
def test_depth_gives_the_best_levels_and_costs_by_its_limit(
    rest: Rest, market: Market, limit: int, weight: int
) -> None:
    status, body, headers = get(rest, f"/api/v3/depth?symbol=BTCUSDT&limit={limit}")
    assert status == 200
    assert list(body) == ["lastUpdateId", "bids", "asks"]
    assert body["lastUpdateId"] == market.book.update_id
    assert len(body["bids"]) == min(limit, len(market.book.bids))
    assert headers["X-MBX-USED-WEIGHT-1M"] == str(weight)


def test_used_weight_is_counted_per_minute(rest: Rest) -> None:
    assert get(rest, "/api/v3/ping")[2]["X-MBX-USED-WEIGHT-1M"] == "1"
    assert get(rest, "/api/v3/exchangeInfo")[2]["X-MBX-USED-WEIGHT-1M"] == "21"
    assert get(rest, "/api/v3/time", NOW_MS + 60_000)[2]["X-MBX-USED-WEIGHT-1M"] == "1"


def test_too_much_weight_is_refused_until_the_next_minute(rest: Rest) -> None:
    for _ in range(24):
        assert get(rest, "/api/v3/depth?symbol=BTCUSDT&limit=5000", NOW_MS + 5_000)[0] == 200
    status, body, headers = get(rest, "/api/v3/depth?symbol=BTCUSDT&limit=5000", NOW_MS + 5_000)
    assert (status, body["code"]) == (429, -1003)
    assert 0 < int(headers["Retry-After"]) <= 60
    assert get(rest, "/api/v3/ping", NOW_MS + 60_000)[0] == 200


def test_historical_trades_begin_at_their_id(rest: Rest, market: Market) -> None:
    ids = [trade.id for trade in market.trades]
    newest = get(rest, "/api/v3/trades?symbol=BTCUSDT&limit=5")[1]
    assert [trade["id"] for trade in newest] == ids[-5:]
    assert list(newest[0]) == ["id", "price", "qty", "quoteQty", "time", "isBuyerMaker", "isBestMatch"]
    page = get(rest, f"/api/v3/historicalTrades?symbol=BTCUSDT&fromId={ids[10]}&limit=3")[1]
    assert [trade["id"] for trade in page] == ids[10:13]
    assert get(rest, f"/api/v3/historicalTrades?symbol=BTCUSDT&fromId={ids[-1] + 1}")[1] == []


def test_a_page_of_aggregates_has_500_by_default(rest: Rest, market: Market) -> None:
    first = market.agg_trades[0]
    status, page, headers = get(rest, f"/api/v3/aggTrades?symbol=BTCUSDT&fromId={first.id}")
    assert (status, len(page), headers["X-MBX-USED-WEIGHT-1M"]) == (200, 500, "4")
    assert [(item["a"], item["f"], item["l"]) for item in page[:1]] == [
        (first.id, first.first_trade_id, first.last_trade_id)
    ]
    assert list(page[0]) == ["a", "p", "q", "f", "l", "T", "m", "M"]


def test_exchange_info_lists_the_symbols_and_limits(rest: Rest) -> None:
    info = get(rest, "/api/v3/exchangeInfo")[1]
    assert [(symbol["symbol"], symbol["status"], symbol["baseAsset"]) for symbol in info["symbols"]] == [
        ("BTCUSDT", "TRADING", "BTC")
    ]
    assert {limit["rateLimitType"]: limit["limit"] for limit in info["rateLimits"]}["REQUEST_WEIGHT"] == 6000


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("/api/v3/depth?symbol=NOPE", -1121),
        ("/api/v3/trades", -1121),
        ("/api/v3/depth?symbol=BTCUSDT&limit=x", -1100),
        ("/api/v3/depth?symbol=BTCUSDT&limit=0", -1100),
        ("/api/v3/aggTrades?symbol=BTCUSDT&fromId=-1", -1100),
    ],
)
def test_a_bad_request_is_refused_with_the_exchanges_code(rest: Rest, target: str, code: int) -> None:
    status, body, _ = get(rest, target)
    assert (status, body["code"]) == (400, code)


def test_other_paths_and_methods_are_not_found(rest: Rest) -> None:
    assert get(rest, "/api/v1/depth?symbol=BTCUSDT")[0] == 404
    assert rest.respond("POST", "/api/v3/ping", NOW_MS).status == 404


@pytest.mark.parametrize(("root", "allowed"), [("/api/v3", 6000), ("/fapi/v1", 2400), ("/dapi/v1", 2400)])
def test_each_market_has_a_budget_of_its_own(rest: Rest, root: str, allowed: int) -> None:
    weight = 250 if root == "/api/v3" else 20
    for _ in range(allowed // weight):
        assert get(rest, f"{root}/depth?symbol=BTCUSDT&limit=5000")[0] == 200
    assert get(rest, f"{root}/ping")[0] == 429
    others = {"/api/v3", "/fapi/v1", "/dapi/v1"} - {root}
    assert {get(rest, f"{other}/ping")[2]["X-MBX-USED-WEIGHT-1M"] for other in others} == {"1"}


def test_futures_have_no_single_trades_over_rest(rest: Rest, market: Market) -> None:
    first = market.agg_trades[0].id
    status, page, headers = get(rest, f"/fapi/v1/aggTrades?symbol=BTCUSDT&fromId={first}&limit=2")
    assert (status, len(page), headers["X-MBX-USED-WEIGHT-1M"]) == (200, 2, "20")
    assert get(rest, "/fapi/v1/historicalTrades?symbol=BTCUSDT&fromId=1")[0] == 404


def test_a_stale_book_is_the_oldest_kept(rest: Rest, market: Market) -> None:
    oldest = rest.respond("GET", "/api/v3/depth?symbol=BTCUSDT", NOW_MS, stale=True).body
    market.step(NOW_MS, 100)
    assert rest.respond("GET", "/api/v3/depth?symbol=BTCUSDT", NOW_MS, stale=True).body == oldest
    assert json.loads(oldest)["lastUpdateId"] < market.book.update_id


def test_skipped_ids_are_missing_over_rest_too(rest: Rest, market: Market) -> None:
    last = market.trades[-1].id, market.agg_trades[-1].id
    market.skip_ids(7)
    market.step(NOW_MS, 200)
    for name, key, before in (("historicalTrades", "id", last[0]), ("aggTrades", "a", last[1])):
        page = get(rest, f"/api/v3/{name}?symbol=BTCUSDT&fromId={before}")[1]
        assert [item[key] for item in page[:3]] == [before, before + 8, before + 9]
