"""How the plans of a feed change with what it is to record: pure, with the adapters of real exchanges."""

from collector.config import FeedConfig
from collector.domain.records import StreamKey
from collector.exchanges.adapter import ConnectionPlan, Subscription
from collector.exchanges.registry import adapter
from collector.processes.ingest.feed_plans import FeedPlans, PlanChange, Returning, Selection
from collector.storage.journal.format import FeedIdentity, PlanShare

NOTHING = Returning(frozenset(), frozenset())


class Plans:
    """The plans of a feed, and each change taken as soon as it is made."""

    def __init__(self, exchange: str, symbols: tuple[str, ...], data_types: tuple[str, ...]) -> None:
        self._feed = FeedConfig(exchange=exchange, symbols=symbols, data_types=data_types)
        self.plans = FeedPlans(adapter(exchange), self._feed, symbols)
        self.now = 0.0

    def record(
        self, symbols: tuple[str, ...], data_types: tuple[str, ...], ws_url: str = "", *, held: tuple[str, ...] = ()
    ) -> PlanChange:
        keys = frozenset(StreamKey(self._feed.exchange, *name.split()) for name in held)
        selection = Selection(Subscription(symbols, data_types), ws_url, keys)
        change = self.plans.change(selection, max(self.plans.numbered, default=-1) + 1)
        self.identity = self.plans.identity(change, self.now)
        self.plans.take(change, self.now)
        return change


def names(plan: ConnectionPlan | None) -> list[str]:
    assert plan is not None
    return sorted(f"{key.symbol} {key.data_type}" for key in plan.keys)


def test_a_data_type_that_joins_gets_a_connection_of_its_own() -> None:
    plans = Plans("binance", ("AUSDT", "BUSDT"), ("trade",))
    change = plans.record(("AUSDT", "BUSDT"), ("trade", "book_ticker"))
    assert {number: names(plan) for number, plan in change.joined.items()} == {
        1: ["AUSDT book_ticker", "BUSDT book_ticker"]
    }
    assert (change.narrowed, change.renewed, change.left) == ({}, {}, frozenset())
    assert plans.identity.data_types == ("trade", "book_ticker")
    assert plans.identity.shares == (
        (0, ("AUSDT", "BUSDT"), ("trade",)), (1, ("AUSDT", "BUSDT"), ("book_ticker",))
    )  # fmt: skip


def test_a_data_type_that_leaves_is_not_read_any_more_and_touches_no_connection() -> None:
    plans = Plans("binance", ("AUSDT",), ("trade", "book_ticker"))
    change = plans.record(("AUSDT",), ("trade",))
    assert names(change.narrowed[0]) == ["AUSDT trade"]
    assert (change.joined, change.renewed) == ({}, {})
    assert change.left == {StreamKey("binance", "AUSDT", "book_ticker")}
    assert (plans.identity.symbols, plans.identity.data_types) == (("AUSDT",), ("trade",))


def test_a_data_type_that_comes_with_another_one_joins_its_plan() -> None:
    plans = Plans("bybit_linear", ("AUSDT", "BUSDT"), ("trade", "mark_price"))
    change = plans.record(("AUSDT", "BUSDT"), ("trade", "mark_price", "funding_rate"))
    assert change.joined == change.narrowed == {}
    assert "AUSDT funding_rate" in names(change.renewed[0])
    assert (
        change.renewed[0].requests
        == adapter("bybit_linear")
        .connection(
            [
                StreamKey("bybit_linear", symbol, data_type)
                for symbol in ("AUSDT", "BUSDT")
                for data_type in ("trade", "mark_price")
            ],
            "",
        )
        .requests
    ), "nothing more is subscribed"


def test_a_topic_of_all_symbols_is_subscribed_once() -> None:
    plans = Plans("bitfinex", ("tBTCF0:USTF0",), ("liquidation", "trade"))
    change = plans.record(("tBTCF0:USTF0", "tETHF0:USTF0"), ("liquidation", "trade"))
    assert names(change.renewed[0])[-2:] == ["tBTCF0:USTF0 trade", "tETHF0:USTF0 liquidation"]
    assert [names(plan) for plan in change.joined.values()] == [["tETHF0:USTF0 trade"]]


def test_a_topic_of_all_symbols_is_subscribed_once_by_those_that_join_together() -> None:
    plans = Plans("bitfinex", ("tBTCF0:USTF0",), ("trade",))
    change = plans.record(("tBTCF0:USTF0", "tETHF0:USTF0"), ("liquidation", "trade"))
    requests = [request.text for plan in change.joined.values() for request in plan.requests]
    assert sum("liq:global" in request for request in requests) == 1
    assert change.renewed == {}


def test_symbols_and_data_types_change_together() -> None:
    plans = Plans("binance", ("AUSDT", "BUSDT"), ("trade", "book_ticker"))
    change = plans.record(("BUSDT", "CUSDT"), ("book_ticker", "agg_trade"))
    assert names(change.narrowed[0]) == ["BUSDT book_ticker"]
    joined = sorted(name for plan in change.joined.values() for name in names(plan))
    assert joined == ["BUSDT agg_trade", "CUSDT agg_trade", "CUSDT book_ticker"]


