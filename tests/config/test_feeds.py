from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from collector.config.feeds import feed_problems

ADAPTERS = {"binance": ("book_snapshot", "book_delta", "trade"), "kraken": ("book_delta", "trade")}

PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["binance", "trade", "BTCUSDT"])
ANYTHING = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner))
KEYS = st.sampled_from(["exchange", "symbols", "data_types", "name", "other"])


def found(*feeds: dict[str, Any]) -> list[tuple[str, str]]:
    problems = feed_problems(list(feeds), ADAPTERS)
    return [(".".join(map(str, problem.place)), problem.reason) for problem in problems]


def test_feeds_that_share_nothing_are_fine() -> None:
    assert found({}, {"name": "more", "symbols": ["ETHUSDT"]}, {"exchange": "kraken", "data_types": ["trade"]}) == []


def test_an_unknown_exchange_lists_the_known_ones() -> None:
    (problem,) = feed_problems([{"exchange": "binanc"}], ADAPTERS)
    assert problem.reason == "is unknown"
    assert problem.allowed == "one of binance, kraken"


def test_a_data_type_must_be_offered_by_its_exchange() -> None:
    (problem,) = feed_problems([{"exchange": "kraken", "data_types": ["trade", "book_snapshot"]}], ADAPTERS)
    assert problem.place == ("feed", 0, "data_types", 1)
    assert problem.reason == "is not offered by kraken"
    assert problem.allowed == "one of book_delta, trade"


def test_default_data_types_are_checked_as_well() -> None:
    assert found({"exchange": "kraken"}) == [("feed.0.data_types.0", "is not offered by kraken")]


def test_a_misspelt_data_type_shows_beside_a_misspelt_exchange() -> None:
    assert found({"exchange": "binanc", "data_types": ["trad"]}) == [
        ("feed.0.exchange", "is unknown"),
        ("feed.0.data_types.0", "is unknown"),
    ]


def test_two_feeds_cannot_have_one_name() -> None:
    assert found({}, {"symbols": ["ETHUSDT"]}) == [("feed.1.name", "is already the name of feed[0]")]
    assert found({"name": "a"}, {"name": "A", "symbols": ["ETHUSDT"]}) == [
        ("feed.1.name", "is already the name of feed[0]")
    ]


def test_a_stream_belongs_to_one_feed() -> None:
    assert found({}, {"name": "b", "symbols": ["ETHUSDT", "BTCUSDT"], "data_types": ["trade"]}) == [
        ("feed.1.symbols", '"binance BTCUSDT trade" is already recorded by feed[0]'),
    ]


def test_many_shared_streams_are_one_problem() -> None:
    assert found({}, {"name": "b"}) == [
        ("feed.1.symbols", '"binance BTCUSDT book_delta" (and 2 more) is already recorded by feed[0]'),
    ]


def test_equal_symbols_of_two_exchanges_are_two_streams() -> None:
    assert found({}, {"exchange": "kraken", "data_types": ["trade"]}) == []


def test_patterns_of_two_feeds_may_not_meet() -> None:
    pairs = {"symbols": ["*USDT"]}
    assert found(pairs, {"name": "b", "symbols": ["BTCUSDT"]}) == [
        ("feed.1.symbols", '"BTCUSDT" may bring symbols that "*USDT" of feed[0] brings')
    ]
    assert found(pairs, {"name": "b", "symbols": ["top:5"]}) == [
        ("feed.1.symbols", '"top:5" may bring symbols that "*USDT" of feed[0] brings')
    ]
    assert found(pairs, {"name": "b", "symbols": ["BTC*"]}) == [
        ("feed.1.symbols", '"BTC*" may bring symbols that "*USDT" of feed[0] brings')
    ]


def test_patterns_that_are_kept_apart_are_fine() -> None:
    pairs = {"symbols": ["*USDT"], "exclude": ["BTCUSDT"]}
    assert found(pairs, {"name": "b"}, {"name": "c", "symbols": ["*USDC"]}) == []
    assert found(pairs, {"name": "b", "symbols": ["top:5"], "exclude": ["*USDT"]}) == []
    assert found(pairs, {"name": "b", "symbols": ["*"], "data_types": ["agg_trade"]})[1:] == []
    assert found(pairs, {"exchange": "kraken", "symbols": ["*"], "data_types": ["trade"]}) == []


@given(ANYTHING | st.lists(ANYTHING | st.dictionaries(KEYS, ANYTHING), max_size=3))
def test_a_value_that_is_not_a_feed_is_reported_by_the_model_alone(feeds: object) -> None:
    assert all(problem.place[0] == "feed" for problem in feed_problems(feeds, ADAPTERS))