def test_another_address_renews_every_plan_and_the_journal_says_nothing_else() -> None:
    plans = Plans("binance", ("AUSDT",), ("trade",))
    change = plans.record(("AUSDT",), ("trade",), "ws://127.0.0.1:9")
    assert change.renewed[0].url == "ws://127.0.0.1:9/stream?streams=ausdt@trade"
    assert (change.joined, change.narrowed, change.left) == ({}, {}, frozenset())
    assert plans.identity.shares == ((0, ("AUSDT",), ("trade",)),)


def test_a_stream_that_is_held_joins_later() -> None:
    plans = Plans("binance", ("AUSDT", "BUSDT"), ("trade",))
    plans.record(("AUSDT",), ("trade",))
    back = frozenset({StreamKey("binance", "BUSDT", "trade")})
    assert plans.plans.returning(Subscription(("AUSDT", "BUSDT"), ("trade",))) == (back, back)
    change = plans.record(("AUSDT", "BUSDT"), ("trade",), held=("BUSDT trade",))
    assert (change.joined, change.renewed) == ({}, {})
    assert plans.identity.symbols == ("AUSDT", "BUSDT")
    change = plans.record(("AUSDT", "BUSDT"), ("trade",))
    assert [names(plan) for plan in change.joined.values()] == [["BUSDT trade"]]
    assert plans.plans.returning(Subscription(("AUSDT", "BUSDT"), ("trade",))) == NOTHING


def test_what_left_is_forgotten_once_no_connection_can_bring_it() -> None:
    plans = Plans("binance", ("AUSDT", "BUSDT"), ("trade",))
    plans.record(("AUSDT",), ("trade",))
    plans.now = 3 * 86_400.0
    plans.record(("AUSDT", "CUSDT"), ("trade",))
    assert plans.identity.symbols == ("AUSDT", "CUSDT")
    assert plans.plans.returning(Subscription(("BUSDT",), ("trade",))) == NOTHING


def test_a_stream_that_comes_with_one_that_leaves_takes_its_place() -> None:
    plans = Plans("bybit_linear", ("AUSDT",), ("trade", "mark_price"))
    change = plans.record(("AUSDT",), ("trade", "funding_rate"))
    assert names(change.renewed[0]) == ["AUSDT funding_rate", "AUSDT trade"]
    assert (change.joined, change.narrowed) == ({}, {})


def test_a_stream_that_comes_with_one_that_left_waits_as_that_one_would() -> None:
    plans = Plans("bybit_linear", ("AUSDT", "BUSDT"), ("mark_price",))
    plans.record(("AUSDT",), ("mark_price",))
    held, left = plans.plans.returning(Subscription(("AUSDT", "BUSDT"), ("funding_rate",)))
    assert held == {StreamKey("bybit_linear", "BUSDT", "funding_rate")}
    assert left == {StreamKey("bybit_linear", "BUSDT", "mark_price")}


def test_a_stream_that_returns_to_a_topic_that_stayed_need_not_wait() -> None:
    plans = Plans("bybit_linear", ("AUSDT",), ("mark_price", "funding_rate"))
    plans.record(("AUSDT",), ("mark_price",))
    assert plans.plans.returning(Subscription(("AUSDT",), ("mark_price", "funding_rate"))) == NOTHING


def test_polled_data_types_need_no_plan() -> None:
    plans = Plans("binance", ("AUSDT",), ("trade",))
    change = plans.record(("AUSDT",), ("trade", "instrument"))
    assert (change.joined, change.narrowed, change.renewed) == ({}, {}, {})


def test_an_ingest_beside_another_has_the_same_plans_by_number_and_goes_on_as_that_one_would() -> None:
    plans = Plans("binance", ("AUSDT", "BUSDT"), ("trade",))
    plans.record(("AUSDT", "BUSDT", "CUSDT"), ("trade", "book_ticker"))
    plans.record(("BUSDT", "CUSDT"), ("trade", "book_ticker"))
    feed = FeedConfig(exchange="binance", symbols=("AUSDT",), data_types=("trade",))
    beside = FeedPlans.continued(adapter("binance"), feed, plans.identity)
    assert {number: plan.keys for number, plan in beside.numbered.items()} == {
        number: plan.keys for number, plan in plans.plans.numbered.items()
    }
    assert beside.selection == plans.plans.selection
    wanted = Selection(Subscription(("CUSDT", "DUSDT"), ("trade",)), "")
    ours, theirs = plans.plans.change(wanted, 9), beside.change(wanted, 9)
    assert (ours.joined, ours.narrowed, ours.renewed, ours.left) == (
        theirs.joined, theirs.narrowed, theirs.renewed, theirs.left,
    )  # fmt: skip


def test_beside_an_ingest_whose_streams_never_changed_the_adapters_division_holds() -> None:
    feed = FeedConfig(exchange="binance", symbols=("AUSDT", "BUSDT"), data_types=("trade",))
    identity = FeedIdentity("binance", "binance", feed.symbols, feed.data_types)
    beside = FeedPlans.continued(adapter("binance"), feed, identity)
    assert beside.numbered == FeedPlans(adapter("binance"), feed, feed.symbols).numbered


def test_beside_an_ingest_that_records_nothing_there_is_nothing_to_record() -> None:
    feed = FeedConfig(exchange="binance", symbols=("AUSDT",), data_types=("trade",))
    nothing = FeedIdentity("binance", "binance", (), ("trade",), (PlanShare(0, (), ()),))
    assert FeedPlans.continued(adapter("binance"), feed, nothing).numbered == {}
